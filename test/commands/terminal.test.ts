import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { brokenLines, drawsBlocks } from '../../src/commands/terminal.ts';
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

test.each([
  ['ab\n▁▂▃\n', 3, 0],
  ['ab\n▁▂▃\n▁▂▃▄', 2, 2],
  ['阀门', 3, 1],
  ['a long line', undefined, 0],
  ['a long line', 0, 0],
])('of %j, %s columns break %i lines', (text, columns, expected) => {
  expect(brokenLines(text, columns)).toBe(expected);
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
    expect(lines[1]).toMatch(/^✓ {2}Boiler room .* ok {6}▅{18}·▅{4}█ +/);
    expect(lines[2]).toMatch(/^✗ {2}New .* behind {20,}– +– +2880$/);
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

  test.each([
    ['a locale without Unicode', { LANG: 'C', TERM: 'xterm' }, 200],
    ['a dumb terminal', { LANG: 'C.UTF-8', TERM: 'dumb' }, 200],
    ['a narrow terminal', UTF8, 100],
  ])('%s gets what a pipe gets', async (_, env, columns) => {
    // An age may grow meanwhile.
    const before = await piped(['status'], env);
    const shown = await onTerminal(['status'], env, columns);
    expect([before, await piped(['status'], env)]).toContain(shown);
    expect(await piped(['status'], UTF8)).not.toMatch(/[▁▂▃▄▅▆▇█]/);
  });
});
