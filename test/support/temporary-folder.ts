/** A temporary folder that is removed, with the servers in it, however the process ends. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { REPOSITORY } from './build.ts';

/**
 * Makes a new folder os.tmpdir() of this process and of all processes that it starts. `remove` stops the servers in it and
 * deletes it. If this process is killed, reaper.ts does the same.
 */
export async function useTemporaryFolder(prefix: string): Promise<{ folder: string; remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), prefix));
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
