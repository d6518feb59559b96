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
  /** Waits for this caller's turn; first come, first served. @throws TurnBeyondDeadline */
  turn: (signal: AbortSignal) => Promise<void>;
  /** Delays all turns by `ms` from now. A 429 concerns every request, not only the one that got it. */
  pause: (ms: number) => void;
}

/**
 * Turns are at least 1/rate apart. The distance is measured from when a turn was really taken, so a late timer causes no
 * burst.
 */
export function createPacer(options: PacerOptions): Pacer {
  const spacingMs = 1000 / options.requestsPerSecond;
  let nextTurnMs = -Infinity;
  let pausedUntilMs = -Infinity;
  let queue: Promise<void> = Promise.resolve();

  async function wait(signal: AbortSignal): Promise<void> {
    // A pause may have moved the turn while we slept.
    for (let waitMs = nextTurnMs - options.now(); waitMs > 0; waitMs = nextTurnMs - options.now()) {
      if (nextTurnMs > options.deadlineMs()) throw new TurnBeyondDeadline(nextTurnMs === pausedUntilMs);
      await options.sleep(waitMs, signal);
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
