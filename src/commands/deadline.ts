/** Stops a run before its deadline. */
import { KnownError } from '../domain/errors.ts';
import type { CommandContext } from './context.ts';
import type { Limits } from './hycloud.ts';

export interface RunLimits extends Limits {
  giveUp: AbortSignal;
}

/**
 * `signal` aborts at a signal, or shortly before the deadline, which leaves time to store what was read. `giveUp` aborts at the
 * deadline: then the run no longer waits for the database. A process that was stopped (SIGSTOP) until after the deadline still
 * has that time to store, when it continues.
 */
export function withDeadline(
  { signal, giveUp }: Pick<CommandContext, 'signal' | 'giveUp'>,
  startedMs: number,
  deadlineSeconds: number,
): RunLimits {
  const deadlineMs = startedMs + deadlineSeconds * 1000;
  const spareMs = 1000 * Math.min(deadlineSeconds / 2, Math.max(1, deadlineSeconds / 20));
  const overrun = new KnownError('database', `the database kept the run until its deadline (${deadlineSeconds} s)`, {
    remedy: 'look for locks and load (pg_locks, pg_stat_activity); the next run will catch up',
  });
  const ending = new AbortController();
  const over = new AbortController();
  const end = () => {
    ending.abort();
    setTimeout(() => over.abort(overrun), spareMs).unref();
  };
  setTimeout(end, deadlineMs - spareMs - performance.now()).unref();
  return {
    signal: AbortSignal.any([signal, ending.signal]),
    giveUp: AbortSignal.any([giveUp, over.signal]),
    deadlineMs: () => deadlineMs,
  };
}
