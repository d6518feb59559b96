/** Brings a database's schema up to date with the files of sql/. */
import pg from 'pg';
import { KnownError } from '../domain/errors.ts';
import type { Database } from './connection.ts';
import { DatabaseError } from './errors.ts';
import { LOCK_KEYS, LOCK_SPACE } from './locks.ts';
import {
  planMigrations,
  type AppliedDefinition,
  type AppliedMigration,
  type Definition,
  type Migration,
  type SchemaFiles,
  type SchemaState,
} from './migrations-plan.ts';

/**
 * A migration that cannot be applied. The message says what to do. `cause` is the error of the failed file. Without a
 * cause, the files or the encoding do not fit the database, and nothing was tried.
 */
export class MigrationError extends KnownError {
  override readonly name = 'MigrationError';

  constructor(message: string, options: { cause?: unknown } = {}) {
    super(options.cause instanceof Error ? new DatabaseError(options.cause).kind : 'config', message, options);
  }
}

const ADVISORY_LOCK = `${LOCK_SPACE}, ${LOCK_KEYS.migration}`;

/** A migration waits this long for a lock on a table. All other sessions queue behind it meanwhile, so keep it short. */
const TABLE_LOCK_TIMEOUT = '30s';
const NO_TIMEOUT = '0';

/** Part of the first migration's transaction: if that fails, the database stays empty. */
const CREATE_BOOKKEEPING = `
  create table if not exists tasmart_migrations (
    number integer primary key,
    name text not null,
    sha256 text not null,
    applied_at timestamptz not null default now()
  )`;

/**
 * Compares the database with the program's files. Needs only `select` on `tasmart_migrations` and
 * `tasmart_definitions`.
 *
 * @throws {KnownError} naming the grant, when the role may not read `tasmart_definitions`
 */
export async function schemaState({ query }: Pick<Database, 'query'>, files: SchemaFiles): Promise<SchemaState> {
  const [found] = await query<{ migrations: boolean; definitions: boolean; readable: boolean | null; grant: string }>(
    `select
       to_regclass('tasmart_migrations') is not null as migrations,
       to_regclass('tasmart_definitions') is not null as definitions,
       has_table_privilege(to_regclass('tasmart_definitions'), 'select') as readable,
       format('grant select on tasmart_definitions to %I', current_user) as grant`,
  );
  if (found?.migrations !== true) return planMigrations(files, [], []);
  const migrations = await query<AppliedMigration>(
    'select number, name, sha256 from tasmart_migrations order by number',
  );
  if (!found.definitions) return planMigrations(files, migrations, []);
  if (found.readable !== true) {
    throw new KnownError('credentials', 'the role may not read tasmart_definitions', { remedy: found.grant });
  }
  const definitions = await query<AppliedDefinition>('select name, sha256 from tasmart_definitions');
  return planMigrations(files, migrations, definitions);
}

/**
 * Brings the database up to the given files and returns those it applied: none, if another process was faster.
 * Each migration is a transaction of its own; all definitions that changed are one transaction after them.
 * `onNotice` gets PostgreSQL's notices, `onApplied` each file once it is committed.
 *
 * @param client not a `Database`, whose queries have a timeout: a migration may take long
 * @throws {MigrationError} when the database is newer or altered, or not in UTF-8 (if migrations are pending), or one fails
 * @throws what `schemaState` throws, and pg's errors
 */
export async function migrate(
  client: pg.ClientBase,
  files: SchemaFiles,
  onNotice: (message: string) => void = () => undefined,
  onApplied: (file: Definition) => void = () => undefined,
): Promise<readonly Definition[]> {
  const listener = ({ message }: { message: string | undefined }) => onNotice(message ?? '');
  client.on('notice', listener);
  try {
    return await withMigrationLock(client, onNotice, () => applyPending(client, files, onApplied));
  } finally {
    client.off('notice', listener);
  }
}

/**
 * The lock belongs to the session, so that it spans the migrations' transactions. Waiting for it has no timeout: another
 * process is migrating.
 *
 * @see https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
 */
async function withMigrationLock<T>(
  client: pg.ClientBase,
  onNotice: (message: string) => void,
  work: () => Promise<T>,
): Promise<T> {
  const { rows } = await client.query<{ locked: boolean }>(`select pg_try_advisory_lock(${ADVISORY_LOCK}) as locked`);
  if (rows[0]?.locked !== true) {
    onNotice('another process is changing the schema; waiting for it');
    // In a transaction only because that lifts the timeouts. The lock stays after it.
    await inTransaction(client, NO_TIMEOUT, () => client.query(`select pg_advisory_lock(${ADVISORY_LOCK})`));
  }
  try {
    return await work();
  } finally {
    // Unlocking fails only if the connection is broken. Then the lock is gone too, and the error of `work` matters more.
    await client.query(`select pg_advisory_unlock(${ADVISORY_LOCK})`).catch(() => undefined);
  }
}

