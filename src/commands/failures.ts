import type { Logger } from 'pino';
import { printable } from '../domain/text.ts';
import { valveLabel } from '../domain/valve.ts';
import type { RunEnd } from '../database/runs.ts';
import type { HyCloudStats } from '../hycloud/client.ts';
import type { PollFailure, PollReport } from '../polling/report.ts';

/** Of a fleet that fails as a whole, each valve would have its line. */
const MAX_LOGGED = 100;

/** @param others what is said of those beyond the first hundred */
export function warnOfFailures(failures: readonly PollFailure[], others: string, log: Logger): void {
  for (const { valve, reason, remedy } of failures.slice(0, MAX_LOGGED)) {
    log.warn(
      { tasmart_id: valve?.id, valve: valve ? printable(valveLabel(valve)) : undefined, remedy: remedy ?? undefined },
      printable(reason, 500),
    );
  }
  const left = failures.length - MAX_LOGGED;
  if (left > 0) log.warn({ valves: left }, others);
}

/** What was done before an error ended a run. */
type Done = Pick<PollReport, 'valves' | 'stored' | 'unchanged' | 'silent' | 'failures'>;

/** The end of a run that an error ended, for its row in tasmart_runs. */
export function endOfError(error: unknown, signal: AbortSignal, done: Done): Omit<RunEnd, keyof HyCloudStats> {
  const { valves, stored, unchanged, silent, failures } = done;
  const message = error instanceof Error ? error.message : String(error);
  const outcome = signal.aborted ? 'interrupted' : 'failed';
  return { valves, stored, unchanged, silent, failed: failures.length, outcome, error: message };
}
