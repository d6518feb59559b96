import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { REPOSITORY } from '../support/build.ts';

/** A copy of what the demo runs, so that it leaves nothing in the clone; mkdtemp makes it a folder only we may enter. */
let clone: string;

beforeAll(async () => {
  clone = await mkdtemp(join(tmpdir(), 'tasmart-demo-'));
  for (const name of ['dist', 'scripts', 'sql', 'src', 'package.json']) {
    await cp(join(REPOSITORY, name), join(clone, name), { recursive: true });
  }
  await symlink(join(REPOSITORY, 'node_modules'), join(clone, 'node_modules'));
});

afterAll(() => rm(clone, { recursive: true }));

async function demo(): Promise<string> {
  const { stdout } = await promisify(execFile)('npm', ['run', '-s', 'demo'], { cwd: clone, timeout: 100_000 });
  return stdout;
}

/** How many readings each of the demo's polls stored. */
function storedBy(output: string): number[] {
  return [...output.matchAll(/(\d+) readings? stored;/g)].map(([, count]) => Number(count));
}

test('the demo polls twice, stores nothing twice, says what to try next, and leaves nothing running', async () => {
  const first = await demo();
  const [poll = 0, again = -1] = storedBy(first);
  // An hour of quarters of seven valves; each one's newest point comes on top, but in the minute after its last quarter's.
  expect(poll).toBeGreaterThanOrEqual(28);
  expect(poll).toBeLessThanOrEqual(35);
  // A quarter may begin between the two, or a point arrive for those a minute past the boundary.
  expect(again).toBeLessThanOrEqual(14);
  expect(first).toContain('npx tasmart poll --dry-run');

  const second = await demo();
  expect(second).toContain('only what is new since then is stored');
  expect(storedBy(second)[0]).toBeLessThanOrEqual(14);
  await expect(promisify(execFile)('pgrep', ['-f', clone])).rejects.toMatchObject({ code: 1 });
}, 240_000);
