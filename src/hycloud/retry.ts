/** Calls HyCloud again after a transient failure. */
import { HyCloudError, isTransient } from './errors.ts';
import { TurnBeyondDeadline, type Pacer, type Timing } from './pacer.ts';

/** Five attempts. The waits between them are random, up to 1, 2, 4 and 8 s, or longer if HyCloud asks: see `pauseBefore`. */
const MAX_ATTEMPTS = 5;
const FIRST_BACKOFF_MS = 1000;
/** A 429 without a Retry-After pauses all requests for this time. */
const RATE_LIMIT_PAUSE_MS = 5000;

export interface RetryContext extends Timing {
  pacer: Pacer;
  /** 0 … 1 */
  random: () => number;
  signal: AbortSignal;
  /** milliseconds on `now`'s clock; no call waits after this time */
  deadlineMs: () => number;
  onRetry: (error: HyCloudError, waitMs: number) => void;
}

/**
 * Repeats `call` until it succeeds, fails permanently, or the next wait would pass the deadline. The only retry of
 * transient failures; client.ts repeats a refused call once, within an attempt.
 * Full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 *
 * @throws HyCloudError
 */
export async function withRetry<T>(call: () => Promise<T>, path: string, context: RetryContext): Promise<T> {
  let lastError: HyCloudError | null = null;
  for (let attempt = 1; ; attempt += 1) {
    try {
      await context.pacer.turn(context.signal);
      return await call();
    } catch (error) {
      // Report the last real error, not what kept the call from another attempt.
      if (context.signal.aborted) throw lastError ?? new HyCloudError('aborted', path, 'stopped before an answer came');
      if (error instanceof TurnBeyondDeadline) throw lastError ?? notCalledError(path, error);
      if (!(error instanceof HyCloudError)) throw error;
      if (!isTransient(error)) throw error.withAttempts(attempt);
      // Also after the last attempt: a pause that HyCloud asks for concerns the other requests too.
      const waitMs = pauseBefore(attempt + 1, error, context);
      if (attempt === MAX_ATTEMPTS || context.now() + waitMs > context.deadlineMs()) throw error.withAttempts(attempt);
      lastError = error.withAttempts(attempt);
      context.onRetry(error, waitMs);
      // An abort ends the sleep: the next turn then throws.
      await context.sleep(waitMs, context.signal).catch(() => undefined);
    }
  }
}

function notCalledError(path: string, { isPaused }: TurnBeyondDeadline): HyCloudError {
  const detail = isPaused
    ? 'not called: HyCloud asked for a pause that this run cannot wait for'
    : 'not called: at requests_per_second, its turn comes after run_deadline_seconds';
  return new HyCloudError(isPaused ? 'rate-limited' : 'aborted', path, detail);
}

/**
 * Returns the milliseconds to wait before this attempt, from 2 on. After a rate limit or a Retry-After, pauses all other
 * requests too.
 */
function pauseBefore(attempt: number, error: HyCloudError, { pacer, random }: RetryContext): number {
  const jitterMs = random() * FIRST_BACKOFF_MS * 2 ** (attempt - 2);
  const askedMs = error.retryAfterMs ?? (error.failure === 'rate-limited' ? RATE_LIMIT_PAUSE_MS : null);
  if (askedMs === null) return jitterMs;
  pacer.pause(askedMs);
  return Math.max(askedMs, jitterMs);
}
