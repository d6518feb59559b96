import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { PATIENT, runCli, startCli, type CliResult } from '../support/cli.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';
import { insertReadings, STEADY, timeOf } from './counter-readings.ts';
import { until } from '../support/until.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await freshDatabase();
});

beforeEach(async () => {
  await (
    await database.client()
  ).query(
    `truncate tasmart_data_table, tasmart_valves, tasmart_energy, tasmart_counter_events, tasmart_judgements,
       tasmart_checkpoints, tasmart_unjudged, tasmart_corrections, tasmart_settings restart identity cascade`,
  );
});

afterAll(() => database.drop());

function tasmart(...args: string[]): Promise<CliResult> {
  return runCli(args, { env: { DATABASE_URL: database.url } });
}

async function rows(sql: string): Promise<unknown[]> {
  return (await (await database.client()).query<Record<string, unknown>>(sql)).rows;
}

async function kwhOfAll(): Promise<number | null> {
  const args = ['--from', '2025-10-26', '--to', '2025-10-29', '--by', 'total', '--format', 'json'];
  const [total] = JSON.parse((await tasmart('consumption', ...args)).stdout) as { kwh: number | null }[];
  return total?.kwh ?? null;
}

const EVERYTHING = ['--from', '2025-10-26', '--to', '2025-10-30'];

test('events are listed in words and as data', async () => {
  await (await database.client()).query(`insert into tasmart_valves (tasmart_id, user_id) values ('v', 'Boiler')`);
  // A gap of two and a half hours, a spike, and a counter that begins anew.
  await insertReadings(database, 'v', 300, (slot) => {
    if (slot > 10 && slot < 20) return null;
    if (slot === 40) return [500_000, 40_000];
    return [slot < 100 ? 1000 + slot : slot - 100, 40_000];
  });
  await insertReadings(database, 'sound', 300, STEADY);
  const { code, stdout, stderr } = await tasmart('events', ...EVERYTHING);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toBe(
    [
      'Boiler · regime 1',
      '  from (Europe/Rome)  lasts       what                       counter  kWh counted',
      '  2025-10-26 02:30    2 h 30 min  gap: no readings       1010 → 1020         10.0',
      '  2025-10-26 08:45    30 min      glitch: showed 500000  1039 → 1041          2.0',
      '  2025-10-26 23:45    15 min      reset: fell for good      1099 → 0          1.0',
      '  total                                                                      13.0',
      '',
      '1 gap, 1 glitch, 1 reset',
      '',
    ].join('\n'),
  );
  const json = JSON.parse((await tasmart('events', ...EVERYTHING, '--format', 'json')).stdout) as unknown[];
  expect(json).toHaveLength(3);
  expect(json[1]).toEqual({
    tasmart_id: 'v',
    short_sn: null,
    full_sn: null,
    user_id: 'Boiler',
    register: null,
    regime: 1,
    kind: 'glitch',
    starts: '2025-10-26T07:45:00.000000Z',
    ends: '2025-10-26T08:15:00.000000Z',
    from_kwh: 1039,
    to_kwh: 1041,
    stray_kwh: 500_000,
    counted_kwh: 2,
  });
  const csv = (await tasmart('events', ...EVERYTHING, '--valve', 'boiler', '--format', 'csv')).stdout.split(/\r?\n/);
  expect(csv[1]).toBe(
    '"v",,,"Boiler",,1,"gap","2025-10-26T00:30:00.000000Z","2025-10-26T03:00:00.000000Z",1010,1020,,10',
  );
  expect((await tasmart('events')).stdout).toBe('no events: every counter is read as it stands\n');
});

test('a valve whose readings cannot be judged makes every command that judges partial: 2', async () => {
  await insertReadings(database, 'sound', 200, STEADY);
  await insertReadings(database, 'broken', 100, STEADY);
  expect((await tasmart('consumption')).code).toBe(0);
  await (await database.client()).query(`update tasmart_judgements set state = '{"1": 7}' where tasmart_id = 'broken'`);
  await insertReadings(database, 'broken', 200, (slot) => (slot > 100 ? STEADY(slot) : null));
  for (const args of [
    ['consumption'],
    ['events'],
    ['report', '--out', '-'],
    ['correct', 'sound', '--exclude', '--from', timeOf(50), '--to', timeOf(60), '--note', 'nonsense'],
  ]) {
    const { code, stderr } = await tasmart(...args);
    expect({ args, code, stderr }).toEqual({
      args,
      code: 2,
      stderr: expect.stringContaining('the kWh of a valve could not be judged') as string,
    });
  }
});

