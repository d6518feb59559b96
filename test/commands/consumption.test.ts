import { once } from 'node:events';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runCli, startCli, type CliResult } from '../support/cli.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';
import { insertReadings, STEADY } from './counter-readings.ts';

let database: TestDatabase;

beforeEach(async () => {
  database = await freshDatabase();
});

afterEach(() => database.drop());

function tasmart(...args: string[]): Promise<CliResult> {
  return runCli(args, { env: { DATABASE_URL: database.url, COLUMNS: '80' } });
}

async function nameValve(id: string, name: string): Promise<void> {
  const client = await database.client();
  await client.query('insert into tasmart_valves (tasmart_id, user_id) values ($1, $2)', [id, name]);
}

const DAY = ['--from', '2025-10-26', '--to', '2025-10-27'];

test('a day of 25 hours has 25 buckets, which add up to the day', async () => {
  await insertReadings(database, 'a valve', 100, STEADY);
  const day = await tasmart('consumption', ...DAY);
  expect(day).toMatchObject({ code: 0, stderr: '' });
  expect(day.stdout).toBe(
    ['a valve', '  regime 1 (Europe/Rome)    kWh  coverage', '  Sun 2025-10-26          100.0     100 %', '', ''].join(
      '\n',
    ),
  );
  const { stdout } = await tasmart('consumption', ...DAY, '--by', 'hour', '--format', 'csv');
  const hours = stdout.trimEnd().split(/\r?\n/).slice(1);
  expect(hours).toHaveLength(25);
  expect(hours.slice(1, 5)).toEqual([
    '"a valve",,,,,1,"2025-10-25T23:00:00.000000Z","2025-10-26T00:00:00.000000Z","2025-10-26T01:00:00+02:00",4,1,"measured"',
    '"a valve",,,,,1,"2025-10-26T00:00:00.000000Z","2025-10-26T01:00:00.000000Z","2025-10-26T02:00:00+02:00",4,1,"measured"',
    '"a valve",,,,,1,"2025-10-26T01:00:00.000000Z","2025-10-26T02:00:00.000000Z","2025-10-26T02:00:00+01:00",4,1,"measured"',
    '"a valve",,,,,1,"2025-10-26T02:00:00.000000Z","2025-10-26T03:00:00.000000Z","2025-10-26T03:00:00+01:00",4,1,"measured"',
  ]);
});

test('the span is widened to whole buckets of the zone; JSON is one array', async () => {
  await insertReadings(database, 'a valve', 100, STEADY);
  const ask = async (...args: string[]) => {
    const { stdout } = await tasmart('consumption', '--format', 'json', ...args);
    return JSON.parse(stdout) as { bucket_start_local: string; bucket_end: string; kwh: number }[];
  };
  const noon = ['--from', '2025-10-26T12:00', '--to', '2025-10-26T12:01'];
  expect(await ask(...noon)).toMatchObject([
    { bucket_start_local: '2025-10-26T00:00:00+02:00', bucket_end: '2025-10-26T23:00:00.000000Z', kwh: 100 },
  ]);
  expect(await ask(...noon, '--tz', 'UTC')).toMatchObject([
    { bucket_start_local: '2025-10-26T00:00:00Z', bucket_end: '2025-10-27T00:00:00.000000Z', kwh: 92 },
  ]);
  expect(await ask(...noon, '--by', 'year')).toMatchObject([
    { bucket_start_local: '2025-01-01T00:00:00+01:00', bucket_end: '2025-12-31T23:00:00.000000Z', kwh: 100 },
  ]);
  expect(await ask(...noon, '--by', 'week')).toMatchObject([
    { bucket_start_local: '2025-10-20T00:00:00+02:00', bucket_end: '2025-10-26T23:00:00.000000Z', kwh: 100 },
  ]);
  const offTheQuarter = ['--from', '2025-10-26T12:22:10', '--to', '2025-10-26T12:37'];
  expect(await ask(...offTheQuarter, '--by', '15min')).toMatchObject([
    { bucket_start_local: '2025-10-26T12:15:00+01:00', bucket_end: '2025-10-26T11:30:00.000000Z', kwh: 1 },
    { bucket_start_local: '2025-10-26T12:30:00+01:00', bucket_end: '2025-10-26T11:45:00.000000Z', kwh: 1 },
  ]);
  expect(await ask(...offTheQuarter, '--by', 'hour')).toMatchObject([
    { bucket_start_local: '2025-10-26T12:00:00+01:00', bucket_end: '2025-10-26T12:00:00.000000Z', kwh: 4 },
  ]);
  expect(await ask(...offTheQuarter, '--by', 'total')).toMatchObject([
    { bucket_start_local: '2025-10-26T12:15:00+01:00', bucket_end: '2025-10-26T11:45:00.000000Z', kwh: 2 },
  ]);
});

