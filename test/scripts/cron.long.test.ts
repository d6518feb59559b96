import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, readdir, readFile, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { REPOSITORY } from '../support/build.ts';
import { PATIENT } from '../support/cli.ts';
import {
  configOf,
  expectNothingStored,
  expectWhole,
  logLines,
  outcomesOf,
  setStage,
  until,
  type Stage,
} from '../faults/support/database-stage.ts';

/** What is as cron's: a bare environment, and a folder that is not ours. */
const CRON = { env: {}, cwd: '/' };
const LIMIT_BYTES = 5_242_880;

interface Clone {
  stage: Stage;
  home: string;
  script: string;
  log: string;
}

/** A clone in a folder with blanks, its configuration and secrets in it. */
async function makeClone(): Promise<Clone> {
  const stage = await setStage({ valves: 2 });
  const home = join(stage.folder, 'a clone of tasmart');
  const script = join(home, 'scripts', 'cron.sh');
  await mkdir(dirname(script), { recursive: true });
  await copyFile(join(REPOSITORY, 'scripts', 'cron.sh'), script);
  await symlink(join(REPOSITORY, 'dist'), join(home, 'dist'));
  await writeFile(join(home, 'config.json'), JSON.stringify(configOf(stage.simulator)));
  const env = Object.entries(stage.env).map(([name, value]) => `${name}=${value}\n`);
  await writeFile(join(home, '.env'), env.join(''), { mode: 0o600 });
  return { stage, home, script, log: join(home, 'logs', 'tasmart.log') };
}

interface Ended {
  status: number | string | null;
  stdout: string;
  stderr: string;
}

async function run(
  command: string,
  args: readonly string[] = [],
  options: { env?: Record<string, string>; cwd?: string } = {},
): Promise<Ended> {
  const child = spawn(command, args, { ...CRON, ...options, stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000 });
  const [[code, signal], stdout, stderr] = await Promise.all([
    once(child, 'exit') as Promise<[number | null, string | null]>,
    text(child.stdout),
    text(child.stderr),
  ]);
  return { status: code ?? signal, stdout, stderr };
}

const QUIET = { status: 0, stdout: '', stderr: '' };

describe('the cron wrapper', () => {
  test('works with a bare environment, from another folder, in a path with blanks', async () => {
    const { stage, script, log } = await makeClone();
    expect(await run(script)).toEqual(QUIET);
    await expectWhole(stage);
    const lines = logLines(await readFile(log, 'utf8'));
    expect(lines.at(-1)).toMatchObject({ msg: 'run finished', outcome: 'success', stored: 10 });
  });

  test('works through symbolic links', async () => {
    const { stage, script } = await makeClone();
    await symlink(script, join(stage.folder, 'first link'));
    await symlink('first link', join(stage.folder, 'second link'));
    expect(await run(join(stage.folder, 'second link'))).toEqual(QUIET);
    expect(await run('./second link', [], { cwd: stage.folder })).toEqual(QUIET);
    await expectWhole(stage);
    expect(await outcomesOf(stage.client)).toEqual(['success', 'success']);
  });

  test('takes its folder and its log from the environment', async () => {
    const { stage, home, script, log } = await makeClone();
    const other = join(stage.folder, 'other home');
    await mkdir(other);
    await copyFile(join(home, 'config.json'), join(other, 'config.json'));
    await copyFile(join(home, '.env'), join(other, '.env'));
    const env = { TASMART_HOME: other, TASMART_LOG: join(stage.folder, 'var log', 'deep', 't.log') };
    expect(await run(script, [], { env })).toEqual(QUIET);
    expect(logLines(await readFile(env.TASMART_LOG, 'utf8')).at(-1)).toMatchObject({ msg: 'run finished' });
    await expect(stat(log)).rejects.toThrow('ENOENT');
    await expectWhole(stage);
  });

  test('hands its arguments on', async () => {
    const { stage, script, log } = await makeClone();
    const args = ['backfill', '--from', '2026-02-27T08:00:00Z', '--to', '2026-02-27 10:00'];
    expect(await run(script, args)).toEqual(QUIET);
    expect(logLines(await readFile(log, 'utf8'))[0]).toMatchObject({ valves: 2, requests: 2 });
    expect(await outcomesOf(stage.client)).toEqual(['success']);
  });

  test('keeps the exit status, and the reason is in the log', async () => {
    const { stage, home, script, log } = await makeClone();
    stage.simulator.faults.add({ fault: { kind: 'status', status: 401 } });
    expect(await run(script)).toEqual({ ...QUIET, status: 77 });
    await writeFile(join(home, 'config.json'), '{}');
    expect(await run(script)).toEqual({ ...QUIET, status: 78 });
    expect(await run(script, ['no-such-command'])).toMatchObject({ status: 64, stdout: '' });
    const lines = logLines(await readFile(log, 'utf8')).filter(({ level }) => level === 'error');
    expect(lines.map(({ kind }) => kind)).toEqual(['credentials', 'config']);
    await expectNothingStored(stage);
  });

  test('passes a signal on', async () => {
    const { stage, script } = await makeClone();
    stage.simulator.faults.add({ fault: { kind: 'silence' } });
    const child = spawn(script, { ...CRON, env: PATIENT, stdio: 'ignore', timeout: 60_000 });
    await until('a request', () => stage.simulator.log.length > 0);
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([143, null]);
    expect(await outcomesOf(stage.client)).toEqual(['interrupted']);
  });
});

