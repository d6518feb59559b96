import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { drawsBlocks, screenOf } from '../../src/commands/shared/terminal.ts';
import { CLI } from '../support/build.ts';
import { runCli } from '../support/cli.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';

describe('block characters are drawn', () => {
  test.each([
    [{ LANG: 'it_IT.UTF-8', TERM: 'xterm-256color' }, true],
    [{ LANG: 'C.utf8' }, true],
    [{ LC_CTYPE: 'UTF-8', LANG: 'C' }, true],
    [{ LC_ALL: '', LC_CTYPE: '', LANG: 'en_US.UTF-8' }, true],
    [{ LC_ALL: 'C', LANG: 'it_IT.UTF-8' }, false],
    [{ LC_CTYPE: 'POSIX', LANG: 'it_IT.UTF-8' }, false],
    [{ LANG: 'it_IT.ISO-8859-1' }, false],
    [{}, false],
    [{ LANG: 'it_IT.UTF-8', TERM: 'dumb' }, false],
    [{ LANG: 'it_IT.UTF-8', TERM: 'linux' }, false],
  ])('with %j on a terminal: %s', (env, expected) => {
    expect(drawsBlocks(env, true)).toBe(expected);
    expect(drawsBlocks(env, false)).toBe(false);
  });
});

describe('the screen', () => {
  const UTF8 = { LANG: 'C.UTF-8' };

  test.each([
    [
      'a terminal',
      { isTTY: true, columns: 132 },
      UTF8,
      { width: 132, textWidth: 132, hasColours: true, isUnicode: true },
    ],
    ['one that does not tell its width', { isTTY: true, columns: 0 }, UTF8, { width: 80 }],
    ['a pipe', {}, {}, { width: 80, textWidth: Infinity, hasColours: false, isUnicode: true }],
    ['a pipe with COLUMNS', {}, { COLUMNS: '60' }, { width: 60 }],
    ['NO_COLOR', { isTTY: true }, { ...UTF8, NO_COLOR: '1' }, { hasColours: false }],
    ['a dumb terminal', { isTTY: true }, { ...UTF8, TERM: 'dumb' }, { hasColours: false }],
    ['another locale', { isTTY: true }, { LANG: 'it_IT.ISO-8859-1' }, { isUnicode: false }],
  ])('%s', (_name, stream, env, expected) => {
    expect(screenOf(stream, env, 'linux')).toMatchObject(expected);
  });

  test('Windows has no locale in its environment, and shows every letter', () => {
    expect(screenOf({ isTTY: true }, {}, 'win32')).toMatchObject({ isUnicode: true });
  });
});

const SCRIPT = '/usr/bin/script';

