import { once } from 'node:events';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runCli, startCli, type CliResult } from '../support/cli.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';

/** The night summer time ends in Rome, 2026: the day has 25 hours. */
const MIDNIGHT_MS = Date.UTC(2026, 9, 24, 22);
const QUARTER_MS = 15 * 60_000;

let database: TestDatabase;

beforeEach(async () => {
  database = await freshDatabase();
});

afterEach(() => database.drop());

function tasmart(...args: string[]): Promise<CliResult> {
  return runCli(args, { env: { DATABASE_URL: database.url } });
}

/** One reading a quarter from midnight on, both ends included: the counter and the power at that time. */
async function readings(valve: string, quarters: number, at: (quarter: number) => [kwh: number | null, dW: number]) {
  const client = await database.client();
  const rows = Array.from({ length: quarters + 1 }, (_, quarter) => [quarter, ...at(quarter)] as const);
  await client.query(
    `insert into tasmart_data_table (tasmart_id, "timestamp", "time", energy_counter_regime_1, measured_power)
     select $1, extract(epoch from time), time, kwh, dw
     from unnest($2::timestamptz[], $3::bigint[], $4::integer[]) as reading (time, kwh, dw)`,
    [
      valve,
      rows.map(([quarter]) => new Date(MIDNIGHT_MS + quarter * QUARTER_MS).toISOString()),
      rows.map(([, kwh]) => kwh),
      rows.map(([, , dw]) => dw),
    ],
  );
}

/** 4 kW: one kWh a quarter. */
const STEADY = (quarter: number): [number, number] => [1000 + quarter, 40_000];

test('a day of 25 hours has 25 buckets, which add up to the day', async () => {
  await readings('a valve', 100, STEADY);
  const args = ['consumption', '--from', '2026-10-25', '--to', '2026-10-26'];
  const day = await tasmart(...args, '--by', 'day');
  expect(day).toMatchObject({ code: 0, stderr: '' });
  expect(day.stdout).toBe(
    [
      'a valve',
      '  from (Europe/Rome)    kWh 1  covered',
      '  Sun 2026-10-25      100.000    100 %',
      '  total               100.000',
      '  kWh 2: no readings',
      '',
      '',
    ].join('\n'),
  );
  const { stdout } = await tasmart(...args, '--by', 'hour', '--format', 'csv');
  const hours = stdout
    .trim()
    .split('\r\n')
    .join('\n')
    .split('\n')
    .slice(1)
    .filter((line) => line.includes(',1,"2026'));
  expect(hours).toHaveLength(25);
  expect(hours.slice(1, 5)).toEqual([
    '"a valve",,,,,1,"2026-10-24T23:00:00.000000Z","2026-10-25T00:00:00.000000Z","2026-10-25T01:00:00+02:00",4,1,"measured"',
    '"a valve",,,,,1,"2026-10-25T00:00:00.000000Z","2026-10-25T01:00:00.000000Z","2026-10-25T02:00:00+02:00",4,1,"measured"',
    '"a valve",,,,,1,"2026-10-25T01:00:00.000000Z","2026-10-25T02:00:00.000000Z","2026-10-25T02:00:00+01:00",4,1,"measured"',
    '"a valve",,,,,1,"2026-10-25T02:00:00.000000Z","2026-10-25T03:00:00.000000Z","2026-10-25T03:00:00+01:00",4,1,"measured"',
  ]);
});

test('another zone cuts other days; JSON is one array', async () => {
  await readings('a valve', 100, STEADY);
  const args = ['consumption', '--from', '2026-10-25', '--to', '2026-10-26', '--tz', 'UTC', '--format', 'json'];
  const buckets = JSON.parse((await tasmart(...args)).stdout) as { regime: number; kwh: number; quality: string }[];
  expect(buckets.filter(({ regime }) => regime === 1)).toMatchObject([
    { bucket_start: '2026-10-25T00:00:00.000000Z', kwh: 92, quality: 'provisional' },
  ]);
});

