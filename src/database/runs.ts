import { shardName, type Shard } from '../domain/shard.ts';
import type { Micros } from '../domain/time.ts';
import type { Database } from './connection.ts';
import { LockedError } from './errors.ts';
import { LOCK_KEYS, LOCK_SPACE } from './locks.ts';
import { micros } from './repository.ts';

export type RunMode = 'poll' | 'backfill';

export interface RunKind {
  mode: RunMode;
  /** null: all valves */
  shard: Shard | null;
}

export interface RunStart extends RunKind {
  host: string;
  version: string;
}

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

/** A shard's key is its count in the upper half, its index in the lower. */
const SHARD_COUNT_UNIT = 0x10000;

/**
 * Holds the lock of its kind while `use` runs. It belongs to the session: whatever becomes of us, PostgreSQL frees it.
 * Shards hold that of all valves together, so that none of them runs beside a run of all.
 *
 * @throws LockedError when another run holds it
 */
async function withRunLock<T>(database: Database, { mode, shard }: RunKind, use: () => Promise<T>): Promise<T> {
  if (shard === null) return withLock(database, '', LOCK_KEYS[mode], mode, use);
  return withLock(database, '_shared', LOCK_KEYS[mode], `${mode} of all valves`, () =>
    withLock(database, '', shard.count * SHARD_COUNT_UNIT + shard.index, `${mode} of shard ${shardName(shard)}`, use),
  );
}

async function withLock<T>(
  database: Database,
  kind: '' | '_shared',
  key: number,
  what: string,
  use: () => Promise<T>,
): Promise<T> {
  const lock = [LOCK_SPACE, key];
  const [row] = await database.query<{ locked: boolean }>(`select pg_try_advisory_lock${kind}($1, $2) as locked`, lock);
  if (row?.locked !== true) throw new LockedError(what);
  try {
    return await use();
  } finally {
    await database.query(`select pg_advisory_unlock${kind}($1, $2)`, lock).catch(() => undefined);
  }
}

/** Whether another session holds the lock of a row of tasmart_runs: PostgreSQL frees it with the session. */
const IS_UNDER_WAY = `exists (
  select from pg_locks
  where locktype = 'advisory' and mode = 'ExclusiveLock' and granted and pid <> pg_backend_pid()
    and database = (select oid from pg_database where datname = current_database()) and classid = ${LOCK_SPACE}
    and objid::bigint = case
      when shard is not null then split_part(shard, '/', 2)::bigint * ${SHARD_COUNT_UNIT} + split_part(shard, '/', 1)::bigint
      when run.mode = 'poll' then ${LOCK_KEYS.poll}
      else ${LOCK_KEYS.backfill}
    end
)`;

/**
 * Does the work of a run under the run lock, and keeps the run's row in tasmart_runs, also where the work fails.
 *
 * @param describe the end of the run, from the report of the work, or from the error that ended it
 * @throws LockedError where another run holds the lock
 */
export async function withRun<Report>(
  database: Database,
  start: RunStart,
  work: () => Promise<Report>,
  describe: (result: { report: Report } | { error: unknown }) => RunEnd,
): Promise<Report> {
  return withRunLock(database, start, async () => {
    const id = await startRun(database, start);
    try {
      const report = await work();
      await finishRun(database, id, describe({ report }));
      return report;
    } catch (error) {
      await finishRun(database, id, describe({ error })).catch(() => undefined);
      throw error;
    }
  });
}

/** Inserts the run's row. A row without an end whose lock nobody holds belongs to a run that was killed. */
async function startRun(database: Database, { mode, shard, host, version }: RunStart): Promise<string> {
  const [row] = await database.query<{ id: string }>(
    `with killed as (
       update tasmart_runs as run
       set outcome = 'killed', error = 'no end was recorded: the process was killed or lost its database connection'
       where outcome is null and run.mode = $1 and not ${IS_UNDER_WAY}
     )
     insert into tasmart_runs (mode, shard, host, version) values ($1, $2, $3, $4) returning id`,
    [mode, shard && shardName(shard), host, version],
  );
  return row?.id ?? '';
}