test('excluded readings no longer count, at once; the exclusion is listed, and can be undone once', async () => {
  await (await database.client()).query(`insert into tasmart_valves (tasmart_id, user_id) values ('v', 'Boiler')`);
  // For five hours the readings are another valve's, and its rise is one that this valve can pass.
  await insertReadings(database, 'v', 280, (slot) => [slot < 50 ? 1000 : slot < 70 ? 1000 + slot - 50 : 1019, 40_000]);
  expect(await kwhOfAll()).toBe(19);

  const exclude = ['--exclude', '--from', timeOf(51), '--to', timeOf(281), '--note', 'the pump’s readings'];
  const excluded = await tasmart('correct', 'boiler', ...exclude, '--by', 'rossi');
  expect(excluded).toMatchObject({ code: 0, stderr: '' });
  expect(excluded.stdout).toBe(
    [
      'v · Boiler: correction 1: readings excluded from 2025-10-26 11:45:00 until before 2025-10-28 21:15:00',
      '  regime 1, 2025-10-26 to 2025-10-28: 19.0 kWh before, 0.0 kWh now',
      '',
    ].join('\n'),
  );
  expect(await rows('select count(*)::integer from tasmart_data_table')).toEqual([{ count: 281 }]);
  expect(await rows('select from tasmart_unjudged')).toEqual([]);

  expect((await tasmart('correct', 'v', ...exclude)).stderr).toContain('correction 1 says the same already');
  const undone = await tasmart('correct', '--undo', '1', '--by', 'bianchi');
  expect(undone.stdout).toContain('correction 1 undone (readings excluded from 2025-10-26 11:45:00');
  expect(undone.stdout).toContain('0.0 kWh before, 19.0 kWh now');
  const again = await tasmart('correct', '--undo', '1');
  expect([again.code, again.stderr]).toEqual([78, expect.stringContaining('correction 1 is undone already')]);
  expect(await kwhOfAll()).toBe(19);

  const list = (await tasmart('correct', '--list')).stdout.split('\n');
  expect(list[0]).toBe('1  Boiler: readings excluded from 2025-10-26 11:45:00 until before 2025-10-28 21:15:00');
  expect(list[1]).toMatch(/^ {3}rossi, [\d-]+ [\d:]+: the pump’s readings$/);
  expect(list[2]).toMatch(/^ {3}undone by bianchi, [\d-]+ [\d:]+$/);
  expect(JSON.parse((await tasmart('correct', '--list', '--format', 'json')).stdout)).toMatchObject([
    { number: 1, tasmart_id: 'v', kind: 'exclude', note: 'the pump’s readings', author: 'rossi', undone_by: 'bianchi' },
  ]);
});

test('an exclusion that changes no kWh says what it changes', async () => {
  await insertReadings(database, 'v', 280, STEADY);
  const args = ['--exclude', '--from', timeOf(110), '--to', timeOf(120), '--note', 'n', '--by', 'rossi'];
  expect((await tasmart('correct', 'v', ...args)).stdout.split('\n')[1]).toBe(
    '  regime 1, 2025-10-27: 96.0 kWh as before, now estimated',
  );
});

test('a replaced counter adds only what power shows across the replacement', async () => {
  // The new counter begins 20 kWh higher: a rise that the valve could pass in the gap before.
  await insertReadings(database, 'v', 280, (slot) => (slot > 40 && slot < 60 ? null : [1000 + slot, 40_000, slot]));
  expect(await kwhOfAll()).toBe(280);
  const { code, stdout } = await tasmart('correct', 'v', '--replaced', '--at', timeOf(50), '--note', 'new meter');
  expect(code).toBe(0);
  expect(stdout).toContain('v: correction 1: counter replaced at 2025-10-26 11:30:00\n');
  expect(stdout).toContain('  regime 1, 2025-10-26: 100.0 kWh before, 80.0 kWh now\n');
  expect(await kwhOfAll()).toBe(260);
  expect((await tasmart('events', ...EVERYTHING)).stdout).toContain('replaced by correction  1040 → 1060');
  const [correction] = (await rows('select author from tasmart_corrections')) as { author: string }[];
  expect(correction?.author).toMatch(/./);
});

const NOTE = ['--note', 'why'];

