import { KnownError } from '../domain/errors.ts';
import type { CommandContext } from './context.ts';
import type { Limits } from './hycloud.ts';

export interface RunLimits extends Limits {
  giveUp: AbortSignal;
}

/**
 * Stops at a signal, or before the deadline with some time to spare for storing what was read; at the deadline itself,
 * what still waits for the database is given up.
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
  return {
    signal: AbortSignal.any([signal, abortedAt(deadlineMs - spareMs)]),
    giveUp: AbortSignal.any([giveUp, abortedAt(deadlineMs, overrun)]),
    deadlineMs: () => deadlineMs,
  };
}

function abortedAt(timeMs: number, reason?: KnownError): AbortSignal {
  const abort = new AbortController();
  setTimeout(() => abort.abort(reason), timeMs - performance.now()).unref();
  return abort.signal;
}
