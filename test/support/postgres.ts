/** A PostgreSQL server of its own, started by the program's own code for embedded servers. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCluster, SUPERUSER, type Cluster } from '../../src/database/embedded/cluster.ts';
import { runningServer } from '../../src/database/embedded/postmaster-pid.ts';
import { waitUntilGone, startServer, stopServer } from '../../src/database/embedded/server.ts';

/** Where a server is, and its superuser. */
export interface Coordinates {
  host: string;
  port: number;
  user: string;
  password: string;
}

export interface TestServer extends Coordinates {
  cluster: Cluster;
  stop: () => Promise<void>;
}

const LIMIT_MS = 60_000;

/** No data of a test must survive a power cut. */
const FAST = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_wal_size: '1GB' };

/**
 * Starts a server, for tests that stop, kill or reconfigure it. `stop` removes its folder.
 *
 * @param prepare called before the start, when the folder of the data exists
 */
export async function startPostgres(
  settings: Record<string, string> = {},
  prepare: (cluster: Cluster) => Promise<void> = () => Promise.resolve(),
): Promise<TestServer> {
  const folder = await mkdtemp(join(tmpdir(), 'tasmart-postgres-'));
  const cacheFolder = join(tmpdir(), 'tasmart-cache');
  const cluster = await openCluster(folder, { settings: { ...FAST, ...settings }, cacheFolder });
  await prepare(cluster);
  await startServer(cluster, AbortSignal.timeout(LIMIT_MS));
  const server = await runningServer(cluster.dataFolder);
  if (!server) throw new Error(`the test server in ${folder} ended at once`);
  return {
    host: '127.0.0.1',
    port: server.port,
    user: SUPERUSER,
    password: cluster.password,
    cluster,
    async stop() {
      await stopServer(cluster, 'fast');
      if (!(await waitUntilGone(cluster, LIMIT_MS))) throw new Error(`the test server in ${folder} does not end`);
      await rm(folder, { recursive: true });
    },
  };
}
