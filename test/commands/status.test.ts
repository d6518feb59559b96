import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, US_PER_SECOND, type Micros } from '../../src/domain/time.ts';
import type { Valve } from '../../scripts/simulator/fleet.ts';
import { startSimulator, type Simulator } from '../../scripts/simulator/simulator.ts';
import { runCli, type CliResult } from '../support/cli.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';

const INTERVAL_US = 15 * US_PER_MINUTE;

let simulator: Simulator;
let database: TestDatabase;
let folder: string;
/** two seconds after the last boundary: ages go by the database's clock, so the tests live in the present */
let nowUs: Micros;

/** How long a test may take at most; none may run into the next boundary, which would be due. */
const TEST_MS = 20_000;

beforeEach(async () => {
  const leftMs = INTERVAL_US / 1000 - (Date.now() % (INTERVAL_US / 1000));
  if (leftMs < TEST_MS) await delay(leftMs);
  nowUs = Math.floor((Date.now() * 1000) / INTERVAL_US) * INTERVAL_US + 2 * US_PER_SECOND;
  simulator = await startSimulator({ valves: [3, 1], nowUs });
  // Points come 5, 20, 35 and 50 seconds past every minute.
  for (const valve of simulator.valves()) Object.assign(valve, { phaseUs: 5 * US_PER_SECOND, jitterUs: 1000 });
  database = await freshDatabase();
  folder = await mkdtemp(join(tmpdir(), 'tasmart-status-'));
  await configure({ target_project_name: simulator.projects[0]?.name });
});

afterEach(async () => {
  await simulator.close();
  await database.drop();
  await rm(folder, { recursive: true });
});

async function configure(config: object): Promise<void> {
  await writeFile(join(folder, 'config.json'), JSON.stringify({ requests_per_second: 1000, ...config }));
}

function tasmart(...args: string[]): Promise<CliResult> {
  return runCli(args, { cwd: folder, env: { ...simulator.env(), DATABASE_URL: database.url } });
}

/** A run at this time of HyCloud's clock; what it sees for the first time, it saw then. */
async function pollAt(timeUs: Micros): Promise<void> {
  simulator.clock.set(timeUs);
  expect((await tasmart('poll')).code).toBe(0);
  await sql(`update tasmart_valves set first_seen_at = least(first_seen_at, to_timestamp($1))`, [timeUs / 1e6]);
}

interface Json {
  ok: boolean;
  max_age_seconds: number;
  valves: {
    tasmart_id: string;
    state: string;
    late: boolean;
    age_seconds: number | null;
    gaps: { due: number; holes: number; unasked: number };
    error_status: string[] | null;
  }[];
  problems: string[];
  last_run: { outcome: string; age_seconds: number; error: string | null } | null;
  last_success: { outcome: string } | null;
}

async function status(...args: string[]): Promise<{ code: number | null; json: Json }> {
  const { code, stdout, stderr } = await tasmart('status', '--format', 'json', ...args);
  expect(stderr).toBe('');
  return { code, json: JSON.parse(stdout) as Json };
}

async function stateOf(valve: Valve): Promise<Json['valves'][number] | undefined> {
  return (await status()).json.valves.find(({ tasmart_id: id }) => id === valve.id);
}

function valveAt(index: number): Valve {
  return simulator.valves()[index] ?? expect.fail('no such valve');
}

async function sql(text: string, values: unknown[] = []): Promise<void> {
  await (await database.client()).query(text, values);
}

test('before the first poll nothing is watched, and that is no good state', async () => {
  const { code, json } = await status();
  expect(code).toBe(1);
  expect(json).toEqual({
    ok: false,
    max_age_seconds: 2700,
    valves: [],
    problems: [`no valve of project "${simulator.projects[0]?.name ?? ''}" was ever polled`],
    last_run: null,
    last_success: null,
  });
  const { stdout } = await tasmart('status');
  expect(stdout).toMatch(/^✗ no valve is watched: run "tasmart poll"\n✗ no valve of project ".*" was ever polled\n/);
});

