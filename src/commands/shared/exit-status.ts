/** Turns a signal, an error or a run's report into the exit status. */
import { EXIT_STATUS, KnownError } from '../../domain/errors.ts';
import type { PollReport } from '../../polling/report.ts';

export const SIGNAL_STATUS = { SIGINT: 130, SIGTERM: 143 } as const;

/** @param signal its reason is the name of the process signal, see action.ts. Returns null if it has not aborted. */
export function stopStatus(signal: AbortSignal): number | null {
  return signal.aborted ? SIGNAL_STATUS[signal.reason as keyof typeof SIGNAL_STATUS] : null;
}

export function errorStatus(error: unknown): number {
  return error instanceof KnownError ? EXIT_STATUS[error.kind] : EXIT_STATUS.defect;
}

/** Of a poll or a backfill. */
export function pollStatus({ outcome, error }: PollReport): number {
  if (outcome === 'failed') return EXIT_STATUS[error?.kind ?? 'hycloud'];
  return outcome === 'success' ? 0 : EXIT_STATUS.partial;
}
