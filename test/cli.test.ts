import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { CLI, REPOSITORY } from './support/build.ts';
import { runCli } from './support/cli.ts';

/** A file that Node.js runs before the program. */
async function preload(source: string): Promise<{ NODE_OPTIONS: string }> {
  const file = join(await mkdtemp(join(tmpdir(), 'tasmart-cli-')), 'before.cjs');
  await writeFile(file, source);
  return { NODE_OPTIONS: `--require=${file}` };
}

test('what waits for something that never comes is a defect, and says so: Node alone would end as if all were done', async () => {
  const env = await preload(`
    const files = require('node:fs/promises');
    const { readFile } = files;
    files.readFile = (path, ...options) =>
      String(path).endsWith('config.json') ? new Promise(() => undefined) : readFile(path, ...options);`);
  const { code, stderr } = await runCli(['poll'], { env });
  expect(stderr).toContain('a defect of tasmart: Error: nothing is left to wait for, but the command has not finished');
  expect(code).toBe(1);
});

describe('the version of Node.js', () => {
  const pretend = (version: string) =>
    preload(`Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } });`);

  test.each(['16.20.2', '18.20.8', '20.18.3'])('%s is too old: one line, 78, for every command', async (version) => {
    const env = await pretend(version);
    for (const args of [['poll'], ['--help'], ['no-such-command']]) {
      const { code, stdout, stderr } = await runCli(args, { env });
      expect({ code, stdout }).toEqual({ code: 78, stdout: '' });
      expect(stderr).toMatch(new RegExp(`^tasmart: Node\\.js ${version} is too old, 20\\.19 or newer .* → .+\n$`));
    }
  });

  test.each(['20.19.0', '22.1.0'])('%s is not', async (version) => {
    expect((await runCli(['--version'], { env: await pretend(version) })).code).toBe(0);
  });

  test('the oldest that will do is that of package.json', async () => {
    const { engines } = JSON.parse(await readFile(join(REPOSITORY, 'package.json'), 'utf8')) as { engines: object };
    expect(engines).toEqual({ node: '>=20.19' });
  });

  test('is checked in a file that old versions can read: no import, no import.meta, no syntax after ES2017', async () => {
    const source = await readFile(CLI, 'utf8');
    expect(source).not.toMatch(/^(import|export) |import\.meta|\?\.|\?\?/m);
    // As CommonJS, which is what Node.js 10 takes it for.
    const script = join(await mkdtemp(join(tmpdir(), 'tasmart-cli-')), 'cli.cjs');
    await writeFile(script, source);
    const env = { PATH: process.env['PATH'], ...(await pretend('10.24.1')) };
    await expect(promisify(execFile)(process.execPath, [script], { env })).rejects.toMatchObject({ code: 78 });
  });
});

test.each(['http', 'fs,NET', 'ht*'])('NODE_DEBUG=%s would print the key: 78, and nothing is sent', async (sections) => {
  const { code, stdout, stderr } = await runCli(['poll'], { env: { NODE_DEBUG: sections } });
  expect({ code, stdout }).toEqual({ code: 78, stdout: '' });
  expect(stderr).toMatch(/^tasmart: NODE_DEBUG=\S+ makes Node\.js print the credentials → unset NODE_DEBUG\n$/m);
});

describe('a file of dist/', () => {
  const damages: [string, RegExp, (file: string) => Promise<void>][] = [
    ['that is missing', /^main\.js$/, rm],
    ['that only one command needs and that is missing', /^poll-/, rm],
    ['that the log needs and that is missing', /^pino-pretty-/, rm],
    ['that is cut off', /^poll-/, (file) => truncate(file, 500)],
    ['that is empty', /^main\.js$/, (file) => truncate(file, 0)],
    ['that only one command needs and that is empty', /^poll-/, (file) => truncate(file, 0)],
  ];

  test.each(damages)('%s: one line, and what to do', async (_name, which, damage) => {
    const folder = await mkdtemp(join(tmpdir(), 'tasmart-cli-'));
    const dist = join(folder, 'dist');
    await cp(dirname(CLI), dist, { recursive: true });
    for (const part of ['sql', 'package.json'])
      await cp(join(REPOSITORY, part), join(folder, part), { recursive: true });
    const name = (await readdir(dist)).find((file) => which.test(file)) ?? '';
    await damage(join(dist, name));
    const args = name.startsWith('pino-pretty-') ? ['--log-format', 'pretty', 'poll'] : ['poll'];
    const failed = await run([join(dist, 'cli.js'), ...args], folder);
    expect(failed).toMatchObject({ code: 1, stdout: '' });
    expect(failed.stderr).toMatch(/^tasmart: .*cannot load the program: .+ → run npm ci in its folder\n$/);
    if (damage === rm) expect(failed.stderr).toContain(name);
  });

  async function run(args: readonly string[], cwd: string): Promise<{ code: unknown; stdout: string; stderr: string }> {
    const ended = promisify(execFile)(process.execPath, args, { cwd, env: { PATH: process.env['PATH'] } });
    return ended.then(
      (output) => ({ code: 0, ...output }),
      (error: unknown) => error as { code: unknown; stdout: string; stderr: string },
    );
  }
});