async function finishRun(database: Database, id: string, end: RunEnd): Promise<void> {
  await database.query(
    `update tasmart_runs set finished_at = clock_timestamp(), outcome = $2, valves = $3, stored = $4, unchanged = $5,
       silent = $6, failed = $7, requests = $8, retries = $9, error = $10
     where id = $1`,
    [
      id,
      end.outcome,
      end.valves,
      end.stored,
      end.unchanged,
      end.silent,
      end.failed,
      end.requests,
      end.retries,
      end.error,
    ],
  );
}

/** A run as its row tells it; times by the database's clock. */
export interface RecordedRun extends Pick<RunEnd, 'valves' | 'stored' | 'failed' | 'error'> {
  startedUs: Micros;
  /** since its start */
  ageUs: number;
  /** killed, too, where no run has yet come to mark it */
  outcome: RunEnd['outcome'] | 'killed' | 'running';
}

/**
 * The last polls: the newest, and the newest that succeeded. Where that is a shard's, the newest of each of its shards
 * are taken together: as bad as the worst, as old as the oldest.
 *
 * @throws DatabaseError
 */
export async function loadLastPolls(
  database: Database,
): Promise<{ newest: RecordedRun | null; succeeded: RecordedRun | null }> {
  const [last] = await database.query<{ shards: number | null }>(
    `select split_part(shard, '/', 2)::integer as shards from tasmart_runs
     where mode = 'poll' order by started_at desc limit 1`,
  );
  if (!last) return { newest: null, succeeded: null };
  const newest = await loadLast(database, last.shards, 'true');
  const succeeded = await loadLast(database, last.shards, `outcome = 'success'`);
  return {
    newest: together(newest),
    succeeded: succeeded.some(({ age_us: ageUs }) => ageUs === null) ? null : together(succeeded),
  };
}

interface RunRow extends Pick<RecordedRun, 'valves' | 'stored' | 'failed' | 'error' | 'outcome'> {
  /** null: it has not run yet */
  started_us: string | null;
  age_us: string | null;
}

/** The newest poll that meets the condition; of every shard, if there are shards. */
async function loadLast(database: Database, shards: number | null, condition: string): Promise<RunRow[]> {
  return database.query<RunRow>(
    `select ${micros('started_at')} as started_us, ${micros('now() - started_at')} as age_us,
            coalesce(valves, 0) as valves, coalesce(stored, 0) as stored, coalesce(failed, 0) as failed,
            coalesce(outcome, 'failed') as outcome,
            coalesce('shard ' || wanted.shard || ': ', '') || case when started_at is null then 'it has not run yet' else error end as error
     from unnest(coalesce((select array_agg(number || '/' || $1) from generate_series(1, $1::integer) as number), '{null}'))
       as wanted (shard)
     left join lateral (
       select started_at, valves, stored, failed, error,
              coalesce(outcome, case when ${IS_UNDER_WAY} then 'running' else 'killed' end) as outcome
       from tasmart_runs as run
       where mode = 'poll' and shard is not distinct from wanted.shard and ${condition}
       order by started_at desc limit 1
     ) as run on true
     order by array_position('{success,running,partial,interrupted,failed,killed}', outcome) desc`,
    [shards],
  );
}

/** @param runs the worst first */
function together(runs: readonly RunRow[]): RecordedRun | null {
  const [worst] = runs;
  if (!worst) return null;
  const sum = (key: 'valves' | 'stored' | 'failed') => runs.reduce((total, run) => total + run[key], 0);
  return {
    startedUs: Math.min(...runs.flatMap(({ started_us: startedUs }) => (startedUs === null ? [] : Number(startedUs)))),
    ageUs: Math.max(...runs.map(({ age_us: ageUs }) => Number(ageUs))),
    outcome: worst.outcome,
    valves: sum('valves'),
    stored: sum('stored'),
    failed: sum('failed'),
    error: worst.error,
  };
}
