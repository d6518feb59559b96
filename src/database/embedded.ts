/** Opens a PostgreSQL server in a folder. */
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isRoot, ownerOnTheWay } from './embedded/account.ts';
import { openCluster, SUPERUSER, type Cluster, type ClusterOptions } from './embedded/cluster.ts';
import { EmbeddedPostgresError } from './embedded/error.ts';
import { DATABASE, returnLease, takeLease, type Lease } from './embedded/lease.ts';
import { openAsOwner } from './embedded/owner.ts';
import { POLL_MS, runningServer } from './embedded/postmaster-pid.ts';
import { startServer, stopServer } from './embedded/server.ts';

export interface EmbeddedServer {
  host: string;
  port: number;
  user: string;
  password: string;
  database: string;
  /** Close your own connections first. The close() of the last process stops the server. */
  close: () => Promise<void>;
}

const LOGIN = { host: '127.0.0.1', user: SUPERUSER, database: DATABASE } as const;

/** Long enough for the crash recovery of a large database. */
const OPEN_LIMIT_MS = 60_000;

/**
 * A server that is stopping waits for open sessions. After this time, end the sessions, once: then the server can start again.
 * A multiple of POLL_MS.
 */
const STOPPING_LIMIT_MS = 10_000;

/**
 * Opens the PostgreSQL server in `folder`, with the binaries from npm. Creates, starts or joins it. Several processes may use
 * it at once; the last one to close stops it. A killed process leaves the server running, and the next process joins it. Root
 * opens a folder of another user with that user's rights only.
 *
 * @throws EmbeddedPostgresError with what to do
 */
export async function openEmbedded(folder: string, options: ClusterOptions = {}): Promise<EmbeddedServer> {
  const owner = isRoot() ? await ownerOnTheWay(join(resolve(folder), 'postgresql')) : null;
  if (owner) return { ...LOGIN, ...(await openAsOwner(folder, owner, options)) };
  const cluster = await openCluster(folder, options);
  const { lease, port } = await joinServer(cluster, options.signal);
  let closed: Promise<void> | undefined;
  return {
    ...LOGIN,
    port,
    password: cluster.password,
    close: () => (closed ??= returnLease(cluster, lease)),
  };
}

/**
 * Starts the server if there is none, and takes a lease of it.
 *
 * @throws EmbeddedPostgresError, also if that takes longer than OPEN_LIMIT_MS; the reason of the signal
 */
async function joinServer(cluster: Cluster, signal?: AbortSignal): Promise<{ lease: Lease; port: number }> {
  const limit = AbortSignal.timeout(OPEN_LIMIT_MS);
  let stoppingMs = 0;
  for (;;) {
    const server = await runningServer(cluster.dataFolder);
    if (server?.state === 'ready') {
      const lease = await takeLease(cluster, server.port);
      if (lease && !signal?.aborted) return { lease, port: server.port };
      if (lease) await returnLease(cluster, lease); // aborted: stop the server that we may have started
    }
    signal?.throwIfAborted();
    if (limit.aborted) {
      const message = `in ${cluster.dataFolder} took no connections for ${OPEN_LIMIT_MS / 1000} s`;
      throw new EmbeddedPostgresError('database', message, { remedy: `its log is ${cluster.logFile}` });
    }
    if (!server) {
      await startServer(cluster, limit);
      continue;
    }
    await sleep(POLL_MS);
    if (server.state !== 'stopping') continue;
    stoppingMs += POLL_MS;
    if (stoppingMs === STOPPING_LIMIT_MS) await stopServer(cluster, 'fast');
  }
}