test('--shape power follows the power measured between two steps of the counter', async () => {
  // One kWh in two hours, by what the counter says; all of it in the second, by what the power says.
  await readings('a valve', 8, (quarter) => [quarter < 8 ? 1000 : 1001, quarter <= 4 ? 0 : 10_000]);
  const args = [
    'consumption',
    '--from',
    '2026-10-25',
    '--to',
    '2026-10-25T00:00:00Z',
    '--by',
    'hour',
    '--format',
    'json',
  ];
  const kwh = async (shape: string) =>
    (JSON.parse((await tasmart(...args, '--shape', shape)).stdout) as { regime: number; kwh: number }[])
      .filter(({ regime }) => regime === 1)
      .map((bucket) => bucket.kwh);
  const [first = 1, second = 0] = await kwh('power');
  expect(first).toBeLessThan(0.01);
  expect(second).toBeGreaterThan(0.99);
  expect(await kwh('linear')).toEqual([0, 1]);
});

test('a reader that leaves early ends it without a word', async () => {
  for (const valve of ['a', 'b', 'c']) await readings(valve, 2000, STEADY);
  const args = ['consumption', '--from', '2026-10-25', '--to', '2026-11-10', '--by', '15min', '--format', 'csv'];
  const { child, result } = startCli(args, { env: { DATABASE_URL: database.url } });
  result.catch(() => undefined); // it waits for the end of an output that is closed here
  const exit = once(child, 'exit');
  child.stdout.once('data', () => child.stdout.destroy());
  expect(await exit).toEqual([0, null]);
});

test.each([
  [['--from', '2026-10-26', '--to', '2026-10-25'], 64, 'is not before'],
  [['--from', 'yesterday', '--to', '2026-10-25'], 64, 'is no time'],
  [['--from', '2026-10-25', '--to', '2026-10-26', '--by', 'week'], 64, 'Allowed choices'],
  [['--from', '2026-10-25', '--to', '2026-10-26', '--tz', 'Rome'], 64, 'is no time zone'],
  [['--from', '2026-10-25', '--to', '2026-10-26', '--valve', 'nobody'], 78, 'no valve with readings'],
])('consumption %s ends with %i', async (args, code, words) => {
  const result = await tasmart('consumption', ...args);
  expect(result.code).toBe(code);
  expect(result.stderr).toContain(words);
});

interface Line {
  tasmart_id: string;
  register: number;
  agrees: boolean;
  suspicion: string | null;
}

test('verify sets counter, buckets and power side by side, and says what looks wrong with an installation', async () => {
  await readings('sound', 96, STEADY);
  await readings('stuck', 96, () => [1000, 40_000]);
  await readings('without power', 96, (quarter) => [1000 + quarter, 0]);
  await readings('wrong', 96, (quarter) => [1000 + quarter, 80_000]);
  const { code, stdout } = await tasmart('verify', '--from', '2026-10-25', '--to', '2026-10-26', '--format', 'json');
  expect(code).toBe(0);
  const lines = JSON.parse(stdout) as Line[];
  expect(lines.map((line) => [line.tasmart_id, line.register, line.agrees, line.suspicion])).toEqual([
    ['sound', 1, true, null],
    ['stuck', 1, true, 'the counter stands still though power is measured'],
    ['without power', 1, true, 'the counter counts though no power is measured'],
    ['wrong', 1, true, 'power measured comes to 200 % of the counter: wrong register or sensor?'],
  ]);
  expect(lines[0]).toMatchObject({
    opening_kwh: 1000,
    closing_kwh: 1096,
    difference_kwh: 96,
    curve_kwh: '96',
    hours_kwh: '96',
    power_kwh: 96,
    resets: 0,
    glitches: 0,
  });
});

test('verify counts resets and glitches, and the sums agree all the same', async () => {
  await readings('a valve', 99, (quarter) => {
    if (quarter === 10) return [0, 40_000];
    return [quarter < 50 ? 1000 + quarter : quarter - 50, 40_000];
  });
  const { code, stdout } = await tasmart('verify', '--from', '2026-10-25', '--to', '2026-10-26', '--format', 'json');
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject([
    { resets: 1, glitches: 1, agrees: true, closing_kwh: 49, curve_kwh: '98' },
  ]);
});
