/** The rows of tasmart_runs, and the locks that keep two runs of one account apart. */
import { createHash } from 'node:crypto';
import { accountPrefix, type Account } from '../domain/account.ts';
import { shardName, type Shard } from '../domain/shard.ts';
import { formatRfc3339, US_PER_SECOND, type Micros } from '../domain/time.ts';
import type { Database } from './connection.ts';
import { LockedError } from './errors.ts';
import { micros } from './repository.ts';

export type RunMode = 'poll' | 'backfill';

export interface RunKind {
  account: Account;
  mode: RunMode;
  /** null: all valves */
  shard: Shard | null;
}

export interface RunStart extends RunKind {
  host: string;
  processId: number;
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

/**
 * The number of a run's advisory lock. Runs with the same mode, account, server, key and shard exclude each other: they
 * would read the same valves.
 */
export function runLock({ account, mode, shard }: RunKind): string {
  const parts = ['tasmart run', mode, account.name, account.server, account.keyId, shard ? shardName(shard) : ''];
  return createHash('sha256').update(parts.join('\0')).digest().readBigInt64BE().toString();
}

/**
 * Holds the run lock while `use` runs. The lock belongs to the session, so PostgreSQL frees it if the process dies. All
 * shards share the lock of the unsharded run, so no shard runs beside an unsharded run.
 *
 * @throws LockedError when another run holds it
 */
async function withRunLock<T>(database: Database, kind: RunKind, use: () => Promise<T>): Promise<T> {
  if (kind.shard === null) return withLock(database, '', kind, use);
  return withLock(database, '_shared', { ...kind, shard: null }, () => withLock(database, '', kind, use));
}

async function withLock<T>(
  database: Database,
  sharing: '' | '_shared',
  kind: RunKind,
  use: () => Promise<T>,
): Promise<T> {
  const lock = [runLock(kind)];
  const [row] = await database.query<{ locked: boolean }>(
    `select pg_try_advisory_lock${sharing}($1::bigint) as locked`,
    lock,
  );
  if (row?.locked !== true) throw new LockedError(describeRun(kind), await loadHolder(database, kind));
  try {
    return await use();
  } finally {
    await database.query(`select pg_advisory_unlock${sharing}($1::bigint)`, lock).catch(() => undefined);
  }
}

function describeRun({ account, mode, shard }: RunKind): string {
  const of = [
    ...(account.name === '' ? [] : [`account "${account.name}"`]),
    ...(shard ? [`shard ${shardName(shard)}`] : []),
  ];
  return [mode, ...of].join(' of ');
}

/** SQL: the run locks that other sessions of this database hold. Only run locks have a single bigint key (objsubid 1). */
const RUN_LOCKS = `
  pg_locks as held
  where locktype = 'advisory' and objsubid = 1 and granted and pid <> pg_backend_pid()
    and database = (select oid from pg_database where datname = current_database())`;

/** Says who holds the lock: from the run's row or, before the row is written, the session. */
async function loadHolder(database: Database, kind: RunKind): Promise<string> {
  const [row] = await database.query<{
    pid: number;
    host: string | null;
    process_id: number | null;
    started_us: string | null;
  }>(
    `select pid, host, process_id, ${micros('started_at')} as started_us
     from (select pid from ${RUN_LOCKS} and classid::bigint << 32 | objid::bigint = $1::bigint) as holder
     left join tasmart_runs as run on session_id = pid and outcome is null
     order by run.id desc nulls last limit 1`,
    [runLock(kind)],
  );
  if (!row) return 'it has just ended';
  if (row.host === null) return `it holds database session ${row.pid}`;
  const since = formatRfc3339(Math.floor(Number(row.started_us) / US_PER_SECOND) * US_PER_SECOND).replace(
    '.000000',
    '',
  );
  return `it runs on ${row.host} as process ${row.process_id ?? '?'}, since ${since}`;
}

/** SQL: whether the session in the row `run` of tasmart_runs still holds a run lock. The lock ends with the session. */
const IS_UNDER_WAY = `exists (select from ${RUN_LOCKS} and mode = 'ExclusiveLock' and pid = run.session_id)`;

/**
 * Does the work of a run under the run lock, and records the run in tasmart_runs. Also records a run that fails, and one
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

/** Inserts the run's row. Marks rows as killed that have no outcome and whose lock is free. */
async function startRun(
  database: Database,
  { account, mode, shard, host, processId, version }: RunStart,
): Promise<{ id: string; lockedRuns: number }> {
  const [row] = await database.query<{ id: string; locked_runs: string }>(
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
     ) as locked_runs`,
    [account.name, account.keyId, mode, shard && shardName(shard), host, processId, version],
  );
  return { id: row?.id ?? '', lockedRuns: Number(row?.locked_runs ?? 0) };
}

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

/** A run as recorded in tasmart_runs. Times are the database's. */
export interface RecordedRun extends Pick<RunEnd, 'valves' | 'stored' | 'failed' | 'error'> {
  startedUs: Micros;
  /** since its start */
  ageUs: number;
  /** `killed` also if no later run has marked the row yet */
  outcome: RunEnd['outcome'] | 'killed' | 'running';
}

/**
 * Loads the newest poll, and the newest that succeeded. Several accounts and shards are combined into one: the worst
 * outcome, the greatest age, the sum of the counts.
 *
 * @throws DatabaseError
 */
export async function loadLastPolls(
  database: Database,
  accounts: readonly Account[],
): Promise<{ newest: RecordedRun | null; succeeded: RecordedRun | null }> {
  const newest: RunRow[] = [];
  const succeeded: RunRow[] = [];
  for (const account of await withEachKey(database, accounts)) {
    const [last] = await database.query<{ shards: number | null }>(
      `select split_part(shard, '/', 2)::integer as shards from tasmart_runs as run
       where ${IS_POLL_OF_ACCOUNT} order by started_at desc limit 1`,
      [account.name, account.keyId],
    );
    const shards = last?.shards ?? null;
    newest.push(...(await loadLast(database, account, shards, 'true')));
    succeeded.push(...(await loadLast(database, account, shards, `outcome = 'success'`)));
  }
  const hasRun = newest.some(({ started_us: startedUs }) => startedUs !== null);
  return {
    newest: hasRun ? combined(newest) : null,
    succeeded: succeeded.some(({ age_us: ageUs }) => ageUs === null) ? null : combined(succeeded),
  };
}

/**
 * Without a configured key (a machine that only watches), returns the account once for each key that polls it. A key is
 * left out if its last poll is a day older than the account's last poll: it was replaced.
 */
async function withEachKey(database: Database, accounts: readonly Account[]): Promise<Account[]> {
  const all: Account[] = [];
  for (const account of accounts) {
    const rows = await database.query<{ key_id: string }>(
      `select key_id from tasmart_runs where account = $1 and mode = 'poll' and key_id <> '' and $2 = ''
       group by key_id having max(started_at) > (
         select max(started_at) from tasmart_runs where account = $1 and mode = 'poll'
       ) - interval '1 day'`,
      [account.name, account.keyId],
    );
    all.push(...(rows.length > 0 ? rows.map(({ key_id: keyId }) => ({ ...account, keyId })) : [account]));
  }
  return all;
}

/**
 * SQL: the polls of an account ($1) by one key ($2): two customers may share the unnamed account. All keys count if no key
 * is configured ('', a machine that only watches), or if this key has not polled yet. Runs that were locked out do not
 * count.
 */
const IS_POLL_OF_ACCOUNT = `run.account = $1 and run.mode = 'poll' and outcome is distinct from 'locked'
  and ($2 = '' or run.key_id in ($2, '') or not exists (
    select from tasmart_runs as own
    where own.account = $1 and own.key_id = $2 and own.mode = 'poll' and own.outcome is distinct from 'locked'
  ))`;

interface RunRow extends Pick<RecordedRun, 'valves' | 'stored' | 'failed' | 'error' | 'outcome'> {
  /** null: it has not run yet */
  started_us: string | null;
  age_us: string | null;
}

/** Loads the newest poll that meets the SQL condition: a row per shard, or one row. */
async function loadLast(
  database: Database,
  account: Account,
  shards: number | null,
  condition: string,
): Promise<RunRow[]> {
  return database.query<RunRow>(
    `select ${micros('started_at')} as started_us, ${micros('now() - started_at')} as age_us,
            coalesce(valves, 0) as valves, coalesce(stored, 0) as stored, coalesce(failed, 0) as failed,
            coalesce(outcome, 'failed') as outcome,
            $3::text || coalesce('shard ' || wanted.shard || ': ', '')
              || case when started_at is null then 'it has not run yet' else error end as error
     from unnest(coalesce((select array_agg(number || '/' || $4) from generate_series(1, $4::integer) as number), '{null}'))
       as wanted (shard)
     left join lateral (
       select started_at, valves, stored, failed, error,
              coalesce(outcome, case when ${IS_UNDER_WAY} then 'running' else 'killed' end) as outcome
       from tasmart_runs as run
       where ${IS_POLL_OF_ACCOUNT} and shard is not distinct from wanted.shard and ${condition}
       order by started_at desc limit 1
     ) as run on true`,
    [account.name, account.keyId, accountPrefix(account), shards],
  );
}

/** From best to worst. */
const OUTCOMES: readonly RecordedRun['outcome'][] = [
  'success',
  'running',
  'partial',
  'interrupted',
  'failed',
  'killed',
];

function combined(runs: readonly RunRow[]): RecordedRun | null {
  const [worst] = [...runs].sort((a, b) => OUTCOMES.indexOf(b.outcome) - OUTCOMES.indexOf(a.outcome));
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
