/** Reports the failures of a run: in the log, and in its row of tasmart_runs. */
import type { Logger } from 'pino';
import { printable } from '../domain/text.ts';
import { valveLabel } from '../domain/valve.ts';
import type { RunEnd } from '../database/runs.ts';
import type { HyCloudStats } from '../hycloud/client.ts';
import type { PollFailure, PollReport } from '../polling/report.ts';

/** If a whole fleet fails, a line for every valve would flood the log. */
const MAX_LOGGED = 100;

/** Logs a warning per failure. @param others the one message for all failures after the first hundred */
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

/** What a run had done before an error ended it. */
type Done = Pick<PollReport, 'valves' | 'stored' | 'unchanged' | 'silent' | 'failures'>;

/** The values for tasmart_runs of a run that ended with an error. */
export function endOfError(error: unknown, signal: AbortSignal, done: Done): Omit<RunEnd, keyof HyCloudStats> {
  const { valves, stored, unchanged, silent, failures } = done;
  const message = error instanceof Error ? error.message : String(error);
  const outcome = signal.aborted ? 'interrupted' : 'failed';
  return { valves, stored, unchanged, silent, failed: failures.length, outcome, error: message };
}
