import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { REPOSITORY } from '../support/build.ts';

const run = promisify(execFile);

test('the benchmark prints what it measured, where, and leaves nothing behind', async () => {
  const args = ['run', '-s', 'bench', '--', '--only', 'help', '--json'];
  const { stdout } = await run('npm', args, { cwd: REPOSITORY, timeout: 100_000 });
  expect(JSON.parse(stdout)).toEqual({
    machine: {
      cpu: expect.any(String) as string,
      cores: expect.any(Number) as number,
      load: expect.any(Number) as number,
      node: process.version,
      commit: expect.stringMatching(/^[0-9a-f]{7,}\+?$|^none$/) as string,
    },
    rows: [
      {
        name: 'help',
        what: '`--help`: wall over `node -e 0`',
        target: 2.5,
        digits: 2,
        median: expect.any(Number) as number,
        min: expect.any(Number) as number,
        max: expect.any(Number) as number,
        repetitions: expect.any(Number) as number,
        detail: expect.stringMatching(/^\d+ ms over \d+ ms$/) as string,
      },
    ],
    growth: [],
  });
  expect((await readdir(tmpdir())).filter((name) => name.startsWith('tasmart-bench-'))).toEqual([]);
  await expect(run('pgrep', ['-f', join(tmpdir(), 'tasmart-bench-')])).rejects.toMatchObject({ code: 1 });
});

test('the benchmark refuses a row that it does not have', async () => {
  const args = ['run', '-s', 'bench', '--', '--only', 'nothing'];
  await expect(run('npm', args, { cwd: REPOSITORY, timeout: 100_000 })).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('Allowed choices are help, seven,') as string,
  });
});