describe('its log', () => {
  test('grows to 5 MB, then moves on; the oldest of five goes', async () => {
    const { script, log } = await makeClone();
    await mkdir(dirname(log));
    await writeFile(log, 'newest\n');
    await truncate(log, LIMIT_BYTES);
    expect(await run(script)).toEqual(QUIET);
    expect(await readdir(dirname(log))).toEqual(['tasmart.log']);
    for (const number of [1, 2, 3, 4, 5]) await writeFile(`${log}.${number}`, `number ${number}\n`);
    expect(await run(script)).toEqual(QUIET); // by now it is larger than the limit
    const names = (await readdir(dirname(log))).sort();
    expect(names).toEqual(['tasmart.log', ...[1, 2, 3, 4, 5].map((number) => `tasmart.log.${number}`)]);
    expect((await readFile(`${log}.1`, 'utf8')).startsWith('newest\n')).toBe(true);
    for (const number of [2, 3, 4, 5]) {
      expect(await readFile(`${log}.${number}`, 'utf8')).toBe(`number ${number - 1}\n`);
    }
    expect(logLines(await readFile(log, 'utf8')).at(-1)).toMatchObject({ msg: 'run finished' });
  });

  test('that cannot be written keeps nothing from being stored; its lines go to cron', async () => {
    const { stage, script } = await makeClone();
    await writeFile(join(stage.folder, 'file'), '');
    const { status, stdout, stderr } = await run(script, [], {
      env: { TASMART_LOG: join(stage.folder, 'file', 't.log') },
    });
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
    expect(logLines(stderr).at(-1)).toMatchObject({ msg: 'run finished', outcome: 'success' });
    await expectWhole(stage);
  });

  test('on a full disk keeps nothing from being stored', async () => {
    const { stage, script } = await makeClone();
    expect(await run(script, [], { env: { TASMART_LOG: '/dev/full' } })).toEqual(QUIET);
    await expectWhole(stage);
  });
});

/** Only in a mount namespace of its own can a machine be without its node. */
const mayHideNode = spawnSync('unshare', ['--mount', 'true']).status === 0 && process.execPath === '/usr/bin/node';

describe('node', () => {
  const withoutNode = (script: string, env: Record<string, string> = {}) =>
    run('unshare', ['--mount', 'sh', '-c', `mount --bind /dev/null ${process.execPath} && exec "$0"`, script], {
      env: { PATH: '/usr/bin:/bin', ...env },
    });

  test('may be named, in a path with blanks', async () => {
    const { stage, script } = await makeClone();
    const node = join(stage.folder, 'my node');
    await writeFile(node, `#!/bin/sh\necho "$@" >'${stage.folder}/asked'\nexec ${process.execPath} "$@"\n`, {
      mode: 0o755,
    });
    expect(await run(script, [], { env: { NODE: node } })).toEqual(QUIET);
    expect(await readFile(join(stage.folder, 'asked'), 'utf8')).toContain('cli.js --log-format json poll');
  });

  const oldNode = async (stage: Stage) => {
    const before = join(stage.folder, 'before.cjs');
    const version = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '18.20.8' } });`;
    await writeFile(before, version);
    const node = join(stage.folder, 'old node');
    await writeFile(node, `#!/bin/sh\nexec '${process.execPath}' --require '${before}' "$@"\n`, { mode: 0o755 });
    return node;
  };

  test('that is too old is skipped, though it is named', async () => {
    const { stage, script } = await makeClone();
    const env = { NODE: await oldNode(stage), PATH: `${dirname(process.execPath)}:/usr/bin:/bin` };
    expect(await run(script, [], { env })).toEqual(QUIET);
    await expectWhole(stage);
  });

  test.skipIf(!mayHideNode)('that is too old and the only one: 78, and cron is told', async () => {
    const { stage, script } = await makeClone();
    const copy = join(stage.folder, 'copy of node');
    await copyFile(process.execPath, copy);
    const node = await oldNode(stage);
    await writeFile(node, (await readFile(node, 'utf8')).replace(process.execPath, copy), { mode: 0o755 });
    const { status, stdout, stderr } = await withoutNode(script, { NODE: node });
    expect({ status, stdout }).toEqual({ status: 78, stdout: '' });
    expect(stderr).toMatch(/^tasmart: Node\.js 18\.20\.8 is too old, 20\.19 or newer is needed → .+\n$/);
    await expectNothingStored(stage);
  });

  test.skipIf(!mayHideNode)('is nowhere: 127, and cron is told', async () => {
    const { stage, script } = await makeClone();
    expect(await withoutNode(script)).toEqual({
      status: 127,
      stdout: '',
      stderr: 'tasmart: no node found: set NODE=/path/to/node in the crontab\n',
    });
    await expectNothingStored(stage);
  });

  test.skipIf(!mayHideNode)('is found where nvm puts it, the newest first, in a home with blanks', async () => {
    const { stage, script } = await makeClone();
    const home = join(stage.folder, 'my home');
    for (const version of ['v20.1.0', 'v22.0.0']) {
      const bin = join(home, '.nvm', 'versions', 'node', version, 'bin');
      await mkdir(bin, { recursive: true });
      await writeFile(join(bin, 'node'), `#!/bin/sh\necho ${version} >'${stage.folder}/used'\n`, { mode: 0o755 });
      spawnSync('touch', ['-d', version === 'v22.0.0' ? 'now' : '2020-01-01', join(bin, 'node')]);
    }
    expect(await withoutNode(script, { HOME: home })).toEqual(QUIET);
    expect(await readFile(join(stage.folder, 'used'), 'utf8')).toBe('v22.0.0\n');
  });
});
