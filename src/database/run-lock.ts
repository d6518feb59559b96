/** The locks that keep two runs of one account apart. */
import { createHash } from 'node:crypto';
import type { Account } from '../domain/account.ts';
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

/**
 * The key of a run's advisory lock, a bigint. Runs with the same mode, account, server, key and shard exclude each other:
 * they would read the same valves.
 */
export function runLockKey({ account, mode, shard }: RunKind): string {
  const parts = ['tasmart run', mode, account.name, account.server, account.keyId, shard ? shardName(shard) : ''];
  return createHash('sha256').update(parts.join('\0')).digest().readBigInt64BE().toString();
}

/**
 * Holds the run lock while `use` runs. The lock belongs to the session, so PostgreSQL frees it if the process dies. All
 * shards share the lock of the unsharded run, so no shard runs beside an unsharded run.
 *
 * @throws LockedError when another run holds it
 */
export async function withRunLock<T>(database: Database, kind: RunKind, use: () => Promise<T>): Promise<T> {
  if (kind.shard === null) return withLock(database, '', kind, use);
  return withLock(database, '_shared', { ...kind, shard: null }, () => withLock(database, '', kind, use));
}

/** @param sharing completes the names of PostgreSQL's functions: '' locks exclusively */
async function withLock<T>(
  database: Database,
  sharing: '' | '_shared',
  kind: RunKind,
  use: () => Promise<T>,
): Promise<T> {
  const key = [runLockKey(kind)];
  const [row] = await database.query<{ locked: boolean }>(
    `select pg_try_advisory_lock${sharing}($1::bigint) as locked`,
    key,
  );
  if (row?.locked !== true) throw new LockedError(describeRun(kind), await loadHolder(database, kind));
  try {
    return await use();
  } finally {
    // Fails only if the session is lost, and its locks with it.
    await database.query(`select pg_advisory_unlock${sharing}($1::bigint)`, key).catch(() => undefined);
  }
}

/** Such as `poll of account "torino" of shard 1/2`. */
function describeRun({ account, mode, shard }: RunKind): string {
  const parts = [
    mode,
    ...(account.name === '' ? [] : [`account "${account.name}"`]),
    ...(shard ? [`shard ${shardName(shard)}`] : []),
  ];
  return parts.join(' of ');
}

/**
 * SQL, after `from`, to be continued with `and`: the run locks that other sessions of this database hold. Of tasmart's locks,
 * only those of runs have a single bigint key (objsubid 1); classid holds its upper half, objid its lower. Our own session is
 * left out: PostgreSQL may have given it the process id of a killed run, whose row would then count as under way.
 */
const RUN_LOCKS = `
  pg_locks as held
  where locktype = 'advisory' and objsubid = 1 and granted and pid <> pg_backend_pid()
    and database = (select oid from pg_database where datname = current_database())`;

/** Says who holds the lock: from the run's row or, before the row is written, the session. */
async function loadHolder(database: Database, kind: RunKind): Promise<string> {
  const [row] = await database.query<{
    pid: number;
    host: string | null;
    processId: number | null;
    startedUs: Micros;
  }>(
    `select pid, host, process_id as "processId", ${micros('started_at')} as "startedUs"
     from (select pid from ${RUN_LOCKS} and classid::bigint << 32 | objid::bigint = $1::bigint) as holder
     left join tasmart_runs as run on session_id = pid and outcome is null
     order by run.id desc nulls last limit 1`,
    [runLockKey(kind)],
  );
  if (!row) return 'it has just ended';
  if (row.host === null) return `it holds database session ${row.pid}`;
  const since = formatRfc3339(Math.floor(row.startedUs / US_PER_SECOND) * US_PER_SECOND).replace('.000000', '');
  return `it runs on ${row.host} as process ${row.processId ?? '?'}, since ${since}`;
}

/**
 * SQL: whether the session in the row `run` of tasmart_runs still holds a run lock. The lock ends with the session. A run
 * holds its own lock exclusively; a shared lock is the unsharded run's, held by a shard.
 */
export const IS_UNDER_WAY = `exists (select from ${RUN_LOCKS} and mode = 'ExclusiveLock' and pid = run.session_id)`;