describe.skipIf(process.platform !== 'linux' || !existsSync(SCRIPT))('on a terminal', () => {
  let database: TestDatabase;
  let folder: string;

  beforeEach(async () => {
    database = await freshDatabase();
    folder = await mkdtemp(join(tmpdir(), 'tasmart-terminal-'));
    const client = await database.client();
    await client.query(`insert into tasmart_valves (tasmart_id, user_id) values ('v', 'Boiler room'), ('w', 'New')`);
    // Every ten minutes: 10 kW, with nothing for an hour and 20 kW in the last; and a reading of yesterday.
    await client.query(
      `insert into tasmart_data_table (tasmart_id, "timestamp", "time", measured_power, energy_counter_regime_1)
       select 'v', at, to_timestamp(at), case when ago < 3600 then 200000 when ago % 1200 = 330 then 110000 else 90000 end,
         5000 - ago / 600
       from generate_series(330, 30 * 3600, 600) as ago
       cross join lateral (select extract(epoch from now())::bigint - ago as at) as reading
       where ago not between 5 * 3600 and 6 * 3600`,
    );
  });

  afterEach(async () => {
    await database.drop();
    await rm(folder, { recursive: true });
  });

  /** What util-linux's `script` saw on a terminal so wide. */
  async function onTerminal(args: readonly string[], env: Record<string, string>, columns = 200): Promise<string> {
    const command = `stty cols ${columns}; exec "${process.execPath}" "${CLI}" ${args.join(' ')}`;
    const { stdout } = await promisify(execFile)(SCRIPT, ['-qec', command, '/dev/null'], {
      cwd: folder,
      env: { PATH: process.env['PATH'], HOME: folder, SHELL: '/bin/sh', DATABASE_URL: database.url, ...env },
    }).catch((error: unknown) => error as { stdout: string }); // status ends with 1: "New" has no reading
    return stdout.replaceAll('\r\n', '\n');
  }

  async function piped(args: readonly string[], env: Record<string, string>): Promise<string> {
    return (await runCli(args, { cwd: folder, env: { DATABASE_URL: database.url, ...env } })).stdout;
  }

  const UTF8 = { LANG: 'C.UTF-8', TERM: 'xterm' };

  test('status shows the power of the last 24 hours', async () => {
    const lines = (await onTerminal(['status'], UTF8)).split('\n');
    expect(lines[0]).toMatch(/ age +kW, last 24 h +due +holes +unasked +errors$/);
    expect(lines[1]).toMatch(/^\u001b\[32m✓\u001b\[39m {2}Boiler room .* ok {6}▅{18}·▅{4}█ +/);
    expect(lines[2]).toMatch(/^\u001b\[31m✗\u001b\[39m {2}New .* behind {20,}– +– +2880$/);
  });

  test('consumption shows the kWh of the buckets', async () => {
    // The last whole hour with readings, and two before it: whatever the minute.
    const endMs = Math.floor((Date.now() - 660_000) / 3_600_000) * 3_600_000;
    const [from, to] = [endMs - 2.5 * 3_600_000, endMs].map((ms) => new Date(ms).toISOString());
    const args = ['consumption', '--from', from ?? '', '--to', to ?? '', '--by', 'hour', '--tz', 'UTC'];
    await piped(args, UTF8); // judges the readings: on a slow machine that would show a progress bar
    const [title] = (await onTerminal(args, UTF8)).split('\n');
    expect(title).toMatch(/^Boiler room {2}███$/);
    const month = ['consumption', '--from', '30d', '--to', '0h', '--by', 'hour'];
    const [cells = ''] = (await onTerminal(month, UTF8)).split('\n');
    expect(cells).toMatch(/^Boiler room {2}·+[▁▂▃▄▅▆▇█]{1,3}$/);
    expect(Array.from(cells)).toHaveLength('Boiler room  '.length + 32);
  });

  test('a narrow terminal loses columns, and no line is broken', async () => {
    const lines = (await onTerminal(['status'], { ...UTF8, NO_COLOR: '1' }, 60)).split('\n');
    expect(lines[0]).toMatch(/^ +valve +newest \(Europe\/Rome\) +age +unasked$/);
    expect(lines.filter((line) => line.length > 60)).toEqual([]);
  });

  test('a locale without Unicode gets ASCII alone', async () => {
    const shown = await onTerminal(['status'], { LANG: 'C', TERM: 'xterm', NO_COLOR: '1' });
    expect(shown).toMatch(/^\+ {2}Boiler room .*\n^x {2}New /m);
    expect(shown).toMatch(/^[\x20-\x7e\n]*$/);
  });

  test('a dumb terminal gets what a pipe of its width gets', async () => {
    const env = { LANG: 'C.UTF-8', TERM: 'dumb' };
    // An age may grow meanwhile.
    const before = await piped(['status'], { ...env, COLUMNS: '200' });
    const shown = await onTerminal(['status'], env);
    expect([before, await piped(['status'], { ...env, COLUMNS: '200' })]).toContain(shown);
    expect(await piped(['status'], UTF8)).not.toMatch(/[▁▂▃▄▅▆▇█\u001b]/);
  });

  test('the log tells the time in the configured zone', async () => {
    await writeFile(join(folder, 'config.json'), '{"timezone": "Asia/Kathmandu"}');
    // Other users could read it, of which the log warns.
    await writeFile(join(folder, '.env'), '', { mode: 0o644 });
    const shown = await onTerminal(['status'], UTF8);
    const [, hours, minutes] = /\[(\d\d):(\d\d):\d\d\]/.exec(shown) ?? expect.fail(shown);
    const agoMinutes = (Date.now() / 60_000 + 345 - (Number(hours) * 60 + Number(minutes))) % 1440;
    expect(agoMinutes).toBeLessThan(5);
  });
});
