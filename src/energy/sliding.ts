/** A fold (such as the maximum) over a sliding window. Each item costs a constant number of steps. */

/** The fold of the items that were added and not yet dropped, oldest first. `combine` must be associative. */
export interface SlidingFold<T> {
  add: (item: T) => void;
  /** Drops the oldest item. */
  drop: () => void;
  /** Null if the window is empty. */
  value: () => T | null;
}

/**
 * A queue made of two stacks. The back keeps items and their fold. The front keeps, for each item, the fold from that item
 * to the front's newest. When the front is empty, all items of the back move to the front: each item moves once.
 */
export function slidingFold<T>(combine: (older: T, newer: T) => T): SlidingFold<T> {
  const front: T[] = [];
  let back: T[] = [];
  let backFold: T | null = null;

  return {
    add(item) {
      back.push(item);
      backFold = backFold === null ? item : combine(backFold, item);
    },
    drop() {
      if (front.length === 0) {
        let fold: T | null = null;
        for (const item of back.reverse()) {
          fold = fold === null ? item : combine(item, fold);
          front.push(fold);
        }
        back = [];
        backFold = null;
      }
      front.pop();
    },
    value() {
      const oldest = front.at(-1) ?? null;
      if (oldest === null || backFold === null) return oldest ?? backFold;
      return combine(oldest, backFold);
    },
  };
}