test('by default the last seven days; today is marked, and what has no readings is a dash', async () => {
  const client = await database.client();
  await client.query(
    `insert into tasmart_data_table (tasmart_id, "timestamp", "time", energy_counter_regime_1)
     select 'v', at, to_timestamp(at), 50
     from generate_series(extract(epoch from now())::bigint - 600, extract(epoch from now())::bigint, 300) as at`,
  );
  const lines = (await tasmart('consumption', '--tz', 'UTC')).stdout.split('\n');
  // Just after midnight, the first of these readings belong to yesterday.
  expect(lines.slice(2, 9).filter((line) => / {2,}– {2,}0 % {2}missing$/.test(line)).length).toBeGreaterThanOrEqual(6);
  expect(lines[9]).toMatch(/^ {2}\w{3} \d{4}-\d\d-\d\d \* +(0\.0|–) +\d % {2}(provisional|missing)$/);
  expect(lines[10]).toMatch(/^ {2}total +0\.0$/);
  expect(lines.slice(11)).toEqual(['  * not over yet', '', '']);
});

test('hours of a small valve follow the measured power between two steps of the counter', async () => {
  // 1 kWh in two hours by the counter; by the power, all of it in the second hour.
  await insertReadings(database, 'v', 200, (slot) => [slot < 8 ? 1000 : 1001, slot > 4 && slot <= 8 ? 10_000 : 0]);
  const args = ['--from', '2025-10-26', '--to', '2025-10-26T00:00:00Z', '--by', 'hour'];
  const [, , first, second, total] = (await tasmart('consumption', ...args)).stdout.split('\n');
  expect(first).toMatch(/ 0\.00 +100 %$/);
  expect(second).toMatch(/ 1\.00 +100 %$/);
  expect(total).toMatch(/total +1\.00$/);
});

test('--matrix: valves by buckets, with totals and shares, a matrix per regime, as wide as fits', async () => {
  await nameValve('v', 'Boiler');
  await insertReadings(database, 'v', 196, (slot) => [1000 + slot, 40_000, slot]);
  await insertReadings(database, 'w', 196, (slot) => (slot < 80 || slot > 90 ? STEADY(slot) : null));
  const args = ['--from', '2025-10-26', '--to', '2025-10-28', '--matrix'];
  expect((await tasmart('consumption', ...args)).stdout).toBe(
    [
      'kWh of regime 1, 2025-10-26 00:00 – 2025-10-28 00:00 (Europe/Rome)',
      'valve   10-26   10-27   total  share',
      'Boiler  100.0    96.0   196.0   50 %',
      'w       100.0~   96.0   196.0   50 %',
      'total   200.0   192.0   392.0',
      '~ part of it is estimated',
      '',
      'kWh of regime 2, 2025-10-26 00:00 – 2025-10-28 00:00 (Europe/Rome)',
      'valve   10-26   10-27   total',
      'Boiler  100.0    96.0   196.0',
      'total   100.0    96.0   196.0',
      '',
    ].join('\n'),
  );
  const csv = (await tasmart('consumption', ...args, '--format', 'csv')).stdout.split(/\r?\n/);
  expect(csv).toEqual([
    'tasmart_id,short_sn,full_sn,user_id,register,regime,2025-10-26T00:00:00+02:00,2025-10-27T00:00:00+01:00,total',
    '"v",,,"Boiler",,1,100,96,196',
    '"w",,,,,1,100,96,196',
    '"v",,,"Boiler",,2,100,96,196',
    '',
  ]);
  const hours = (await tasmart('consumption', ...args, '--by', 'hour')).stdout.split('\n');
  expect(hours.filter((line) => line.startsWith('Boiler')).length).toBeGreaterThan(8);
  expect(Math.max(...hours.map((line) => line.length))).toBeLessThanOrEqual(80);
});

test('a valve is named by what the customer calls it', async () => {
  await nameValve('v', 'Caffè');
  await insertReadings(database, 'v', 4, STEADY);
  await insertReadings(database, 'w', 4, STEADY);
  const { code, stdout } = await tasmart('consumption', ...DAY, '--valve', 'CAFFE\u0300');
  expect(code).toBe(0);
  expect(stdout.split('\n')[0]).toBe('Caffè');
  expect(stdout).not.toContain('w\n');
});

test('a reader that leaves early ends it without a word', async () => {
  for (const valve of ['a', 'b', 'c']) await insertReadings(database, valve, 2000, STEADY);
  const args = ['consumption', '--from', '2025-10-26', '--to', '2025-11-11', '--by', '15min', '--format', 'csv'];
  const { child, result } = startCli(args, { env: { DATABASE_URL: database.url } });
  result.catch(() => undefined); // it waits for the end of an output that is closed here
  const exit = once(child, 'exit');
  child.stdout.once('data', () => child.stdout.destroy());
  expect(await exit).toEqual([0, null]);
});

test.each([
  [['--from', '2025-10-27', '--to', '2025-10-26'], 64, 'is not before'],
  [['--from', 'soon', '--to', '2025-10-26'], 64, 'is not a time'],
  [[...DAY, '--by', 'decade'], 64, 'Allowed choices'],
  [[...DAY, '--tz', 'Rome'], 64, 'is not a time zone'],
  [[...DAY, '--matrix', '--format', 'json'], 64, '--matrix is for tables and CSV'],
  [[...DAY, '--valve', 'nobody'], 78, 'no valve with readings'],
])('consumption %s ends with %i', async (args, code, words) => {
  const result = await tasmart('consumption', ...args);
  expect(result.code).toBe(code);
  expect(result.stderr).toContain(words);
});
