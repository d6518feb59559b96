/** Time as the client needs it; injected, so that tests need not wait. Milliseconds, monotonic. */
export interface Timing {
  now: () => number;
  /** resolves after `ms`; rejects when the signal aborts */
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

export interface PacerOptions extends Timing {
  requestsPerSecond: number;
  /** milliseconds on `now`'s clock, after which nobody is let wait */
  deadlineMs: () => number;
}

/** The next turn comes only after the deadline. */
export class PausedBeyondDeadline extends Error {
  override readonly name = 'PausedBeyondDeadline';
}

export interface Pacer {
  /** Waits for this caller's turn; first come, first served. @throws PausedBeyondDeadline */
  turn: (signal: AbortSignal) => Promise<void>;
  /** Lets nobody have a turn for `ms` from now: a 429 concerns every request, not one. */
  pause: (ms: number) => void;
}

/**
 * Turns at least 1/rate apart, measured from when they were really taken: never more than the rate in any second,
 * also after a late timer.
 */
export function createPacer(options: PacerOptions): Pacer {
  const spacingMs = 1000 / options.requestsPerSecond;
  let nextMs = -Infinity;
  let queue: Promise<void> = Promise.resolve();

  async function wait(signal: AbortSignal): Promise<void> {
    // A pause may have moved the turn while we slept.
    for (let waitMs = nextMs - options.now(); waitMs > 0; waitMs = nextMs - options.now()) {
      if (nextMs > options.deadlineMs()) throw new PausedBeyondDeadline();
      await options.sleep(waitMs, signal);
    }
    signal.throwIfAborted();
    nextMs = options.now() + spacingMs;
  }

  return {
    turn(signal) {
      const turn = queue.then(() => wait(signal));
      queue = turn.catch(() => undefined);
      return turn;
    },
    pause(ms) {
      nextMs = Math.max(nextMs, options.now() + ms);
    },
  };
}