test('a reading from the future says nothing of how its valve is', async () => {
  await pollAt(nowUs - 2 * US_PER_HOUR);
  await sql(
    `insert into tasmart_data_table (tasmart_id, "timestamp", "time") values ($1, 2147483647, to_timestamp(2147483647))`,
    [valveAt(0).id],
  );
  const { code, json } = await status();
  expect(code).toBe(1);
  const [first, ...others] = json.valves.slice(0, 3).map(({ state, late, gaps }) => ({ state, late, gaps }));
  expect(first).toEqual({ state: 'behind', late: true, gaps: { due: 8, holes: 0, unasked: 0 } });
  expect(others).toEqual([first, first]);
});

test('an outage makes every valve late and its boundaries due; the next run mends it', async () => {
  await pollAt(nowUs - 2 * US_PER_HOUR);
  const during = await status();
  expect(during.code).toBe(1);
  expect(during.json.valves.map(({ state, late, gaps }) => ({ state, late, gaps }))).toEqual(
    Array.from({ length: 3 }, () => ({ state: 'behind', late: true, gaps: { due: 8, holes: 0, unasked: 0 } })),
  );

  await pollAt(nowUs);
  const after = await status();
  expect(after.code).toBe(0);
  expect(after.json).toMatchObject({ ok: true, problems: [], last_run: { outcome: 'success', error: null } });
  expect(after.json.valves.map(({ state, late, gaps }) => ({ state, late, gaps }))).toEqual(
    Array.from({ length: 3 }, () => ({ state: 'ok', late: false, gaps: { due: 0, holes: 0, unasked: 0 } })),
  );
});

test('--max-age draws the line, and speaks like a person', async () => {
  await pollAt(nowUs - US_PER_HOUR);
  expect((await status('--max-age', '2h')).code).toBe(0);
  expect((await status('--max-age', '30m')).code).toBe(1);
  const nonsense = await tasmart('status', '--max-age', 'soon');
  expect(nonsense).toMatchObject({ code: 64, stdout: '' });
  expect(nonsense.stderr).toContain('--max-age soon is not a duration');
});

test('boundaries that HyCloud has no point for are holes, not due', async () => {
  const valve = valveAt(0);
  const from = nowUs - 2 * US_PER_SECOND;
  valve.outages = [{ fromUs: from - 5 * INTERVAL_US, toUs: from - 2 * INTERVAL_US }];
  await pollAt(nowUs - 2 * US_PER_HOUR);
  await pollAt(nowUs);
  expect(await stateOf(valve)).toMatchObject({ state: 'ok', gaps: { due: 0, holes: 3, unasked: 0 } });
  expect(await stateOf(valveAt(1))).toMatchObject({ gaps: { due: 0, holes: 0, unasked: 0 } });
});

test('a valve that HyCloud has nothing of is silent; late, once it is so for too long', async () => {
  const valve = valveAt(0);
  valve.outages = [{ fromUs: nowUs - US_PER_HOUR, toUs: nowUs + US_PER_DAY }];
  await pollAt(nowUs - 2 * US_PER_HOUR);
  await pollAt(nowUs);
  expect((await status()).code).toBe(1);
  expect(await stateOf(valve)).toMatchObject({ state: 'silent', late: true, gaps: { due: 0, holes: 4 } });
  expect((await status('--max-age', '2h')).code).toBe(0);
});

test('what was never asked for is told from what HyCloud does not have, until a backfill asks', async () => {
  const valve = valveAt(0);
  const boundaryUs = nowUs - 2 * US_PER_SECOND;
  valve.outages = [{ fromUs: boundaryUs - 8 * INTERVAL_US, toUs: boundaryUs - 7 * INTERVAL_US }];
  await sql(
    `insert into tasmart_data_table (tasmart_id, "timestamp", "time")
     select $1, extract(epoch from to_timestamp($2)), to_timestamp($2)`,
    [valve.id, boundaryUs / 1e6 - 10 * 900],
  );
  await sql(
    `insert into tasmart_data_table (tasmart_id, "timestamp", "time")
     select $1, extract(epoch from to_timestamp($2)), to_timestamp($2)`,
    [valve.id, boundaryUs / 1e6 - 4 * 900],
  );
  await pollAt(nowUs);
  expect(await stateOf(valve)).toMatchObject({ gaps: { due: 0, holes: 0, unasked: 5 } });
  const backfill = await tasmart('backfill', '--from', new Date((boundaryUs - 11 * INTERVAL_US) / 1000).toISOString());
  expect(backfill.code).toBe(0);
  expect(await stateOf(valve)).toMatchObject({ gaps: { due: 0, holes: 1, unasked: 0 } });
});

