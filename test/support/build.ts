import { execFile } from 'node:child_process';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url));

export const CLI = join(REPOSITORY, 'dist', 'cli.js');

/**
 * Builds dist/ where a source is newer, so that tests of the program run what was just written. Else it stays: building
 * begins by emptying the folder, and another test run in this clone may be starting programs from it.
 */
export async function buildCli(): Promise<void> {
  if ((await modifiedMs(CLI)) > (await newestSourceMs())) return;
  const script = join(REPOSITORY, 'scripts', 'build.ts');
  await promisify(execFile)(process.execPath, ['--import', 'tsx', script], { cwd: REPOSITORY });
}

async function newestSourceMs(): Promise<number> {
  const sources = (await readdir(join(REPOSITORY, 'src'), { recursive: true })).map((name) => join('src', name));
  const scripts = ['build', 'lambda', 'load', 'nothing', 'start'].map((name) => `scripts/${name}.ts`);
  const paths = [...sources, ...scripts, 'package-lock.json'];
  return Math.max(...(await Promise.all(paths.map((path) => modifiedMs(join(REPOSITORY, path))))));
}

async function modifiedMs(path: string): Promise<number> {
  return stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  );
}
