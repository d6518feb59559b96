/** Where the repository and the built program are, and how tests bring the program up to date. */
import { execFile } from 'node:child_process';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url));

export const CLI = join(REPOSITORY, 'dist', 'cli.js');

/** Builds dist/ if a source is newer, so that tests run the program as it is written now. */
export async function buildCli(): Promise<void> {
  if ((await modifiedMs(CLI)) > (await newestSourceMs())) return;
  await promisify(execFile)(process.execPath, [join(REPOSITORY, 'scripts', 'build.mjs')]);
}

async function newestSourceMs(): Promise<number> {
  const sources = (await readdir(join(REPOSITORY, 'src'), { recursive: true })).map((name) => join('src', name));
  const paths = [...sources, 'scripts/build.mjs', 'scripts/lambda.ts', 'package-lock.json'];
  return Math.max(...(await Promise.all(paths.map((path) => modifiedMs(join(REPOSITORY, path))))));
}

/** 0 if there is no such file. */
async function modifiedMs(path: string): Promise<number> {
  return stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  );
}
