/** A temporary folder that is removed, with the servers in it, however the process ends. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { REPOSITORY } from './build.ts';

/**
 * Makes a new folder os.tmpdir() of this process and of all processes that it starts. `remove` stops the servers in it and
 * deletes it. If this process is killed, reaper.ts does the same.
 */
export async function useTemporaryFolder(
  prefix: string,
  parent = tmpdir(),
): Promise<{ folder: string; remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(parent, prefix));
  await chmod(folder, 0o1777); // like /tmp: programs that root starts write to it as another user
  process.env['TMPDIR'] = process.env['TEMP'] = folder;
  const script = fileURLToPath(new URL('reaper.ts', import.meta.url));
  const reaper = spawn(process.execPath, ['--import', 'tsx', script, folder], {
    cwd: REPOSITORY,
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  await once(reaper, 'spawn');
  reaper.unref();
  const remove = async () => {
    const ended = once(reaper, 'exit');
    reaper.ref();
    reaper.stdin.end('orderly');
    await ended;
  };
  return { folder, remove };
}

/** A run uses about 200 MB. The rest is room for PostgreSQL's log: see max_wal_size in postgres.ts. */
const MIN_FREE_BYTES = 3e9;

/**
 * Linux's folder in memory, if it has room and programs may run from it; else os.tmpdir(). Creating a database there takes
 * a tenth of the time, and the tests create hundreds. TMPDIR chooses another folder.
 */
export async function memoryFolder(): Promise<string> {
  if (process.env['TMPDIR'] !== undefined) return tmpdir();
  const mounts = await readFile('/proc/mounts', 'utf8').catch(() => '');
  const [, options = 'noexec'] = / \/dev\/shm tmpfs (\S+)/.exec(mounts) ?? [];
  if (options.split(',').includes('noexec')) return tmpdir();
  const { bavail, bsize } = await statfs('/dev/shm');
  return bavail * bsize >= MIN_FREE_BYTES ? '/dev/shm' : tmpdir();
}