test.each([
  [['v'], 'give one of --exclude, --replaced, --list and --undo'],
  [['v', '--exclude', '--replaced', '--at', timeOf(1), ...NOTE], 'give one of'],
  [['v', '--exclude', '--from', timeOf(1), ...NOTE], 'missing --to'],
  [['v', '--exclude', '--from', timeOf(2), '--to', timeOf(1), ...NOTE], 'is not before'],
  [['v', '--exclude', '--from', timeOf(1), '--to', timeOf(2)], 'missing --note'],
  [['v', '--replaced', '--at', '2200-01-01', ...NOTE], 'is in the future'],
  [['--replaced', '--at', timeOf(1), ...NOTE], 'missing <valve>'],
  [['--undo', 'last'], '--undo last is not a number of a correction'],
  [['--list', '--from', timeOf(1), ...NOTE], '--list takes no --from, --note'],
])('correct %j is a wrong command line', async (args, words) => {
  const { code, stdout, stderr } = await tasmart('correct', ...args);
  expect({ code, stdout }).toEqual({ code: 64, stdout: '' });
  expect(stderr).toContain(words);
});

test('a user without a name, as in a container, is asked for --by', async () => {
  const nameless = `import os from 'node:os'; import { syncBuiltinESMExports } from 'node:module';
    os.userInfo = () => { throw new Error('no such user'); }; syncBuiltinESMExports();`;
  const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(nameless)}`;
  const env = { DATABASE_URL: database.url, NODE_OPTIONS };
  const { code, stdout, stderr } = await runCli(['correct', '--undo', '7'], { env });
  expect({ code, stdout }).toEqual({ code: 64, stdout: '' });
  expect(stderr).toContain('missing --by: this user has no name');
  expect((await runCli(['correct', '--undo', '7', '--by', 'rossi'], { env })).stderr).toContain('no correction 7');
});

describe('a correction of what is not there ends with 78', () => {
  beforeEach(async () => {
    await (
      await database.client()
    ).query(`insert into tasmart_valves (tasmart_id, user_id) values ('v', 'Twin'), ('w', 'Twin')`);
    await insertReadings(database, 'v', 4, STEADY);
    await insertReadings(database, 'w', 4, STEADY);
  });

  test.each([
    [['v', '--exclude', '--from', timeOf(9), '--to', timeOf(10), ...NOTE], 'no reading lies in that span'],
    [['v', '--replaced', '--at', timeOf(-1), ...NOTE], 'no reading is older'],
    [['nobody', '--replaced', '--at', timeOf(3), ...NOTE], 'is called nobody'],
    [['Twin', '--replaced', '--at', timeOf(3), ...NOTE], '2 valves are called Twin'],
    [['--undo', '7'], 'there is no correction 7'],
  ])('%j', async (args, words) => {
    const { code, stdout, stderr } = await tasmart('correct', ...args);
    expect({ code, stdout }).toEqual({ code: 78, stdout: '' });
    expect(stderr).toContain(words);
    expect(await rows('select from tasmart_corrections')).toEqual([]);
  });
});

test('rejudge stores the configured limits and judges by them', async () => {
  await insertReadings(database, 'v', 280, (slot) => (slot > 40 && slot < 60 ? null : STEADY(slot)));
  await insertReadings(database, 'w', 280, STEADY);
  expect(await kwhOfAll()).toBe(280);
  const client = await database.client();
  await client.query('update tasmart_settings set max_power_kw = 0.5');
  expect((await tasmart('consumption')).stderr).toContain('run \\"tasmart rejudge\\"');
  const { code, stdout } = await tasmart('rejudge');
  expect(code).toBe(0);
  expect(stdout).toBe(
    'max_power_kw: 1500, before 0.5\ninterval_minutes: 15, as before\n2 counters judged again; the kWh of none of them changed\n',
  );
  expect(await rows('select max_power_kw, interval_minutes from tasmart_settings')).toEqual([
    { max_power_kw: 1500, interval_minutes: 15 },
  ]);
});

test('rejudge that is interrupted claims nothing of valves that it has not judged: 130', async () => {
  for (let valve = 1; valve <= 20; valve++) await insertReadings(database, `v${valve}`, 20, STEADY);
  expect((await tasmart('consumption')).code).toBe(0);
  const client = await database.client();
  await client.query('begin; lock table tasmart_energy in share mode');
  const { child, result } = startCli(['rejudge'], { env: { DATABASE_URL: database.url, ...PATIENT } });
  await until('the judge waits', async () => {
    const waiting = `select from pg_locks where relation = 'tasmart_energy'::regclass and not granted`;
    return (await rows(waiting)).length > 0;
  });
  child.kill('SIGINT');
  await client.query('commit');
  const { code, stdout } = await result;
  expect({ code, stdout }).toEqual({ code: 130, stdout: expect.not.stringContaining('judged again') as string });
  expect(await rows('select tasmart_id from tasmart_unjudged')).not.toEqual([]);
});
