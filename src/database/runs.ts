import type { Micros } from '../domain/time.ts';
import type { Database } from './connection.ts';
import { LockedError } from './errors.ts';
import { micros } from './repository.ts';

export type RunMode = 'poll' | 'backfill';

export interface RunStart {
  mode: RunMode;
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

/** "tasm", and a key per mode: the two never write what the other would not. */
const LOCK_SPACE = 0x7461736d;
const LOCK_KEYS = { poll: 1, backfill: 2 } as const;

/**
 * Holds the lock of its mode while `use` runs. It belongs to the session: whatever becomes of us, PostgreSQL frees it.
 *
 * @throws LockedError when another run holds it
 */
export async function withRunLock<T>(database: Database, mode: RunMode, use: () => Promise<T>): Promise<T> {
  const key = [LOCK_SPACE, LOCK_KEYS[mode]];
  const [row] = await database.query<{ locked: boolean }>('select pg_try_advisory_lock($1, $2) as locked', key);
  if (row?.locked !== true) throw new LockedError(mode);
  try {
    return await use();
  } finally {
    await database.query('select pg_advisory_unlock($1, $2)', key).catch(() => undefined);
  }
}

/** Opens the run's row. Under the lock, a row of this mode that is still open belongs to a run that was killed. */
export async function startRun(database: Database, { mode, host, version }: RunStart): Promise<string> {
  await database.query(
    `update tasmart_runs set outcome = 'killed', error = 'it ended without a word: killed, or its database connection was lost'
     where outcome is null and mode = $1`,
    [mode],
  );
  const [row] = await database.query<{ id: string }>(
    'insert into tasmart_runs (mode, host, version) values ($1, $2, $3) returning id',
    [mode, host, version],
  );
  return row?.id ?? '';
}

export async function finishRun(database: Database, id: string, end: RunEnd): Promise<void> {
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

/** The last polls: the newest, and the newest that succeeded. @throws DatabaseError */
export async function loadLastPolls(
  database: Database,
): Promise<{ newest: RecordedRun | null; succeeded: RecordedRun | null }> {
  const load = async (condition: string): Promise<RecordedRun | null> => {
    const [row] = await database.query<RunRow>(
      // The lock tells a run under way from one that was killed: PostgreSQL frees it with the session.
      `select ${micros('started_at')} as started_us, ${micros('now() - started_at')} as age_us, valves, stored, failed, error,
         coalesce(outcome, case when exists (
           select from pg_locks
           where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())
             and classid = $1 and objid = $2
         ) then 'running' else 'killed' end) as outcome
       from tasmart_runs where mode = 'poll' and ${condition} order by started_at desc limit 1`,
      [LOCK_SPACE, LOCK_KEYS.poll],
    );
    return row ? recordedRun(row) : null;
  };
  return { newest: await load('true'), succeeded: await load(`outcome = 'success'`) };
}

interface RunRow extends Pick<RecordedRun, 'valves' | 'stored' | 'failed' | 'error' | 'outcome'> {
  started_us: string;
  age_us: string;
}

function recordedRun({ started_us: startedUs, age_us: ageUs, ...run }: RunRow): RecordedRun {
  return { ...run, startedUs: Number(startedUs), ageUs: Number(ageUs) };
}
