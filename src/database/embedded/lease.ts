/** Counts the processes that use an embedded server. The last one stops the server. */
import pg from 'pg';
import { SUPERUSER, type Cluster } from './cluster.ts';
import { codeOf, EmbeddedPostgresError } from './error.ts';
import { runningServer } from './postmaster-pid.ts';
import { stopServer, waitUntilClosed, waitUntilGone } from './server.ts';

/**
 * A session that counts one process as a user of the server while it is open. It holds a shared advisory lock in the database
 * `postgres`, where no other lock of tasmart's can conflict. A process that gets the lock exclusively is the last user, and
 * stops the server. The session of a killed process ends by itself.
 */
export type Lease = pg.Client;

export const DATABASE = 'tasmart';

const NOT_OURS = 'another program listens on its port';

const LOCK = 1;
/** Timeout of each step. A foreign client may stay longer; then the server ends after that client. */
const STOP_LIMIT_MS = 5_000;

/**
 * Also creates tasmart's database, if the server has none. Null: the server is starting or stopping, or cannot be reached; try
 * again.
 *
 * @throws EmbeddedPostgresError if the server refuses us, or another program listens on its port
 */
export async function takeLease(cluster: Cluster, port: number): Promise<Lease | null> {
  // The steps of the SCRAM login so far. Only a server that knows the password's verifier completes SCRAM. Another program
  // on this port must not get the password.
  const login = new Set<string>();
  const lease = new pg.Client({
    host: '127.0.0.1',
    port,
    user: SUPERUSER,
    password: () => {
      if (!login.has('authenticationSASL')) throw new Error(NOT_OURS);
      return cluster.password;
    },
    database: 'postgres',
    ssl: false,
    application_name: 'tasmart lease',
    connectionTimeoutMillis: 5_000,
  });
  // Ignore a lost lease: the server is gone, and every query will report it.
  lease.on('error', () => undefined);
  for (const step of ['authenticationSASL', 'authenticationSASLFinal']) {
    lease.connection.once(step, () => login.add(step));
  }
  try {
    await lease.connect();
    if (!login.has('authenticationSASLFinal')) throw new Error(NOT_OURS);
    const { rows } = await lease.query<{ admitted: boolean; exists: boolean }>(
      `select pg_try_advisory_lock_shared(${LOCK}) as admitted,
              exists (select from pg_database where datname = '${DATABASE}') as exists`,
    );
    // The server may already be stopping: it admitted us after the last user had decided to stop it.
    const isReady = (await runningServer(cluster.dataFolder))?.state === 'ready';
    if (rows[0]?.admitted && isReady) {
      if (!rows[0].exists) await createDatabase(lease);
      return lease;
    }
  } catch (cause) {
    if (!isTransient(cause)) {
      await endLease(lease);
      const message = `in ${cluster.dataFolder} refuses us: ${cause instanceof Error ? cause.message : String(cause)}`;
      throw new EmbeddedPostgresError('database', message, { cause });
    }
  }
  await endLease(lease);
  return null;
}

/** Stops the server, unless it has other users. Returns when it is gone, or when foreign sessions keep it running. */
export async function returnLease(cluster: Cluster, lease: Lease): Promise<void> {
  if (!(await isLastUser(lease))) return endLease(lease);
  await stopServer(cluster, 'smart');
  // Release the lock only now: the next process that gets it must see that the server is stopping.
  await waitUntilClosed(cluster, STOP_LIMIT_MS);
  await endLease(lease);
  await waitUntilGone(cluster, STOP_LIMIT_MS);
}

/**
 * Unlock the shared lock first. Otherwise two processes that leave at once would both fail, and the server would stay. If true,
 * the lease holds the exclusive lock until it ends.
 */
async function isLastUser(lease: Lease): Promise<boolean> {
  try {
    await lease.query(`select pg_advisory_unlock_shared(${LOCK})`);
    const { rows } = await lease.query<{ last: boolean }>(`select pg_try_advisory_lock(${LOCK}) as last`);
    return rows[0]?.last === true;
  } catch {
    return true; // the lease is lost: most likely the server has ended, and the leases of all other users with it
  }
}

async function createDatabase(lease: Lease): Promise<void> {
  try {
    await lease.query(`create database ${DATABASE}`);
  } catch (error) {
    const anotherWasFirst = ['42P04', '23505'].includes(codeOf(error) ?? '');
    if (!anotherWasFirst) throw error;
  }
}

async function endLease(lease: Lease): Promise<void> {
  await lease.end().catch(() => undefined);
}

/**
 * 57P03, 57P01: starting up, shutting down. 53300: too many connections, perhaps of clients that do not log in.
 * Without a PostgreSQL code, which has a digit (unlike EPIPE), the connection failed.
 */
function isTransient(error: unknown): boolean {
  if (error instanceof Error && error.message === NOT_OURS) return false;
  const code = codeOf(error) ?? '';
  return code.startsWith('57P') || code === '53300' || !/^(?=.*\d)[0-9A-Z]{5}$/.test(code);
}