test('of a valve that no run could read yet, nothing is counted twice', async () => {
  await pollAt(nowUs);
  await sql(`insert into tasmart_valves (tasmart_id, project_id) select 'new', project_id from tasmart_valves limit 1`);
  const { valves } = (await status()).json;
  expect(valves.find(({ tasmart_id: id }) => id === 'new')).toMatchObject({
    age_seconds: null,
    gaps: { due: 0, holes: 0, unasked: 2880 },
  });
});

test('a reading in the first second after a boundary is the next window’s', async () => {
  await pollAt(nowUs);
  const valve = valveAt(0);
  const boundaryS = nowUs / 1e6 - 2;
  await sql(
    `insert into tasmart_data_table (tasmart_id, "timestamp", "time")
     select $1, at, to_timestamp(at) + fraction
     from (values ($2::bigint - 2700, interval '0 s'), ($2 - 900, '0.5 s')) as reading (at, fraction)`,
    [valve.id, boundaryS],
  );
  // Of the boundaries −3, −2, −1 and 0 quarters, the second and the third are without.
  expect(await stateOf(valve)).toMatchObject({ gaps: { due: 0, holes: 0, unasked: 2 } });
});

test('the errors that the newest reading tells are shown', async () => {
  await configure({ target_project_name: simulator.projects[0]?.name, properties: ['error_status'] });
  valveAt(0).extraPoints = [
    { timeUs: nowUs - 3 * US_PER_SECOND, values: { error_status: ['WarningAirBubbles', 'Other'] } },
  ];
  await pollAt(nowUs);
  expect(await stateOf(valveAt(0))).toMatchObject({ error_status: ['WarningAirBubbles', 'Other'] });
  expect((await tasmart('status')).stdout).toContain('WarningAirBubbles Other');
});

describe('which valves are watched', () => {
  async function leaveProject(valve: Valve, daysAgo: number): Promise<void> {
    await pollAt(nowUs - 2 * US_PER_HOUR);
    simulator.projects[0]?.valves.delete(valve.id);
    await sql(`update tasmart_project_valves set last_seen_at = now() - $1 * interval '1 day'`, [daysAgo]);
    await pollAt(nowUs);
  }

  test('a valve that has just left its project alarms', async () => {
    const valve = valveAt(0);
    await leaveProject(valve, 0.9);
    expect((await status()).code).toBe(1);
    expect(await stateOf(valve)).toMatchObject({ state: 'behind', late: true });
  });

  test('a valve that left its project more than a day ago is shown, and alarms no more', async () => {
    const valve = valveAt(0);
    await leaveProject(valve, 1.1);
    expect((await status()).code).toBe(0);
    expect(await stateOf(valve)).toMatchObject({ state: 'left', late: false });
  });

  test('a valve that is targeted by its own serial alarms for as long as it is', async () => {
    const [first, second] = [valveAt(0), valveAt(1)];
    await leaveProject(first, 30);
    await configure({ target_valves: [first.shortSn, second.id] });
    const { code, json } = await status();
    expect(code).toBe(1);
    expect(json.valves.map(({ tasmart_id: id, late }) => [id, late])).toEqual(
      expect.arrayContaining([
        [first.id, true],
        [second.id, false],
      ]),
    );
  });

  test('when nothing is polled any more, nobody is taken to have left', async () => {
    await pollAt(nowUs - 2 * US_PER_HOUR);
    await sql(`update tasmart_project_valves set last_seen_at = now() - interval '9 days'`);
    await sql(`update tasmart_projects set last_seen_at = now() - interval '9 days'`);
    const { code, json } = await status();
    expect(code).toBe(1);
    expect(json.valves.map(({ state }) => state)).toEqual(['behind', 'behind', 'behind']);
  });

  test('polling one valve by hand does not make the others leavers', async () => {
    await pollAt(nowUs - 2 * US_PER_HOUR);
    await sql(`update tasmart_project_valves set last_seen_at = now() - interval '9 days'`);
    await tasmart('poll', '--valve', valveAt(0).id);
    expect((await status()).json.valves.map(({ state }) => state)).not.toContain('left');
  });

  test('valves of projects that are not targeted are not shown', async () => {
    await pollAt(nowUs);
    await configure({ target_project_id: simulator.projects[1]?.id });
    await pollAt(nowUs);
    const { json } = await status();
    expect(json.valves.map(({ tasmart_id: id }) => id)).toEqual([valveAt(3).id]);
    const { code, stderr } = await tasmart('status', '--project', simulator.projects[0]?.id ?? '');
    expect({ code, stderr }).toEqual({
      code: 78,
      stderr: expect.stringContaining('no watched valve is in project') as string,
    });
  });

  test('a target that no run has found is a problem of its own', async () => {
    await pollAt(nowUs);
    await configure({ target_project_name: simulator.projects[0]?.name, targets: [{ valves: ['00000000'] }] });
    const { code, json } = await status();
    expect(code).toBe(1);
    expect(json.problems).toEqual(['valve 00000000 was never polled']);
  });
});

