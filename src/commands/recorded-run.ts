import { hostname } from 'node:os';
import type { Database } from '../database/connection.ts';
import { finishRun, startRun, type RunEnd, type RunKind } from '../database/runs.ts';
import type { HyCloudStats } from '../hycloud/client.ts';
import { VERSION } from './package.ts';

/**
 * Keeps the run's row in tasmart_runs, also of a run that fails; one that is killed, or loses the database, is marked
 * by the next. `signal` tells an interrupted run from a failed one, `stored` what it had stored till then.
 */
export async function withRecordedRun<Report>(
  database: Database,
  kind: RunKind,
  stats: Readonly<HyCloudStats>,
  work: () => Promise<Report>,
  describe: (report: Report) => Omit<RunEnd, keyof HyCloudStats>,
  { signal, stored }: { signal?: AbortSignal; stored?: () => number } = {},
): Promise<Report> {
  const id = await startRun(database, { ...kind, host: hostname(), version: VERSION });
  try {
    const report = await work();
    await finishRun(database, id, { ...describe(report), ...stats });
    return report;
  } catch (error) {
    const counts = { valves: 0, stored: stored?.() ?? 0, unchanged: 0, silent: 0, failed: 0 };
    const message = error instanceof Error ? error.message : String(error);
    const outcome = signal?.aborted === true ? 'interrupted' : 'failed';
    const end: RunEnd = { ...counts, ...stats, outcome, error: message };
    await finishRun(database, id, end).catch(() => undefined);
    throw error;
  }
}
