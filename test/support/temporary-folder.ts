/** Gives a test run a temporary folder, which is removed at the end. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { REPOSITORY } from './build.ts';

/**
 * Replaces os.tmpdir() in this process and in the processes that it starts. The folder and the servers in it are removed
 * at the end, also if this process is killed (see reaper.ts).
 */
export async function useTemporaryFolder(prefix: string): Promise<{ folder: string; remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), prefix));
  await chmod(folder, 0o1777); // like /tmp: as root, the program starts PostgreSQL as another user
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
