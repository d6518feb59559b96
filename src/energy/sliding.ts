/** A fold (such as the maximum) over a sliding window. Each item costs a constant number of steps. */
import type { Micros, Span } from '../domain/time.ts';

/**
 * Returns a function: the fold of the items that lie in a window, its ends included. Null: there is none. Neither end of the
 * window may move back from one call to the next.
 *
 * @param items in order of time
 * @param combine must be associative
 */
export function slidingFold<T>(
  items: readonly (Span & { value: T })[],
  combine: (older: T, newer: T) => T,
): (fromUs: Micros, toUs: Micros) => T | null {
  const queue = foldingQueue(combine);
  let [first, end] = [0, 0];
  return (fromUs, toUs) => {
    for (let next = items[end]; next && next.toUs <= toUs; next = items[++end]) queue.add(next.value);
    for (; first < end && (items[first]?.fromUs ?? Infinity) < fromUs; first++) queue.dropOldest();
    return queue.fold();
  };
}

/**
 * A queue made of two stacks. The back keeps items and their fold. The front keeps, for each item, the fold from that item
 * to the front's newest. When the front is empty, all items of the back move to the front: each item moves once.
 */
function foldingQueue<T>(combine: (older: T, newer: T) => T) {
  const front: T[] = [];
  let back: T[] = [];
  let backFold: T | null = null;

  return {
    add(item: T): void {
      back.push(item);
      backFold = backFold === null ? item : combine(backFold, item);
    },
    dropOldest(): void {
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
    fold(): T | null {
      const frontFold = front.at(-1) ?? null;
      if (frontFold === null || backFold === null) return frontFold ?? backFold;
      return combine(frontFold, backFold);
    },
  };
}
