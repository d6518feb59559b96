/**
 * Checks a new session before any other statement runs in it: no pooler may share it with other clients, and no operator or
 * function of another role may run with our rights.
 */
import type pg from 'pg';
import { KnownError } from '../domain/errors.ts';
import { DatabaseError } from './errors.ts';

/** The part of `Database` (connection.ts, which imports this file) that the checks need. */
interface Session {
  query: <Row extends pg.QueryResultRow>(text: string, values?: readonly unknown[]) => Promise<Row[]>;
  transaction: <T>(work: () => Promise<T>) => Promise<T>;
  /** the server's process id, as sent at login */
  loginPid: number;
}

/** SQL: the schema of tasmart's tables; without tables, the current one. Names are qualified: search_path is not trusted yet. */
const SCHEMA_OID = `
  select coalesce(
    (select relnamespace from pg_catalog.pg_class where oid operator(pg_catalog.=) pg_catalog.to_regclass('tasmart_migrations')),
    pg_catalog.to_regnamespace(pg_catalog.current_schema()::pg_catalog.text)
  )::pg_catalog.oid::pg_catalog.text as oid`;

/**
 * Operators and functions in the schema $1 that are named like PostgreSQL's own. PostgreSQL may choose them instead of its
 * own, if their argument types match better. Those of a superuser, the owner of the database or schema, an extension, or our
 * own role are trusted.
 */
const PLANTED_OBJECTS = `
  select object.what, pg_get_userbyid(object.owner) as owner from (
    select 'operator ' || operator.oid::regoperator as what, oprowner as owner, 'pg_operator'::regclass as class, operator.oid
    from pg_operator as operator
    where oprnamespace = $1
      and exists (
        select from pg_operator as builtin
        where builtin.oprnamespace = 'pg_catalog'::regnamespace and builtin.oprname = operator.oprname
      )
    union all
    select 'function ' || function.oid::regprocedure, proowner, 'pg_proc'::regclass, function.oid
    from pg_proc as function
    where pronamespace = $1
      and exists (
        select from pg_proc as builtin
        where builtin.pronamespace = 'pg_catalog'::regnamespace and builtin.proname = function.proname
      )
  ) as object
  where not exists (select from pg_roles where oid = object.owner and (rolsuper or rolname = current_user))
    and object.owner not in (
      select datdba from pg_database where datname = current_database()
      union all select nspowner from pg_namespace where oid = $1
    )
    and not exists (select from pg_depend where classid = object.class and objid = object.oid and deptype = 'e')
  order by 1 limit 3`;

/**
 * Sets search_path to the schema of tasmart's tables and PostgreSQL's own. Refuses a schema with PLANTED_OBJECTS. Before
 * PostgreSQL 15, every role can create objects in "public".
 *
 * @throws KnownError exit 78; DatabaseError
 */
export async function pinSearchPath(database: Session): Promise<void> {
  const [found] = await database.query<{ oid: string | null }>(SCHEMA_OID);
  await database.query('set search_path = pg_catalog, pg_temp');
  const [schema] = await database.query<{ name: string; path: string }>(
    `select nspname as name, format('%I, pg_temp', nspname) as path from pg_namespace where oid = $1`,
    [found?.oid ?? null],
  );
  if (!schema) return; // no schema of the role's search_path exists: the first statement that needs one will say so
  const planted = await database.query<{ what: string; owner: string }>(PLANTED_OBJECTS, [found?.oid]);
  if (planted.length > 0) {
    const objects = planted.map(({ what, owner }) => `${what} of role ${owner}`).join(', ');
    throw new KnownError('config', `schema ${schema.name} holds what would run with your rights: ${objects}`, {
      remedy: `drop it, and let nobody else create there: revoke create on schema ${schema.name} from public`,
    });
  }
  await database.query(`select set_config('search_path', $1, false)`, [schema.path]);
}

/**
 * Refuses a pooler in transaction mode. It may run each transaction in another server session, so locks and settings would
 * get lost, or reach other clients. Behind any pooler, the process id sent at login is not that of the server session. Then
 * a second connection tests whether it gets the server session that the first one has just used. A pooler may by chance not
 * share the session, so test several times.
 *
 * @throws KnownError exit 78
 */
export async function requireOwnSession(
  database: Session,
  openSecond: <T>(use: (second: Session) => Promise<T>) => Promise<T>,
): Promise<void> {
  if ((await backendPid(database)) === database.loginPid) return;
  // Makes RDS Proxy pin the session to us. pgbouncer restores this setting for each client, so no other client is affected.
  await database.query(`set timezone = 'UTC'`);
  for (let attempt = 0; attempt < POOLER_TESTS; attempt++) {
    const isShared = await isSharedWithSecond(database, openSecond);
    if (isShared === null) return;
    if (!isShared) continue;
    const problem = 'a connection pooler in transaction or statement mode shares the database session with others';
    throw new KnownError('config', problem, {
      remedy: 'connect to the server itself, or to a pool in session mode (pgbouncer: pool_mode = session)',
    });
  }
}

const POOLER_TESTS = 3;

/**
 * Null: unknown, because the second connection failed, or got no session within POOLER_TEST_LIMIT_MS (connection.ts). A small
 * pool in session mode has no session left for it.
 */
async function isSharedWithSecond(
  database: Session,
  openSecond: <T>(use: (second: Session) => Promise<T>) => Promise<T>,
): Promise<boolean | null> {
  const before = await backendPid(database);
  // pgbouncer with server_round_robin gives every statement the next session.
  if ((await backendPid(database)) !== before) return true;
  try {
    return await openSecond((second) =>
      second.transaction(async () => {
        if ((await backendPid(second)) === before) return true;
        // While the second holds its session, the first must still get the same one.
        return (await backendPid(database)) !== before;
      }),
    );
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    // pgbouncer in statement mode: "transaction blocks not allowed in statement pooling mode"
    return error.message.includes('statement pooling') ? true : null;
  }
}

async function backendPid(database: Session): Promise<number> {
  const [row] = await database.query<{ pid: number }>('select pg_catalog.pg_backend_pid() as pid');
  return row?.pid ?? NaN;
}
