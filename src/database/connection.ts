/** Opens a database session with our settings and checks. */
import { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import pg from 'pg';
import { KnownError } from '../domain/errors.ts';
import { DatabaseError } from './errors.ts';
import { passwordOf } from './password.ts';
import type { ServerSettings } from '../domain/database-settings.ts';
import { pinSearchPath, requireOwnSession } from './session.ts';
import { tlsOptions } from './tls.ts';

/** One session. Statements run one after the other. When the session is lost, so are its locks. */
export interface Database {
  /** @throws DatabaseError */
  query: <Row extends pg.QueryResultRow>(text: string, values?: readonly unknown[]) => Promise<Row[]>;
  /**
   * Commits if `work` succeeds, else rolls back. Throws what `work` has thrown, even if the rollback fails. Throws too if a
   * statement failed and `work` ignored its error: then nothing is stored. Do not nest.
   */
  transaction: <T>(work: () => Promise<T>) => Promise<T>;
  /** aborts when the session is lost: stop reading HyCloud, for the readings could not be stored */
  lost: AbortSignal;
  /** for migrations: its queries have no `answerLimitMs`, and throw the errors of pg */
  client: pg.Client;
  /** the server's process id, as sent at login; a pooler sends another one */
  loginPid: number;
}

export interface ConnectionOptions {
  applicationName: string;
  /** when this signal aborts, the connection is cut, and the signal's reason is thrown */
  giveUp: AbortSignal;
  /** timeout of one statement: without a network, not even an error arrives */
  answerLimitMs?: number;
}

const CONNECT_TIMEOUT_MS = 10_000;
/** 53300: all sessions are taken, perhaps by clients that do not log in. 57P03: the server is starting. */
const BUSY_CODES = ['53300', '57P03'];
/** How long to try again while the server is busy. */
const BUSY_LIMIT_MS = 20_000;
const BUSY_PAUSE_MS = 200;
/**
 * Timeouts: none of our statements takes more than seconds, so a longer one is a fault to report. Isolation: upserts and locks
 * are written for `read committed`. Keepalives: the locks of a machine that is gone are free after a minute, not after TCP's two
 * hours. `jit` is off: compiling takes seconds for statements of milliseconds (`status` took 0.8 s instead of 0.2 for 40
 * valves, 14 s on a table of a hundred chunks).
 */
const SESSION_SETTINGS = `
  set statement_timeout = '60s';
  set lock_timeout = '20s';
  set idle_in_transaction_session_timeout = '60s';
  set default_transaction_isolation = 'read committed';
  set idle_session_timeout = '1h';
  set tcp_keepalives_idle = 30;
  set tcp_keepalives_interval = 10;
  set tcp_keepalives_count = 3;
  set timezone = 'UTC';
  set jit = off`;
/** Longer than statement_timeout, so that the server's own error arrives first. */
const ANSWER_LIMIT_MS = 90_000;
/** `answerLimitMs` of the second connection that `requireOwnSession` opens to test for a pooler. */
const POOLER_TEST_LIMIT_MS = 3000;
/** Timeout of closing a session. Everything is committed already. */
const CLOSE_LIMIT_MS = 5000;

/** int8 becomes a number: exact up to 2^53, which are microseconds until 2255. */
const TYPES = new pg.TypeOverrides();
TYPES.setTypeParser(pg.types.builtins.INT8, Number);

interface Session {
  client: pg.Client;
  lost: AbortSignal;
  /** Cuts the connection. All pending and later queries fail with the reason. */
  lose: (reason: unknown) => void;
}

/**
 * Connects, calls `use` with the session, and always disconnects. Connects again while the server is busy, but never calls
 * `use` twice.
 *
 * @throws DatabaseError; KnownError if the settings, the password or the server cannot be used; the reason of `giveUp`
 */
export async function withConnection<T>(
  settings: ServerSettings,
  options: ConnectionOptions,
  use: (database: Database) => Promise<T>,
): Promise<T> {
  const tls = await tlsOptions(settings);
  const password = await passwordOf(settings, options.giveUp);
  const login = { ...settings, password };
  const testOptions = { ...options, answerLimitMs: POOLER_TEST_LIMIT_MS };
  const startMs = performance.now();
  const session = { wasOpened: false };
  for (;;) {
    try {
      return await withSession(login, tls, options, async (database) => {
        session.wasOpened = true;
        await requireOwnSession(database, (test) => withSession(login, tls, testOptions, test));
        await database.query(SESSION_SETTINGS);
        await pinSearchPath(database);
        return use(database);
      });
    } catch (error) {
      const isBusy = error instanceof DatabaseError && BUSY_CODES.includes(error.code);
      if (session.wasOpened || !isBusy || performance.now() - startMs > BUSY_LIMIT_MS) throw error;
      await delay(BUSY_PAUSE_MS, undefined, { signal: options.giveUp }).catch(() => options.giveUp.throwIfAborted());
    }
  }
}

async function withSession<T>(
  settings: ServerSettings,
  tls: TlsOptions | false,
  { applicationName, giveUp, answerLimitMs = ANSWER_LIMIT_MS }: ConnectionOptions,
  use: (database: Database) => Promise<T>,
): Promise<T> {
  giveUp.throwIfAborted();
  const session = createSession(settings, applicationName, tls);
  const { client, lost, lose } = session;
  const cut = () => lose(giveUp.reason);
  giveUp.addEventListener('abort', cut);
  try {
    const loginPid = await connect(session);
    return await use(databaseOf(session, loginPid, answerLimitMs));
  } catch (error) {
    throw reportableError(error, lost);
  } finally {
    // If the server does not answer the goodbye, cut the connection.
    const closeTimer = setTimeout(cut, Math.min(answerLimitMs, CLOSE_LIMIT_MS));
    await client.end().catch(() => undefined);
    clearTimeout(closeTimer);
    giveUp.removeEventListener('abort', cut);
  }
}

/** Logs in. Returns the server's process id, as sent at login. */
async function connect({ client, lost }: Session): Promise<number> {
  let pid = NaN;
  client.connection.once('backendKeyData', ({ processID }: { processID: number }) => (pid = processID));
  try {
    await client.connect();
    return pid;
  } catch (error) {
    throw asDatabaseError(error, lost);
  }
}

/**
 * The error to report when the work of a session has thrown `error`. After the session is lost, any error but a database's is
 * a consequence of the loss: reports why it was lost. A raw pg.DatabaseError comes from `Database.client`.
 */
function reportableError(error: unknown, lost: AbortSignal): unknown {
  if (error instanceof KnownError && error.kind === 'database') return error;
  return lost.aborted || error instanceof pg.DatabaseError ? asDatabaseError(error, lost) : error;
}

function createSession(settings: ServerSettings, applicationName: string, ssl: TlsOptions | false): Session {
  const socket = new Socket();
  const lost = new AbortController();
  const client = new pg.Client({
    host: settings.host,
    port: settings.port,
    user: settings.user,
    database: settings.database,
    // A function, so that pg does not look for a password in ~/.pgpass or PGPASSWORD.
    password: () => settings.password ?? '',
    ssl,
    stream: () => socket,
    application_name: applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    types: TYPES,
  });
  const lose = (reason: unknown) => {
    lost.abort(reason);
    socket.destroy();
  };
  // The session may also be lost between two statements.
  client.on('error', (error) => lost.abort(new DatabaseError(error)));
  return { client, lost: lost.signal, lose };
}

function databaseOf({ client, lost, lose }: Session, loginPid: number, answerLimitMs: number): Database {
  async function send<Row extends pg.QueryResultRow>(
    text: string,
    values: readonly unknown[] = [],
  ): Promise<pg.QueryResult<Row>> {
    lost.throwIfAborted();
    const limit = setTimeout(
      () => lose(new DatabaseError(new Error(`no answer within ${answerLimitMs / 1000} s`))),
      answerLimitMs,
    );
    try {
      return await client.query<Row>(text, [...values]);
    } catch (error) {
      throw asDatabaseError(error, lost);
    } finally {
      clearTimeout(limit);
    }
  }
  async function query<Row extends pg.QueryResultRow>(text: string, values?: readonly unknown[]): Promise<Row[]> {
    return (await send<Row>(text, values)).rows;
  }

  return {
    query,
    client,
    loginPid,
    lost,
    async transaction(work) {
      await query('begin');
      try {
        const result = await work();
        const { command } = await send('commit');
        // If a statement failed and `work` ignored its error, PostgreSQL answers "commit" by a rollback, without an error.
        if (command !== 'COMMIT') throw new Error('a statement of the transaction failed: nothing was stored');
        return result;
      } catch (error) {
        await query('rollback').catch(() => undefined);
        throw error;
      }
    },
  };
}

/**
 * Translates an error of pg or Node.js to a DatabaseError; a KnownError stays. After a lost session, returns why it was lost,
 * unless the server sent the error.
 */
function asDatabaseError(error: unknown, lost: AbortSignal): unknown {
  if (lost.aborted && !(error instanceof pg.DatabaseError)) return lost.reason;
  return error instanceof Error && !(error instanceof KnownError) ? new DatabaseError(error) : error;
}