describe('the last run', () => {
  test('a failed one is told with its reason, and when one last succeeded', async () => {
    await pollAt(nowUs);
    simulator.faults.add({ fault: { kind: 'status', status: 401 } });
    expect((await tasmart('poll')).code).toBe(77);
    const { json } = await status();
    expect(json.last_run).toMatchObject({ outcome: 'failed', error: expect.stringContaining('HTTP 401') as string });
    expect(json.last_success).toMatchObject({ outcome: 'success' });
    expect((await tasmart('status')).stdout).toMatch(
      /Last poll: failed, \d+ s ago .*HTTP 401.*\nLast success: \d+ s ago/,
    );
  });

  test('an open row is a run under way only while somebody holds the lock', async () => {
    await pollAt(nowUs);
    const client = await database.client();
    await client.query(
      `insert into tasmart_runs (mode, host, version, session_id) values ('poll', 'test', '0', pg_backend_pid())`,
    );
    expect((await status()).json.last_run?.outcome).toBe('killed');
    expect((await tasmart('status')).stdout).toMatch(/Last poll: killed, \d+ s ago\b(?! \()/);
    await client.query('select pg_advisory_lock(1)');
    expect((await status()).json.last_run?.outcome).toBe('running');
  });
});

test('it works while HyCloud is gone, and leaves no trace', async () => {
  await pollAt(nowUs);
  const before = simulator.totals().requests;
  const { code, stdout } = await tasmart('status', '--format', 'csv');
  expect(code).toBe(0);
  expect(simulator.totals().requests).toBe(before);
  expect(stdout.split('\n')[0]).toBe(
    'tasmart_id,short_sn,full_sn,user_id,register,state,late,newest_reading,age_seconds,gaps_due,gaps_holes,gaps_unasked,error_status',
  );
  expect(stdout.trim().split('\n')).toHaveLength(4);
});

test('the table is what a person reads', async () => {
  const valve = valveAt(0);
  valve.userId = 'Centrale termica';
  await pollAt(nowUs);
  const lines = (await tasmart('status')).stdout.split('\n');
  expect(lines[0]).toMatch(/^ +valve +serial +newest \(Europe\/Rome\) +age +due +holes +unasked +errors$/);
  expect(lines.find((line) => line.includes('Centrale termica'))).toMatch(
    /^✓ {2}Centrale termica +[0-9a-f]{8} +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +\d+ (s|min) +ok +– +– +–$/,
  );
  expect(lines.at(-3)).toBe('3 valves: 3 up to date, 0 older than 45 min.');
  expect(lines.at(-2)).toMatch(/^Last poll: success, \d+ s ago \(3 valves, 3 readings stored, 0 failed\)$/);
});
