/** `tasmart verify`: the stored kWh against the readings, and the counters against measured power. */
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runCli, type CliResult } from '../support/cli.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';

const START_MS = Date.UTC(2026, 9, 19);
const QUARTER_MS = 15 * 60_000;
const DAY = 96;
const SPAN = ['--from', '2026-10-19T00:00:00Z', '--to', '2026-10-24T00:00:00Z'];

let database: TestDatabase;
beforeEach(async () => {
  database = await freshDatabase();
});
afterEach(() => database.drop());

function verify(...args: string[]): Promise<CliResult> {
  return runCli(['verify', ...SPAN, ...args], { env: { DATABASE_URL: database.url } });
}

type Shown = [kwh: number | null, kw: number | null] | null;

/** A reading per quarter of an hour for six days, and for the days before them. Null: none. */
async function readings(valve: string, at: (quarter: number) => Shown, daysBefore = 0): Promise<void> {
  const client = await database.client();
  const quarters = Array.from({ length: (daysBefore + 6) * DAY }, (_, index) => index - daysBefore * DAY);
  const rows = quarters
    .map((quarter) => ({
      time: new Date(START_MS + quarter * QUARTER_MS).toISOString(),
      shown: at(quarter),
    }))
    .flatMap(({ time, shown }) => (shown === null ? [] : [{ time, kwh: shown[0], dw: shown[1] && shown[1] * 10_000 }]));
  await client.query(
    `insert into tasmart_data_table (tasmart_id, "timestamp", "time", energy_counter_regime_1, measured_power)
     select $1, extract(epoch from time), time, kwh, dw
     from json_to_recordset($2::json) as reading (time timestamptz, kwh bigint, dw integer)`,
    [valve, JSON.stringify(rows)],
  );
}

/** 4 kW: one kWh per quarter of an hour. */
const counted = (quarter: number): number => 1000 + quarter;

interface Line {
  tasmart_id: string;
  agrees: boolean;
  differences: number;
  finding: string | null;
  message: string | null;
}

async function findings(): Promise<{ code: number | null; lines: Line[] }> {
  const { code, stdout } = await verify('--format', 'json');
  return { code, lines: JSON.parse(stdout) as Line[] };
}

test('sound valves agree, with outages and with glitches that were left out', async () => {
  await readings('gaps', (quarter) => (quarter % 50 > 40 ? null : [counted(quarter), 4]));
  await readings('glitches', (quarter) => [quarter % 100 === 7 ? 0 : counted(quarter), 4]);
  await readings('sound', (quarter) => [counted(quarter), 4]);
  await readings('spike', (quarter) => [quarter === 200 ? 900_000 : counted(quarter), 4]);
  const { code, stdout, stderr } = await verify();
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toBe(
    [
      '   valve     readings    kWh  by power  tolerance',
      '✓  gaps           399  480.0     480.0      140.0',
      '✓  glitches       480  480.0     480.0       50.0',
      '✓  sound          480  480.0     480.0       50.0',
      '✓  spike          480  480.0     480.0       50.0',
      '',
      '✓ 1920 quarter hours of 4 valves: the stored kWh are what the readings give, and the counters agree with measured power',
      '',
    ].join('\n'),
  );
});

test('a stored quarter of an hour that was altered is found, and so is an altered day', async () => {
  await readings('altered', (quarter) => [counted(quarter), 4]);
  await readings('sound', (quarter) => [counted(quarter), 4]);
  expect((await verify()).code).toBe(0);
  const client = await database.client();
  await client.query(
    `update tasmart_energy set micro_kwh[50] = micro_kwh[50] + 5 where tasmart_id = 'altered' and day = '2026-10-20'`,
  );
  const { code, stdout, stderr } = await verify();
  expect(code).toBe(1);
  expect(stdout).toContain(
    'altered: regime 1, 15min from 2026-10-20 14:00:00: stored 1.000005 kWh, coverage 1, measured; ' +
      'the readings give 1 kWh, coverage 1, measured (and 1 other bucket)',
  );
  expect(stdout.trimEnd().split('\n').at(-1)).toBe(
    '✗ 960 quarter hours of 2 valves: the stored kWh of 1 valve are not what the readings give',
  );
  expect(stderr).not.toBe('');

  await client.query(
    `update tasmart_energy set micro_kwh[50] = micro_kwh[50] - 5, flaws_before = '{0,0,0,1}'
     where tasmart_id = 'altered' and day = '2026-10-20'`,
  );
  expect((await findings()).lines).toMatchObject([
    { tasmart_id: 'altered', agrees: false, finding: null },
    { tasmart_id: 'sound', agrees: true, finding: null },
  ]);
});

