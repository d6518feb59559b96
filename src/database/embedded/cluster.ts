/** Creates and opens the data folder of an embedded server. */
import { randomBytes } from 'node:crypto';
import { execFile } from 'node:child_process';
import { chmod, chown, cp, lstat, mkdir, mkdtemp, open, readdir, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { DEDICATED, isRoot, NOBODY, serverAccount, type SystemAccount } from './account.ts';
import { type Binaries, findBinaries } from './binaries.ts';
import { codeOf, EmbeddedPostgresError } from './error.ts';
import { exists, readPlainFile, renameUnlessThere } from './files.ts';
import { openLog } from './log.ts';
import { runTool, type Workplace } from './tool.ts';

/** A PostgreSQL data folder and what is needed to run it. */
export interface Cluster extends Workplace {
  logFile: string;
  password: string;
}

export const SUPERUSER = 'tasmart';

export interface ClusterOptions {
  /** for tests: added to postgresql.conf when the folder is new */
  settings?: Record<string, string>;
  /** for the copy of the binaries that root may need */
  cacheFolder?: string;
  /** the binaries, if they have been found already */
  binaries?: Binaries;
  /** a new cluster to copy if the folder has none: initdb needs an account with a name, and ours may have none */
  template?: string;
  /** stops opening, and stops a server that has no other users */
  signal?: AbortSignal;
}

const SETTINGS = {
  listen_addresses: '127.0.0.1',
  // Loopback with a password works on every platform, and has no limit on the length of a path.
  unix_socket_directories: '',
  timezone: 'UTC',
  log_timezone: 'UTC',
  // Many iterations protect weak passwords. This one has 192 random bits.
  scram_iterations: '1',
  // Any user of this machine can connect. A connection that does not log in must not block others for long.
  authentication_timeout: '5s',
};

/** A temporary folder that is older was left by a killed run: no creation takes this long. */
const ABANDONED_AFTER_MS = 60 * 60 * 1000;

/**
 * Opens the cluster of a folder, and creates it if there is none:
 *
 *     <folder>/postgresql/data/        PostgreSQL's data; owned by the server's account, 0700
 *     <folder>/postgresql/password     ours, 0600
 *     <folder>/postgresql/server.log
 */
export async function openCluster(folder: string, options: ClusterOptions = {}): Promise<Cluster> {
  const { settings = {}, cacheFolder, signal } = options;
  const home = join(resolve(folder), 'postgresql');
  const dataFolder = join(home, 'data');
  const binaries = options.binaries ?? (await findBinaries(await serverAccount(dataFolder), { cacheFolder }));
  try {
    if (!(await exists(home))) {
      await createCluster(home, (staging) =>
        options.template === undefined
          ? initialise(staging, binaries, settings, signal)
          : copyCluster(options.template, staging, binaries, signal),
      );
    }
    await verifyMajor(dataFolder, binaries.major);
    const password = await readPassword(join(home, 'password'));
    const account = await serverAccount(dataFolder);
    const logFile = join(home, 'server.log');
    await (await openLog(logFile)).close(); // so that a log of another user gets the remedy below
    return { dataFolder, account, binaries, password, logFile };
  } catch (cause) {
    if (codeOf(cause) !== 'EACCES') throw cause;
    const remedy = `make it yours: sudo chown -R "$(id -u):$(id -g)" ${folder}; or run as its owner, or choose another folder`;
    throw new EmbeddedPostgresError('config', `in ${folder} belongs to another user, at least in part`, {
      remedy,
      cause,
    });
  }
}

/** The password that `initialise` wrote. */
async function readPassword(file: string): Promise<string> {
  const password = await readPlainFile(file);
  if (/^[\w-]{32}$/.test(password)) return password;
  throw new EmbeddedPostgresError('config', `cannot be used: ${file} does not hold a password of tasmart's`, {
    remedy: 'restore the file from a backup, or choose another folder',
  });
}

/**
 * Creates a cluster in a folder of root's, and gives it to `owner`. Then use it as `template` with the owner's rights.
 *
 * @throws EmbeddedPostgresError
 */
export async function makeTemplate(
  folder: string,
  owner: SystemAccount,
  binaries: Binaries,
  signal: AbortSignal | undefined,
): Promise<string> {
  const home = join(folder, 'postgresql');
  await createCluster(home, (staging) => initialise(staging, binaries, {}, signal));
  await promisify(execFile)('chown', ['-R', '-h', `${owner.uid}:${owner.gid}`, home]);
  return home;
}

/** Creates the cluster in a temporary folder and renames it, so that a kill never leaves a partial cluster. */
async function createCluster(home: string, fill: (staging: string) => Promise<void>): Promise<void> {
  const staging = await makeStaging(home);
  try {
    await chmod(staging, 0o711); // the server's account enters data/, and reads the password's file during initdb
    await fill(staging);
    await renameUnlessThere(staging, home);
  } catch (error) {
    // A stopped initdb may still be writing. Its files are deleted by a later run, see ABANDONED_AFTER_MS.
    await rm(staging, { recursive: true, force: true, maxRetries: 5 }).catch(() => undefined);
    throw error;
  }
}

/** Fills a folder with a new cluster, by initdb. */
async function initialise(
  staging: string,
  binaries: Binaries,
  settings: Record<string, string>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const dataFolder = join(staging, 'data');
  const passwordFile = join(staging, 'password');
  await mkdir(dataFolder, { mode: 0o700 });
  const password = randomBytes(24).toString('base64url'); // 32 characters, see readPassword
  await writeFile(passwordFile, password, { mode: 0o600, flush: true });
  const account = isRoot() ? NOBODY : null;
  if (account) for (const path of [dataFolder, passwordFile]) await chown(path, account.uid, account.gid);
  const args = [
    '--no-locale',
    '--encoding=UTF8',
    '--no-instructions',
    `--username=${SUPERUSER}`,
    '--auth=scram-sha-256',
    '--pwfile=../password', // initdb works in the data folder
  ];
  for (const [name, value] of Object.entries({ ...SETTINGS, ...settings })) args.push('-c', `${name}=${value}`);
  await runTool({ dataFolder, account, binaries }, binaries.initdb, args, signal);
  if (account) {
    await chown(passwordFile, 0, 0);
    await giveToDedicatedAccount(dataFolder);
  }
}

/** Copies a new cluster, and waits until the copy is on the disk: `--sync-only` needs no account with a name. */
async function copyCluster(
  template: string,
  staging: string,
  binaries: Binaries,
  signal: AbortSignal | undefined,
): Promise<void> {
  await cp(template, staging, { recursive: true });
  const password = await open(join(staging, 'password'), 'r+');
  await password.sync().finally(() => password.close());
  const workplace = { dataFolder: join(staging, 'data'), account: null, binaries };
  await runTool(workplace, binaries.initdb, ['--sync-only'], signal);
}

/**
 * Changes the owner from "nobody", which other programs use too, to a dedicated account. `chown -h` follows no link. If a
 * container does not map that account, "nobody" stays the owner.
 */
async function giveToDedicatedAccount(dataFolder: string): Promise<void> {
  const { uid, gid } = DEDICATED;
  await promisify(execFile)('chown', ['-R', '-h', `${uid}:${gid}`, dataFolder]).catch(() => undefined);
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

/** Deletes what killed runs have left while creating a cluster. */
async function removeAbandoned(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.startsWith('postgresql.new-')) continue;
    const path = join(folder, name);
    const { mtimeMs } = await lstat(path);
    if (mtimeMs < Date.now() - ABANDONED_AFTER_MS) await rm(path, { recursive: true, force: true });
  }
}

/** @param ours the major version of our binaries, of which the data must be */
async function verifyMajor(dataFolder: string, ours: string): Promise<void> {
  const theirs = (await readPlainFile(join(dataFolder, 'PG_VERSION'))).trim();
  if (theirs === ours) return;
  if (!/^\d{1,3}$/.test(theirs)) {
    const remedy = 'restore it from a backup, or choose another folder';
    throw new EmbeddedPostgresError('config', `cannot be used: ${dataFolder} does not hold its data`, { remedy });
  }
  const message = `in ${dataFolder} has data of PostgreSQL ${theirs}, and this tasmart brings PostgreSQL ${ours}`;
  throw new EmbeddedPostgresError('config', message, {
    remedy: `choose another folder, or carry the data over: pg_dump with a tasmart that brings ${theirs}, then restore`,
  });
}
