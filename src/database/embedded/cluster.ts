import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Account, serverAccount } from './account.ts';
import { type Binaries, findBinaries } from './binaries.ts';
import { codeOf, EmbeddedPostgresError } from './error.ts';
import { exists, renameUnlessThere } from './files.ts';
import { runTool, type Workplace } from './tool.ts';

/** A PostgreSQL data folder and what is needed to run it. */
export interface Cluster extends Workplace {
  logFile: string;
  password: string;
}

export const SUPERUSER = 'tasmart';

export interface ClusterOptions {
  /** added to postgresql.conf when the folder is new */
  settings?: Record<string, string>;
  /** for the copy of the binaries that root may need */
  cacheFolder?: string;
  /** gives up, and leaves no server behind that nobody uses */
  signal?: AbortSignal;
}

const SETTINGS = {
  listen_addresses: '127.0.0.1',
  // Loopback with a password works on every platform, and has no limit on the length of a path.
  unix_socket_directories: '',
  timezone: 'UTC',
  log_timezone: 'UTC',
  // Stretching is for passwords that people make up; ours has 192 random bits.
  scram_iterations: '1',
};

const ABANDONED_AFTER_MS = 60 * 60 * 1000;

/**
 * The cluster of a folder, made where there is none:
 *
 *     <folder>/postgresql/data/        PostgreSQL's own, the server's account's, 0700
 *     <folder>/postgresql/password     ours, 0600
 *     <folder>/postgresql/server.log
 */
export async function openCluster(folder: string, options: ClusterOptions = {}): Promise<Cluster> {
  const { settings, cacheFolder, signal } = options;
  const home = join(resolve(folder), 'postgresql');
  const dataFolder = join(home, 'data');
  const account = await serverAccount(dataFolder);
  const binaries = await findBinaries(account, { cacheFolder });
  if (!(await exists(home))) {
    await initialise(home, account, binaries, { ...SETTINGS, ...settings }, signal);
  }
  try {
    await verifyMajor(dataFolder, binaries.major);
    const password = await readFile(join(home, 'password'), 'utf8');
    return { dataFolder, account, binaries, password, logFile: join(home, 'server.log') };
  } catch (cause) {
    if (codeOf(cause) !== 'EACCES') throw cause;
    throw new EmbeddedPostgresError('config', `in ${folder} belongs to another user`, {
      remedy: 'run as that user, or choose another folder',
      cause,
    });
  }
}

/** initdb in a folder beside, then one rename: a folder is initialised or absent, whenever we are killed. */
async function initialise(
  home: string,
  account: Account | null,
  binaries: Binaries,
  settings: Record<string, string>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const staging = await makeStaging(home);
  try {
    await chmod(staging, 0o711);
    const dataFolder = join(staging, 'data');
    const passwordFile = join(staging, 'password');
    await mkdir(dataFolder, { mode: 0o700 });
    await writeFile(passwordFile, randomBytes(24).toString('base64url'), { mode: 0o600, flush: true });
    if (account) for (const path of [dataFolder, passwordFile]) await chown(path, account.uid, account.gid);
    const args = [
      ...['--no-locale', '--encoding=UTF8', '--no-instructions', `--username=${SUPERUSER}`],
      ...['--auth=scram-sha-256', '--pwfile=../password'],
      ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ];
    await runTool({ dataFolder, account, binaries }, binaries.initdb, args, signal);
    // Back to root: whoever else runs as that account has no business with it.
    if (account) await chown(passwordFile, 0, 0);
    await renameUnlessThere(staging, home);
  } catch (error) {
    // An initdb that was stopped may be writing still; what is left goes when it has been abandoned long enough.
    await rm(staging, { recursive: true, force: true, maxRetries: 5 }).catch(() => undefined);
    throw error;
  }
}

async function makeStaging(home: string): Promise<string> {
  const folder = resolve(home, '..');
  try {
    await mkdir(folder, { recursive: true });
    await removeAbandoned(folder);
    return await mkdtemp(`${home}.new-`);
  } catch (cause) {
    const message = `cannot be made in ${folder}: ${cause instanceof Error ? cause.message : String(cause)}`;
    throw new EmbeddedPostgresError('config', message, { remedy: 'choose a folder that you may write', cause });
  }
}

/** What runs left that were killed while they initialised. */
async function removeAbandoned(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.startsWith('postgresql.new-')) continue;
    const path = join(folder, name);
    const { mtimeMs } = await stat(path);
    if (mtimeMs < Date.now() - ABANDONED_AFTER_MS) await rm(path, { recursive: true, force: true });
  }
}

async function verifyMajor(dataFolder: string, ours: string): Promise<void> {
  const theirs = (await readFile(join(dataFolder, 'PG_VERSION'), 'utf8')).trim();
  if (theirs === ours) return;
  const message = `in ${dataFolder} has data of PostgreSQL ${theirs}, and this tasmart brings PostgreSQL ${ours}`;
  throw new EmbeddedPostgresError('config', message, {
    remedy: `choose another folder, or carry the data over: pg_dump with a tasmart that brings ${theirs}, then restore`,
  });
}
