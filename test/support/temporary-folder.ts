import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { REPOSITORY } from './build.ts';

/**
 * Stands for os.tmpdir() from here on, in whatever this process starts, too. Whatever they or their servers leave in it
 * goes at the end, also where we are killed.
 */
export async function useTemporaryFolder(prefix: string): Promise<{ folder: string; remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), prefix));
  await chmod(folder, 0o1777); // like the one that it stands for: root's programs start others as another user
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
