import { execFile, spawn } from 'node:child_process';
import { on, once } from 'node:events';
import { cp, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
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

async function demo(settings: Record<string, string> = {}): Promise<string> {
  const options = { cwd: clone, timeout: 120_000, env: { ...process.env, ...settings } };
  return (await promisify(execFile)('npm', ['run', '-s', 'demo'], options)).stdout;
}

/** How many readings each of the demo's runs stored: a poll, the backfill, a poll. */
function storedBy(output: string): number[] {
  return [...output.matchAll(/(\d+) readings? stored(?:;| in)/g)].map(([, count]) => Number(count));
}

/** The commands that the demo says to type next, in their order. */
function nextCommands(output: string): string[] {
  const [, next = ''] = output.split('What next?');
  return [...next.matchAll(/^ {2}((?:cd|npx|npm) .*)$/gm)].map(([, command = '']) => command);
}

async function untilPrinted(stream: Readable, words: string): Promise<void> {
  let text = '';
  for await (const [chunk] of on(stream, 'data', { close: ['end'] }) as AsyncIterable<[Buffer]>) {
    text += chunk.toString();
    if (text.includes(words)) return;
  }
  expect.fail(`it ended with: ${text}`);
}

/** As somebody would type it there. */
async function type(command: string, cwd: string): Promise<{ code: unknown; stdout: string; stderr: string }> {
  return promisify(execFile)('sh', ['-c', command], { cwd, timeout: 60_000 }).then(
    (output) => ({ code: 0, ...output }),
    (error: unknown) => error as { code: unknown; stdout: string; stderr: string },
  );
}

test('the demo stores thirty days, nothing twice, and every command that it names runs as printed', async () => {
  const pings: unknown[] = [];
  const monitor = createServer((request, response) => {
    pings.push(request.url);
    response.end();
  }).listen(0, '127.0.0.1');
  await once(monitor, 'listening');
  const { port } = monitor.address() as AddressInfo;
  const usersOwn = { HEALTHCHECK_URL: `http://127.0.0.1:${port}/`, DB_HOST: 'db.invalid', API_KEY_FILE: '/none' };
  const first = await demo(usersOwn).finally(() => monitor.close());
  expect(pings).toEqual([]);
  const [poll = 0, backfill = 0, again = -1] = storedBy(first);
  expect(poll).toBe(7);
  // 7 valves, 2 880 quarters of an hour, without those of the two outages.
  expect(backfill).toBeGreaterThan(19_000);
  expect(backfill).toBeLessThan(20_161);
  // A quarter may begin between the two.
  expect(again).toBeLessThanOrEqual(14);
  expect((await readFile(join(clone, 'data/demo/report.html'), 'utf8')).startsWith('<!doctype html>')).toBe(true);

  const second = await demo();
  expect(second).toContain('only what is new since then is stored');
  for (const stored of storedBy(second)) expect(stored).toBeLessThanOrEqual(14);

  const [cd = '', ...commands] = nextCommands(second);
  expect(cd).toBe('cd data/demo');
  const folder = join(clone, 'data', 'demo');
  const asPrinted = async (command: string) =>
    expect({ command, ...(await type(command, folder)) }).toMatchObject({
      command,
      code: command === 'npx tasmart verify' ? 1 : 0,
    });
  const start = commands.findIndex((command) => command.startsWith('npm run simulator'));
  for (const command of commands.slice(0, start)) await asPrinted(command);
  const hycloud = spawn('sh', ['-c', `exec ${commands[start] ?? expect.fail('no simulator')}`], {
    cwd: folder,
    detached: true,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  try {
    await untilPrinted(hycloud.stdout, 'HyCloud simulator with');
    // "npx tasmart init" asks, and nobody answers here.
    for (const command of commands.slice(start + 1)) if (!command.endsWith('init')) await asPrinted(command);
  } finally {
    if (hycloud.pid !== undefined) process.kill(-hycloud.pid, 'SIGTERM');
    await once(hycloud, 'close');
  }
  await expect(promisify(execFile)('pgrep', ['-f', clone])).rejects.toMatchObject({ code: 1 });
}, 300_000);
