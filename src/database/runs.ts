/** Records runs in tasmart_runs. */
import { shardName } from '../domain/shard.ts';
import type { Database } from './connection.ts';
import { LockedError } from './errors.ts';
import { IS_UNDER_WAY, withRunLock, type RunKind } from './run-lock.ts';

export interface RunStart extends RunKind {
  host: string;
  processId: number;
  version: string;
}

/** How a run ended. `stored` counts readings; `unchanged` (nothing new), `silent` and `failed` count valves. */
export interface RunEnd {
  outcome: 'success' | 'partial' | 'failed' | 'interrupted';
  valves: number;
  stored: number;
  unchanged: number;
  silent: number;
  failed: number;
  requests: number;
  retries: number;
  error: string | null;
}

/**
 * Does the work of a run under the run lock, and records the run in tasmart_runs. Also records a run that fails, and a run
 * that another run locks out.
 *
 * @param work gets the number of runs of this account, key and mode that were ever locked out
 * @param describe makes the end of the row, from the report of the work or the error that ended it
 * @throws LockedError where another run holds the lock
 */
export async function withRun<Report>(
  database: Database,
  start: RunStart,
  work: (lockedRuns: number) => Promise<Report>,
  describe: (result: { report: Report } | { error: unknown }) => RunEnd,
): Promise<Report> {
  const run = withRunLock(database, start, async () => {
    const { id, lockedRuns } = await startRun(database, start);
    try {
      const report = await work(lockedRuns);
      await finishRun(database, id, describe({ report }));
      return report;
    } catch (error) {
      await finishRun(database, id, describe({ error })).catch(() => undefined);
      throw error;
    }
  });
  return run.catch(async (error: unknown) => {
    // An error while writing the row must not hide the LockedError.
    if (error instanceof LockedError) await recordLocked(database, start, error).catch(() => undefined);
    throw error;
  });
}

/**
 * Inserts the run's row, without an outcome. Marks as killed each row without an outcome whose session holds no run lock, see
 * IS_UNDER_WAY.
 */
async function startRun(
  database: Database,
  { account, mode, shard, host, processId, version }: RunStart,
): Promise<{ id: number; lockedRuns: number }> {
  const [row] = await database.query<{ id: number; lockedRuns: number }>(
    `with killed as (
       update tasmart_runs as run
       set outcome = 'killed', error = 'no end was recorded: the process was killed or lost its database connection'
       where outcome is null and not ${IS_UNDER_WAY}
     )
     insert into tasmart_runs (account, key_id, mode, shard, host, process_id, version, session_id)
     values ($1, $2, $3, $4, $5, $6, $7, pg_backend_pid())
     returning id, (
       select count(*) from tasmart_runs as locked
       where locked.account = $1 and locked.key_id = $2 and locked.outcome = 'locked' and locked.mode = $3
     ) as "lockedRuns"`,
    [account.name, account.keyId, mode, shard && shardName(shard), host, processId, version],
  );
  return row ?? { id: NaN, lockedRuns: 0 };
}

/** Inserts a row of its own for a run that was locked out. */
async function recordLocked(
  database: Database,
  { account, mode, shard, host, processId, version }: RunStart,
  { message }: LockedError,
): Promise<void> {
  await database.query(
    `insert into tasmart_runs (account, key_id, mode, shard, host, process_id, version, finished_at, outcome, error)
     values ($1, $2, $3, $4, $5, $6, $7, now(), 'locked', $8)`,
    [account.name, account.keyId, mode, shard && shardName(shard), host, processId, version, message],
  );
}

async function finishRun(database: Database, id: number, end: RunEnd): Promise<void> {
  const { outcome, valves, stored, unchanged, silent, failed, requests, retries, error } = end;
  await database.query(
    `update tasmart_runs set finished_at = clock_timestamp(), outcome = $2, valves = $3, stored = $4, unchanged = $5,
       silent = $6, failed = $7, requests = $8, retries = $9, error = $10
     where id = $1`,
    [id, outcome, valves, stored, unchanged, silent, failed, requests, retries, error],
  );
}
