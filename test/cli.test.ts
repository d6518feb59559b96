import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runCli } from './support/cli.ts';

test('what waits for something that never comes is a defect, and says so: Node alone would end as if all were done', async () => {
  const never = join(await mkdtemp(join(tmpdir(), 'tasmart-cli-')), 'never.cjs');
  await writeFile(never, `require('node:fs/promises').readFile = () => new Promise(() => undefined);`);
  const { code, stderr } = await runCli(['poll'], { env: { NODE_OPTIONS: `--require=${never}` } });
  expect(stderr).toContain('a defect of tasmart: Error: it waits for what will never come');
  expect(code).toBe(1);
});
