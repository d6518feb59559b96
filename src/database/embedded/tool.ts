/** Runs PostgreSQL's programs. */
import { execFile } from 'node:child_process';
import { platform } from 'node:os';
import { promisify } from 'node:util';
import type { SystemAccount } from './account.ts';
import type { Binaries } from './binaries.ts';
import { codeOf, EmbeddedPostgresError } from './error.ts';

/** Where and as whom the server's programs run. */
export interface Workplace {
  dataFolder: string;
  /** null: the current user */
  account: SystemAccount | null;
  binaries: Binaries;
}

/**
 * Every program works inside the data folder: the child enters it before it changes its account. So the server's account needs
 * no right to enter the folders above, which may be root's own.
 */
export function spawnOptions({ dataFolder, account, binaries }: Workplace) {
  return {
    cwd: dataFolder,
    ...account,
    // Pass no variables of ours: they hold secrets, and PostgreSQL would read PG* and LC_*.
    env: { LC_ALL: 'C', PATH: '/usr/bin:/bin', LD_LIBRARY_PATH: binaries.libraryFolder },
    windowsHide: true,
  };
}

/** The data folder as an argument. Another account may not enter the folders above: on Linux, name the working directory. */
export function dataArgument({ dataFolder, account }: Workplace): string {
  return account && platform() === 'linux' ? '/proc/self/cwd' : dataFolder;
}

/** Runs initdb or pg_ctl to its end, or until the signal aborts. */
export async function runTool(
  workplace: Workplace,
  executable: string,
  args: string[],
  signal?: AbortSignal,
): Promise<void> {
  const options = { ...spawnOptions(workplace), signal };
  try {
    await promisify(execFile)(executable, [...args, '-D', dataArgument(workplace)], options);
  } catch (cause) {
    signal?.throwIfAborted();
    throw toolError(executable, cause);
  }
}

export function toolError(executable: string, cause: unknown): EmbeddedPostgresError {
  const stderr = cause instanceof Error && 'stderr' in cause ? String(cause.stderr).trim() : '';
  const remedy = REMEDIES[codeOf(cause) ?? ''];
  return new EmbeddedPostgresError('database', `cannot be used: ${executable}: ${stderr || String(cause)}`, {
    cause,
    ...(remedy !== undefined && { remedy }),
  });
}

const REMEDIES: Record<string, string> = {
  EACCES: 'let everyone enter its folder: it runs as an ordinary user',
  ENOENT: 'it needs glibc: on Alpine and the like set DATABASE_URL to a PostgreSQL server',
  EPERM: 'PostgreSQL does not run as root, and here root may not become another user: run as an ordinary user',
};