test('stored totals that leap at a midnight in UTC are found, also where the local day is that of UTC', async () => {
  await readings('leaps', (quarter) => [counted(quarter), 4]);
  const config = join(await mkdtemp(join(tmpdir(), 'tasmart-verify-')), 'config.json');
  await writeFile(config, JSON.stringify({ target_project_name: 'x', timezone: 'UTC' }));
  const verifyInUtc = async () => (await verify('--config', config)).stdout;
  expect(await verifyInUtc()).toContain('✓ 480 quarter hours');
  const client = await database.client();
  const add = (kwh: number, days: string) =>
    client.query(
      `update tasmart_energy set micro_kwh = (
         select array_agg(total + $1 * 1000000 order by n) from unnest(micro_kwh) with ordinality as totals (total, n)
       ) where day ${days}`,
      [kwh],
    );
  await add(5, `>= '2026-10-22'`);
  expect(await verifyInUtc()).toContain(
    'leaps: regime 1, day from 2026-10-21 12:00:00: stored 101 kWh, coverage 1, measured; the readings give 96 kWh, ' +
      'coverage 1, measured\n',
  );
  await add(-5, `> '2026-10-22'`);
  expect(await verifyInUtc()).toContain('(and 1 other bucket)');
  await add(-5, `= '2026-10-22'`);
  expect(await verifyInUtc()).toContain('✓ 480 quarter hours');
});

test('a second counter of which nothing is stored any more is found', async () => {
  await readings('gaps', (quarter) => (quarter % 50 > 40 ? null : [counted(quarter), 4]));
  const client = await database.client();
  await client.query('update tasmart_data_table set energy_counter_regime_2 = 7');
  expect((await findings()).lines).toMatchObject([{ agrees: true, message: null }]);
  await client.query('delete from tasmart_energy where regime = 2');
  expect((await findings()).lines).toMatchObject([
    {
      agrees: false,
      differences: 480 + 6,
      message:
        'regime 2, 15min from 2026-10-19 02:00:00: stored no kWh, coverage 0, missing; ' +
        'the readings give 0 kWh, coverage 1, measured (and 485 other buckets)',
    },
  ]);
});

test('stored events that the readings do not give are found, and events that are not stored', async () => {
  await readings('gaps', (quarter) => (quarter % 50 > 40 ? null : [counted(quarter), 4]));
  expect((await findings()).lines).toMatchObject([{ agrees: true, message: null }]);
  const client = await database.client();
  await client.query(`update tasmart_counter_events set kind = 'glitch' where starts > '2026-10-22'`);
  expect((await findings()).lines).toMatchObject([
    {
      agrees: false,
      differences: 8,
      message: 'the stored events are not what the readings give: 4 missing, 4 too many',
    },
  ]);
  expect((await verify()).stdout).toContain('the stored events of 1 valve are not what the readings give');

  await client.query(`update tasmart_counter_events set kind = 'gap', to_kwh = to_kwh + 1 where starts > '2026-10-22'`);
  expect((await findings()).lines).toMatchObject([{ agrees: false, differences: 8 }]);
  await client.query(`update tasmart_counter_events set to_kwh = to_kwh - 1 where starts > '2026-10-22'`);
  expect((await findings()).lines).toMatchObject([{ agrees: true }]);
  await client.query('insert into tasmart_counter_events select * from tasmart_counter_events');
  expect((await findings()).lines).toMatchObject([
    { message: expect.stringMatching(/: 0 missing, [1-9]\d* too many$/) as string },
  ]);
});

test('power after the last reading that is not excluded is not compared', async () => {
  await readings('excluded', (quarter) => [quarter < 300 ? counted(quarter) : 0, 4]);
  const client = await database.client();
  await client.query(`insert into tasmart_corrections (tasmart_id, kind, starts, ends, note, author)
    values ('excluded', 'exclude', '2026-10-22T03:00Z', '2026-11-01T00:00Z', 'broken', 'test')`);
  expect((await findings()).lines).toMatchObject([{ agrees: true, finding: null, readings: 480 }]);
});

