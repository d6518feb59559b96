import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';
import { buildCli, REPOSITORY } from './build.ts';
import { startPostgres, type Coordinates } from './postgres.ts';

declare module 'vitest' {
  interface ProvidedContext {
    postgres: Coordinates;
  }
}

/**
 * One build, one server and one temporary folder for the whole run. The workers make databases of their own on the
 * server (database.ts); whatever they or their servers leave in os.tmpdir() goes at the end.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const removeTemporaryFolder = await useTemporaryFolder();
  await buildCli();
  const { host, port, user, password, stop } = await startPostgres({ max_connections: '200' });
  project.provide('postgres', { host, port, user, password });
  return async () => {
    await stop();
    await removeTemporaryFolder();
  };
}

async function useTemporaryFolder(): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'tasmart-test-'));
  await chmod(folder, 0o1777); // like the folder that it stands for: root's tests start programs as another user
  process.env['TMPDIR'] = process.env['TEMP'] = folder;
  const script = fileURLToPath(new URL('reaper.ts', import.meta.url));
  const reaper = spawn(process.execPath, ['--import', 'tsx', script, folder], {
    cwd: REPOSITORY,
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  reaper.unref();
  return async () => {
    const ended = once(reaper, 'exit');
    reaper.stdin.end('orderly');
    await ended;
  };
}
