/** Stops a run before its deadline. */
import { KnownError } from '../../domain/errors.ts';
import type { CommandContext } from '../shared/context.ts';
import type { RequestLimits } from '../shared/hycloud.ts';

export interface RunLimits extends RequestLimits {
  giveUp: AbortSignal;
}

/**
 * Adds the deadline to a command's signals. `signal` aborts shortly before the deadline: what was read is still stored.
 * `giveUp` aborts at the deadline: the run no longer waits for the database. A process that was stopped (SIGSTOP) until
 * after the deadline still has this time to store, when it continues.
 */
export function withDeadline(
  { signal, giveUp }: Pick<CommandContext, 'signal' | 'giveUp'>,
  startedMs: number,
  deadlineSeconds: number,
): RunLimits {
  const deadlineMs = startedMs + deadlineSeconds * 1000;
  // A twentieth of the run, but at least a second, and at most half of the run.
  const storingMs = 1000 * Math.min(deadlineSeconds / 2, Math.max(1, deadlineSeconds / 20));
  const overrun = new KnownError('database', `the database kept the run until its deadline (${deadlineSeconds} s)`, {
    remedy: 'look for locks and load (pg_locks, pg_stat_activity); the next run will catch up',
  });
  const stopReading = new AbortController();
  const stopStoring = new AbortController();
  const endReading = () => {
    stopReading.abort();
    setTimeout(() => stopStoring.abort(overrun), storingMs).unref();
  };
  setTimeout(endReading, Math.max(0, deadlineMs - storingMs - performance.now())).unref();
  return {
    signal: AbortSignal.any([signal, stopReading.signal]),
    giveUp: AbortSignal.any([giveUp, stopStoring.signal]),
    deadlineMs: () => deadlineMs,
  };
}