test('what looks wrong with a counter is called by name', async () => {
  await readings('1 sound', (quarter) => [counted(quarter), 4]);
  await readings('2 stands still', () => [1000, 4]);
  await readings('3 no power', (quarter) => [counted(quarter), 0]);
  await readings('4 half the power', (quarter) => [counted(quarter), 2]);
  await readings('5 swapped', (quarter) => [quarter < 200 ? counted(quarter) : quarter - 190, 4]);
  await readings('6 restored after an outage', (quarter) => {
    if (quarter >= 200 && quarter < 216) return null;
    return [counted(quarter) - (quarter < 200 ? 0 : 28), 4];
  });
  await readings('7 restored again and again', (quarter) => [1000 + (quarter % 3), 4]);
  await readings('8 Wh', (quarter) => [1_000_000 + 1000 * quarter, 4]);
  await readings('9 Wh, little', (quarter) => [1_000_000 + 10 * quarter, 0.04]);
  await readings('MWh', (quarter) => [1000 + Math.floor(quarter / 25), 160]);
  await readings('null', () => [null, 4]);
  const { code, lines } = await findings();
  expect(code).toBe(1);
  expect(lines.map(({ tasmart_id: valve, agrees, finding }) => [valve, agrees, finding])).toEqual([
    ['1 sound', true, null],
    ['2 stands still', true, 'stands-still'],
    ['3 no power', true, 'no-power'],
    ['4 half the power', true, 'power'],
    ['5 swapped', true, 'swapped'],
    ['6 restored after an outage', true, 'restored'],
    ['7 restored again and again', true, 'restored'],
    ['8 Wh', true, 'unit'],
    ['9 Wh, little', true, 'unit'],
    ['MWh', true, 'unit'],
    ['null', true, 'no-counter'],
  ]);
  const messages = Object.fromEntries(lines.map(({ tasmart_id: valve, message }) => [valve, message]));
  expect(messages['5 swapped']).toBe(
    'a swapped meter? Regime 1 fell from 1199 kWh to 10 kWh, between 2026-10-21 03:45:00 and 2026-10-21 04:00:00; ' +
      'if it was replaced: tasmart correct \'5 swapped\' --replaced --at 2026-10-21T02:00:00Z --note "why"',
  );
  expect(messages['8 Wh']).toBe(
    'a counter in another unit? It shows 1000 times the measured energy: Wh instead of kWh',
  );
});

test('a counter that ended undecided long ago does not hide that the other one stands still', async () => {
  await readings('still', () => [1000, 40], 30);
  const client = await database.client();
  await client.query(`update tasmart_data_table set energy_counter_regime_2 = case when time < '2026-10-08' then 700 else 0 end
    where time < '2026-10-08T00:10Z'`);
  expect((await findings()).lines).toMatchObject([{ tasmart_id: 'still', agrees: true, finding: 'stands-still' }]);
});

test('the newest readings are not compared while a counter is undecided', async () => {
  await readings('undecided', (quarter) => [quarter < 400 ? counted(quarter) : 5 + quarter, 4]);
  const client = await database.client();
  await client.query(`delete from tasmart_data_table where time >= '2026-10-24'`);
  expect((await findings()).lines).toMatchObject([{ agrees: true, finding: null, counted_kwh: 399 }]);
});

test('a valve that cannot be judged again costs no other valve', async () => {
  await readings('1 broken', (quarter) => [counted(quarter), 4]);
  await readings('2 sound', (quarter) => [counted(quarter), 4]);
  expect((await findings()).code).toBe(0);
  const client = await database.client();
  await client.query(`update tasmart_judgements set state = '{"1": {"newestUs": 0}}' where tasmart_id = '1 broken'`);
  const { code, stdout, stderr } = await verify();
  expect(code).toBe(1);
  expect(stdout).toContain('✓  2 sound');
  expect(stdout).toContain('; 1 valve could not be verified');
  expect(JSON.parse(stderr.split('\n')[0] ?? '')).toMatchObject({
    tasmart_id: '1 broken',
    err: { type: 'TypeError' },
    msg: expect.stringMatching(/^a valve could not be verified: ./) as string,
  });
});

test('a span without a reading is no proof of anything', async () => {
  await readings('a valve', (quarter) => [counted(quarter), 4]);
  const args = ['verify', '--from', '2026-09-01', '--to', '2026-09-02'];
  const { code, stdout, stderr } = await runCli(args, { env: { DATABASE_URL: database.url } });
  expect(code).toBe(1);
  expect(stdout).toContain('✗ no valve has a reading in this span\n');
  expect(stderr).toContain('no valve has a reading in this span');
});

test('a counter that returns to a value of months before was restored, not swapped', async () => {
  await readings('restored', (quarter) => [20_000 + (quarter < 200 ? quarter : quarter - 6000), 4], 70);
  const { lines } = await findings();
  expect(lines).toMatchObject([{ tasmart_id: 'restored', agrees: true, finding: 'restored' }]);
});

test('an excluded first reading does not make a swapped counter a restored one', async () => {
  await readings(
    'swapped',
    (quarter) => [quarter === -DAY ? 5 : quarter < 200 ? 20_000 + quarter : quarter - 190, 4],
    1,
  );
  const client = await database.client();
  await client.query(`insert into tasmart_corrections (tasmart_id, kind, starts, ends, note, author)
    values ('swapped', 'exclude', '2026-10-18T00:00Z', '2026-10-18T00:10Z', 'not this meter', 'test')`);
  expect((await findings()).lines).toMatchObject([{ tasmart_id: 'swapped', agrees: true, finding: 'swapped' }]);
});
