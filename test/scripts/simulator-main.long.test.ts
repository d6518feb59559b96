import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { REPOSITORY } from '../support/build.ts';
import { runCli } from '../support/cli.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tasmart-simulator-'));
});

afterEach(() => rm(folder, { recursive: true }));

function start(args: readonly string[]): ChildProcessByStdio<Writable, Readable, Readable> {
  const tsx = join(REPOSITORY, 'node_modules', 'tsx', 'dist', 'cli.mjs');
  const main = join(REPOSITORY, 'scripts', 'simulator', 'main.ts');
  return spawn(process.execPath, [tsx, main, ...args], { cwd: folder, stdio: ['pipe', 'pipe', 'pipe'] });
}

/** Everything that was printed, as it comes. */
function listen(stream: Readable): (words: string | RegExp) => Promise<string> {
  let printed = '';
  stream.setEncoding('utf8').on('data', (chunk: string) => (printed += chunk));
  return async (words) => {
    while (printed.search(words) < 0) await once(stream, 'data');
    return printed;
  };
}

test('it writes the files that point tasmart at it, logs requests, and fails as it is told', async () => {
  const hycloud = start(['--port', '0', '--write-env', '.env', '--write-config', 'config.json']);
  const printed = listen(hycloud.stdout);
  await printed('Type a fault');
  const env = await readFile(join(folder, '.env'), 'utf8');
  expect(env).toMatch(
    /^HYCLOUD_BASE_URL=http:\/\/127\.0\.0\.1:\d+\/api\/v1\/\nAPI_KEY=.*\nREQUESTER_ID=.*\nDATABASE_URL=embedded:/m,
  );

  const polled = await runCli(['poll', '--dry-run'], { cwd: folder });
  expect({ code: polled.code, stdout: polled.stdout }).toEqual({
    code: 0,
    stdout: expect.stringContaining('7 valves: 7 readings') as string,
  });
  expect(await printed('data/points')).toMatch(/^\d\d:\d\d:\d\d {2}200 {2}\d+ ms {2}GET projects$/m);

  hycloud.stdin.write('401 1\nnonsense\n');
  await printed('401: the next 1\nType a fault');
  expect((await runCli(['projects'], { cwd: folder })).code).toBe(77);
  expect((await runCli(['projects'], { cwd: folder })).code).toBe(0);
  hycloud.stdin.write('403\n');
  await printed('403: every request, until "off"');
  for (let time = 0; time < 2; time++) expect((await runCli(['projects'], { cwd: folder })).code).not.toBe(0);
  hycloud.stdin.write('off\n');
  await printed('no faults');
  expect((await runCli(['projects'], { cwd: folder })).code).toBe(0);

  hycloud.kill('SIGINT');
  await once(hycloud, 'close');
});

test.each(['API_KEY=mine\n', 'API_KEY_FILE=mine\n', 'API_KEY_FILE=\nAPI_KEY=mine\n'])(
  'another key is not written over: %j',
  async (before) => {
    await writeFile(join(folder, '.env'), before);
    const hycloud = start(['--port', '0', '--write-env', '.env']);
    expect(await text(hycloud.stderr)).toBe('simulator: .env holds another API_KEY: name another file\n');
    expect(await readFile(join(folder, '.env'), 'utf8')).toBe(before);
  },
);

test('the database that a file names is kept', async () => {
  await writeFile(join(folder, '.env'), 'DATABASE_URL=\nDB_HOST=db.example.com\n');
  const hycloud = start(['--port', '0', '--write-env', '.env']);
  await listen(hycloud.stdout)('Type a fault');
  hycloud.kill('SIGINT');
  await once(hycloud, 'close');
  expect(await readFile(join(folder, '.env'), 'utf8')).not.toContain('embedded:');
});

test('a busy port is one line', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  const hycloud = start(['--port', String(port)]);
  const exit = once(hycloud, 'exit') as Promise<[number | null]>;
  const [stderr, [code]] = await Promise.all([text(hycloud.stderr), exit]);
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: `simulator: port ${port} is in use: name another with --port, or 0 for any free one\n`,
  });
  other.close();
});
