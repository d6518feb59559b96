/** Keeps requests to HyCloud at least 1/rate apart. */

/** Time as the client needs it; injected, so that tests need not wait. Milliseconds, monotonic. */
export interface Timing {
  now: () => number;
  /** resolves after `ms`; rejects when the signal aborts */
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

export interface PacerOptions extends Timing {
  requestsPerSecond: number;
  /** milliseconds on `now`'s clock; no caller waits after this time */
  deadlineMs: () => number;
}

/** The next turn comes only after the deadline. */
export class TurnBeyondDeadline extends Error {
  override readonly name = 'TurnBeyondDeadline';
  /** true: HyCloud asked for a pause; false: requests_per_second alone is too slow */
  readonly isPaused: boolean;

  constructor(isPaused: boolean) {
    super();
    this.isPaused = isPaused;
  }
}

export interface Pacer {
  /** Waits for this caller's turn; first come, first served. @throws TurnBeyondDeadline, or an error if the signal aborts */
  turn: (signal: AbortSignal) => Promise<void>;
  /** Delays all turns by `ms` from now. A 429 concerns every request, not only the one that got it. */
  pause: (ms: number) => void;
}

/** The distance between turns is measured from when a turn was really taken, so a late timer causes no burst. */
export function createPacer(options: PacerOptions): Pacer {
  const spacingMs = 1000 / options.requestsPerSecond;
  let nextTurnMs = -Infinity;
  let pausedUntilMs = -Infinity;
  /** settles when the last caller so far has had its turn, or has failed to get it */
  let queue: Promise<void> = Promise.resolve();

  async function wait(signal: AbortSignal): Promise<void> {
    // A loop, because a pause may move the turn during the sleep.
    for (let nowMs = options.now(); nextTurnMs > nowMs; nowMs = options.now()) {
      const isPaused = nextTurnMs === pausedUntilMs;
      if (nextTurnMs > options.deadlineMs()) throw new TurnBeyondDeadline(isPaused);
      await options.sleep(nextTurnMs - nowMs, signal);
    }
    signal.throwIfAborted();
    nextTurnMs = options.now() + spacingMs;
  }

  return {
    turn(signal) {
      const turn = queue.then(() => wait(signal));
      queue = turn.catch(() => undefined);
      return turn;
    },
    pause(ms) {
      pausedUntilMs = Math.max(pausedUntilMs, options.now() + ms);
      nextTurnMs = Math.max(nextTurnMs, pausedUntilMs);
    },
  };
}
