import { execFile, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { EXIT_STATUS } from '../../src/domain/errors.ts';
import { parseConfig } from '../../src/config/parse.ts';
import { REPOSITORY } from '../support/build.ts';

const run = promisify(execFile);

const FOLDER = join(REPOSITORY, 'scripts', 'systemd');
const SERVICE = join(FOLDER, 'tasmart.service');
const TIMER = join(FOLDER, 'tasmart.timer');
const LOGROTATE = join(REPOSITORY, 'scripts', 'logrotate.conf');

function isMissing(program: string): boolean {
  return spawnSync(program, ['--version']).error !== undefined;
}

/** The values of a setting, in their order. */
function valuesOf(unit: string, setting: string): string[] {
  const lines = unit.split('\n').filter((line) => line.startsWith(`${setting}=`));
  return lines.map((line) => line.slice(setting.length + 1));
}

describe('the units', async () => {
  const service = await readFile(SERVICE, 'utf8');

  test('fit the program: its exit statuses, its deadline, its folder', () => {
    const { partial, locked } = EXIT_STATUS;
    expect(valuesOf(service, 'SuccessExitStatus')).toEqual([`${partial} ${locked} 143`]);
    const { runDeadlineSeconds, intervalMinutes } = parseConfig({}, {}).config;
    const [minutes] = valuesOf(service, 'TimeoutStartSec').map((value) => /^(\d+)min$/.exec(value)?.[1]);
    expect(Number(minutes) * 60).toBeGreaterThan(runDeadlineSeconds);
    expect(Number(minutes)).toBeLessThan(intervalMinutes);
    expect(valuesOf(service, 'ExecStart')).toEqual([
      'node -- /opt/tasmart/dist/cli.js --config /etc/tasmart/config.json --log-format json poll',
    ]);
  });

  test.skipIf(isMissing('systemd-analyze'))('are clean under systemd-analyze verify', async () => {
    const { stdout, stderr } = await run('systemd-analyze', ['verify', '--man=no', SERVICE, TIMER]);
    expect(`${stdout}${stderr}`).toBe('');
  });

  test.skipIf(isMissing('systemd-analyze'))('expose next to nothing to systemd-analyze security', async () => {
    const args = ['security', '--offline=true', '--threshold=15', '--no-pager', SERVICE];
    const { stdout } = await run('systemd-analyze', args);
    expect(stdout).toMatch(/Overall exposure level for tasmart\.service: (0\.\d|1\.[0-5]) OK/);
  });

  test.skipIf(isMissing('systemd-analyze'))('come up five seconds after every boundary of the grid', async () => {
    const [calendar = ''] = valuesOf(await readFile(TIMER, 'utf8'), 'OnCalendar');
    const { stdout } = await run('systemd-analyze', ['calendar', calendar]);
    expect(stdout).toContain('*-*-* *:00/15:05');
  });

  test.skipIf(isMissing('systemd-sysusers'))('find their user made by systemd-sysusers', async () => {
    const root = await mkdtemp(join(tmpdir(), 'tasmart-root-'));
    await mkdir(join(root, 'etc'));
    await run('systemd-sysusers', [`--root=${root}`, join(FOLDER, 'sysusers.conf')]);
    expect(await readFile(join(root, 'etc', 'passwd'), 'utf8')).toMatch(
      /^tasmart:x:\d+:\d+:tasmart poller:\/var\/lib\/tasmart:.*nologin$/m,
    );
    expect(valuesOf(service, 'User')).toEqual(['tasmart']);
    await rm(root, { recursive: true });
  });
});

describe.skipIf(isMissing('logrotate'))('the logrotate snippet', () => {
  /** The snippet for a log of our own, in a folder that is ours. */
  async function snippet(folder: string): Promise<string> {
    const { username } = userInfo();
    const { stdout: group } = await run('id', ['-gn']);
    const text = await readFile(LOGROTATE, 'utf8');
    const file = join(folder, 'logrotate.conf');
    const log = join(folder, 'logs', 'tasmart.log');
    const ours = text.replace('/var/log/tasmart/tasmart.log {', `${log} {`);
    await writeFile(file, ours.replace('su tasmart tasmart', `su ${username} ${group.trim()}`), { mode: 0o644 });
    return file;
  }

  test('rotates, keeps eight, and compresses all but the newest', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tasmart-logrotate-'));
    const file = await snippet(folder);
    const logs = join(folder, 'logs');
    await mkdir(logs);
    const { stderr } = await run('logrotate', ['--debug', file]);
    expect(stderr).not.toMatch(/error/i);
    for (let week = 0; week < 10; week++) {
      await writeFile(join(logs, 'tasmart.log'), `{"week":${week}}\n`);
      await run('logrotate', ['--force', '--state', join(folder, 'state'), file]);
    }
    const kept = [2, 3, 4, 5, 6, 7, 8].map((number) => `tasmart.log.${number}.gz`);
    expect((await readdir(logs)).sort()).toEqual(['tasmart.log.1', ...kept]);
    expect((await stat(join(logs, 'tasmart.log.1'))).size).toBeGreaterThan(0);
    await rm(folder, { recursive: true });
  });
});