async function applyPending(
  client: pg.ClientBase,
  files: SchemaFiles,
  onApplied: (file: Definition) => void,
): Promise<readonly Definition[]> {
  const query = async <Row extends pg.QueryResultRow>(text: string) => (await client.query<Row>(text)).rows;
  const schema = await schemaState({ query }, files);
  if (schema.state === 'newer') throw new MigrationError(`${schema.problem}. Nothing was touched; update tasmart.`);
  if (schema.state === 'altered') {
    throw new MigrationError(`${schema.problem}. Nothing was touched; restore the files as they were released.`);
  }
  if (schema.pending.length > 0) await requireUtf8(client);
  for (const [index, migration] of schema.pending.entries()) {
    const createsBookkeeping = schema.state === 'missing' && index === 0;
    await applyMigration(client, migration, createsBookkeeping);
    onApplied(migration);
  }
  if (schema.outdated.length > 0) await applyDefinitions(client, schema.outdated);
  schema.outdated.forEach((definition) => onApplied(definition));
  return [...schema.pending, ...schema.outdated];
}

/** Names of projects are in any language, and sql/0016_accounts.sql normalizes them, which PostgreSQL does in UTF-8 only. */
async function requireUtf8(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<{ server_encoding: string }>('show server_encoding');
  const encoding = rows[0]?.server_encoding;
  if (encoding === 'UTF8') return;
  throw new MigrationError(
    `the database is encoded in ${encoding ?? '?'}, not UTF8. Nothing was touched; ${NEW_DATABASE}.`,
  );
}

/** What to do with a database in another encoding. */
export const NEW_DATABASE = `create one with "create database … encoding 'UTF8' locale 'C' template template0", and carry the data over`;

async function applyMigration(
  client: pg.ClientBase,
  { number, name, sql, sha256 }: Migration,
  createsBookkeeping: boolean,
): Promise<void> {
  try {
    await inTransaction(client, TABLE_LOCK_TIMEOUT, async () => {
      if (createsBookkeeping) await client.query(CREATE_BOOKKEEPING);
      await client.query(sql);
      const bookkeeping = 'insert into tasmart_migrations (number, name, sha256) values ($1, $2, $3)';
      await client.query(bookkeeping, [number, name, sha256]);
    });
  } catch (error) {
    // The error's position may be one in CREATE_BOOKKEEPING.
    const place = createsBookkeeping ? name : `${name}${lineOf(error, sql)}`;
    throw new MigrationError(`${place}: ${describeFailure(error)}`, { cause: error });
  }
}

/** In one transaction, so that no session sees a new function together with an old one that it calls. */
async function applyDefinitions(client: pg.ClientBase, definitions: readonly Definition[]): Promise<void> {
  let current: Definition | undefined;
  try {
    await inTransaction(client, TABLE_LOCK_TIMEOUT, async () => {
      for (const definition of definitions) {
        current = definition;
        await client.query(definition.sql);
        await client.query(
          `insert into tasmart_definitions (name, sha256) values ($1, $2)
           on conflict (name) do update set sha256 = excluded.sha256, applied_at = now()`,
          [definition.name, definition.sha256],
        );
      }
    });
  } catch (error) {
    const place = current ? `${current.name}${lineOf(error, current.sql)}` : 'definitions';
    throw new MigrationError(`${place}: ${describeFailure(error)}`, { cause: error });
  }
}

/** A transaction without the session's statement_timeout. Ignores an error of the rollback, so that the cause is reported. */
async function inTransaction(client: pg.ClientBase, lockTimeout: string, work: () => Promise<unknown>): Promise<void> {
  await client.query(`begin; set local lock_timeout = '${lockTimeout}'; set local statement_timeout = 0`);
  try {
    await work();
    await client.query('commit');
  } catch (error) {
    await client.query('rollback').catch(() => undefined);
    throw error;
  }
}

const REMEDIES: Record<string, string> = {
  '42501': 'Run it as the owner of the tables, with the right to create in the schema.',
  '53100': 'Free disk space: an upgrade needs about three times what the table takes.',
  '55P03': 'Another session uses the table (pg_stat_activity shows it): let it finish, then run tasmart migrate again.',
};

function describeFailure(error: unknown): string {
  if (!(error instanceof pg.DatabaseError)) {
    const reason = error instanceof Error ? error.message : String(error);
    return `${reason}. Run tasmart migrate again: it goes on from the last migration that was committed.`;
  }
  const { message, detail, hint, code = '' } = error;
  const more = [detail, hint, REMEDIES[code], 'Nothing of this migration was kept.'];
  return [`${message}.`, ...more.filter((sentence) => sentence !== undefined)].join(' ');
}

/** Such as `, line 12`; empty if unknown. PostgreSQL counts characters, not UTF-16 units, from 1. */
function lineOf(error: unknown, sql: string): string {
  if (!(error instanceof pg.DatabaseError) || error.position === undefined) return '';
  const upToError = Array.from(sql).slice(0, Number(error.position));
  return `, line ${upToError.filter((character) => character === '\n').length + 1}`;
}
