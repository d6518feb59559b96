/** Reports the failures of a run: in the log, and in its row of tasmart_runs. */
import type { Logger } from 'pino';
import { escapeAndCut } from '../../domain/text.ts';
import { valveLabel } from '../../domain/valve.ts';
import type { RunEnd } from '../../database/runs.ts';
import type { HyCloudStats } from '../../hycloud/client.ts';
import type { PollFailure, PollReport } from '../../polling/report.ts';

/** If a whole fleet fails, a line for every valve would flood the log. */
const MAX_LOGGED = 100;

/** Logs a warning per failure. @param othersMessage the one message for all failures after the first hundred */
export function warnOfFailures(failures: readonly PollFailure[], othersMessage: string, log: Logger): void {
  for (const { valve, reason, remedy } of failures.slice(0, MAX_LOGGED)) {
    log.warn(
      {
        tasmart_id: valve?.id,
        valve: valve ? escapeAndCut(valveLabel(valve)) : undefined,
        remedy: remedy ?? undefined,
      },
      escapeAndCut(reason, 500),
    );
  }
  const unlogged = failures.length - MAX_LOGGED;
  if (unlogged > 0) log.warn({ valves: unlogged }, othersMessage);
}

/** The end of a run for tasmart_runs, without the requests and retries, which the HyCloud client counts. */
type RunResult = Omit<RunEnd, keyof HyCloudStats>;

/** @param signal aborted: the user has interrupted the run */
export function endOfReport(report: PollReport, signal: AbortSignal): RunResult {
  const { valves, stored, unchanged, silent, failures } = report;
  const outcome = signal.aborted && failures.length > 0 ? 'interrupted' : report.outcome;
  return { valves, stored, unchanged, silent, failed: failures.length, outcome, error: failures[0]?.reason ?? null };
}

/** What a run had done before an error ended it. */
type DoneSoFar = Pick<PollReport, 'valves' | 'stored' | 'unchanged' | 'silent' | 'failures'>;

/** The end of a run that an error has ended. @param signal aborted: the user has interrupted the run */
export function endOfError(error: unknown, signal: AbortSignal, soFar: DoneSoFar): RunResult {
  const { valves, stored, unchanged, silent, failures } = soFar;
  const message = error instanceof Error ? error.message : String(error);
  const outcome = signal.aborted ? 'interrupted' : 'failed';
  return { valves, stored, unchanged, silent, failed: failures.length, outcome, error: message };
}
