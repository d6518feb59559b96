import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parseRfc3339, US_PER_MINUTE, type Micros } from '../../src/domain/time.ts';
import { startSimulator, type Simulator } from '../../scripts/simulator/simulator.ts';
import { CLI } from '../support/build.ts';
import { runCli, type CliResult } from '../support/cli.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';

const execFileAsync = promisify(execFile);
const us = (text: string): Micros => parseRfc3339(text) ?? NaN;

let simulator: Simulator;
let database: TestDatabase;
let folder: string;

beforeEach(async () => {
  simulator = await startSimulator({ valves: 3, nowUs: us('2026-03-01T10:15:10Z') });
  database = await freshDatabase();
  folder = await mkdtemp(join(tmpdir(), 'tasmart-poll-'));
  await configure({});
});

afterEach(async () => {
  await simulator.close();
  await database.drop();
  await rm(folder, { recursive: true });
});

async function configure(config: object): Promise<void> {
  const project = simulator.projects[0]?.name;
  const text = JSON.stringify({ target_project_name: project, requests_per_second: 1000, ...config });
  await writeFile(join(folder, 'config.json'), text);
}

function tasmart(...args: string[]): Promise<CliResult> {
  return runCli(args, { cwd: folder, env: { ...simulator.env(), DATABASE_URL: database.url } });
}

interface Json {
  run: Record<string, unknown>;
  readings: { tasmart_id: string; time: string; stored: boolean; energy_counter_regime_1: number }[];
  failures: unknown[];
}

async function pollJson(...args: string[]): Promise<Json> {
  const { code, stdout, stderr } = await tasmart('poll', '--format', 'json', ...args);
  expect({ code, stderr: stderr.includes('"level":"error"') }).toEqual({ code: 0, stderr: false });
  return JSON.parse(stdout) as Json;
}

/** Times of the stored readings of one valve, as PostgreSQL prints them in UTC. */
async function storedTimes(valveId: string): Promise<string[]> {
  const client = await database.client();
  const { rows } = await client.query<{ time: string }>(
    `select to_char("time" at time zone 'UTC', 'HH24:MI:SS.US') as time from tasmart_data_table
     where tasmart_id = $1 order by "timestamp"`,
    [valveId],
  );
  return rows.map(({ time }) => time);
}

function hhmmss(timeUs: Micros): string {
  return `${new Date(Math.floor(timeUs / 1000)).toISOString().slice(11, 19)}.${String(timeUs % 1_000_000).padStart(6, '0')}`;
}

/** The last point at or before each of the times, from the simulator's truth. */
function lastPoints(valveId: string, ...times: string[]): string[] {
  return times.map((time) => {
    const untilUs = us(`2026-03-01T${time}Z`);
    const points = simulator.truth.points(valveId, untilUs - 15 * US_PER_MINUTE, untilUs);
    return hhmmss(points.at(-1)?.timeUs ?? NaN);
  });
}

test('a first run stores the newest point of every valve, a second at once nothing', async () => {
  const first = await pollJson();
  expect(first.run).toMatchObject({ outcome: 'success', valves: 3, stored: 3, unchanged: 0, silent: 0, failed: 0 });
  expect(first.run).toMatchObject({ requests: 5, retries: 0, dry_run: false });
  expect(first.readings.map(({ stored }) => stored)).toEqual([true, true, true]);

  const second = await pollJson();
  expect(second.run).toMatchObject({ outcome: 'success', valves: 3, stored: 0, unchanged: 3, failed: 0, requests: 5 });
  for (const { id } of simulator.valves()) expect(await storedTimes(id)).toEqual(lastPoints(id, '10:15:10'));
});

test('a run in step costs one request of one point per valve', async () => {
  await pollJson();
  simulator.clock.set(us('2026-03-01T10:30:05Z'));
  simulator.log.length = 0;
  expect((await pollJson()).run).toMatchObject({ stored: 3, requests: 5 });
  const queries = simulator.log.filter(({ path }) => path.endsWith('/data/points')).map(({ query }) => query['limit']);
  expect(queries.flat()).toEqual(['1', '1', '1']);
  for (const { id } of simulator.valves()) {
    expect(await storedTimes(id)).toEqual(lastPoints(id, '10:15:10', '10:30:00'));
  }
});

test('a run by hand between boundaries adds the newest point, a late one every boundary it missed', async () => {
  const [valve] = simulator.valves();
  await pollJson();
  simulator.clock.set(us('2026-03-01T10:22:00Z'));
  expect((await pollJson()).run).toMatchObject({ stored: 3 });
  simulator.clock.set(us('2026-03-01T11:07:00Z'));
  expect((await pollJson()).run).toMatchObject({ stored: 12 });
  expect(await storedTimes(valve?.id ?? '')).toEqual(
    lastPoints(valve?.id ?? '', '10:15:10', '10:22:00', '10:30:00', '10:45:00', '11:00:00', '11:07:00'),
  );
});

test('microseconds and the counters reach the database unaltered', async () => {
  const [valve] = simulator.valves();
  if (valve) valve.installedKwh = { 1: 9_007_199_250_000_000, 2: 0 };
  simulator.settings.timeFormat = 'nanos';
  await tasmart('poll');
  const client = await database.client();
  const { rows } = await client.query(
    `select (extract(epoch from "time") * 1000000)::bigint as us, "timestamp", measured_flow, measured_power,
       energy_counter_regime_1 as counter from tasmart_data_table where tasmart_id = $1`,
    [valve?.id],
  );
  const [point] = simulator.truth.points(valve?.id ?? '', us('2026-03-01T10:14:55Z'), us('2026-03-01T10:15:10Z'));
  expect(rows).toEqual([
    {
      us: String(point?.timeUs),
      timestamp: String(Math.floor((point?.timeUs ?? 0) / 1e6)),
      measured_flow: point?.measuredFlowDlh,
      measured_power: point?.measuredPowerDw,
      counter: String(point?.energyCounter1Kwh),
    },
  ]);
  expect(point?.energyCounter1Kwh).toBeGreaterThan(9_007_199_250_000_000 - 1);
});

test('a valve of the prototype is synced until its newest reading', async () => {
  const [valve] = simulator.valves();
  const client = await database.client();
  await client.query(
    `insert into tasmart_data_table (tasmart_id, "timestamp", "time")
     values ($1, extract(epoch from timestamptz '2026-03-01T09:20:33Z'), '2026-03-01T09:20:33Z')`,
    [valve?.id],
  );
  await pollJson('--valve', valve?.shortSn ?? '');
  expect(await storedTimes(valve?.id ?? '')).toEqual([
    '09:20:33.000000',
    ...lastPoints(valve?.id ?? '', '09:30:00', '09:45:00', '10:00:00', '10:15:00'),
  ]);
});

test('a silent valve is reported, and no failure', async () => {
  const [valve] = simulator.valves();
  if (valve) valve.outages = [{ fromUs: 0, toUs: us('2027-01-01T00:00:00Z') }];
  expect((await pollJson()).run).toMatchObject({ outcome: 'success', stored: 2, silent: 1, failed: 0 });
});

test('points that HyCloud shows late are stored as soon as it shows them, for one request a valve', async () => {
  await tasmart('poll');
  const hideNew = (answer: { points: { time: string }[] }) => ({
    ...answer,
    points: answer.points.filter(({ time }) => us(time) <= us('2026-03-01T10:17:00Z')),
  });
  simulator.faults.add({ match: { path: /points/ }, fault: { kind: 'transform', transform: hideNew } });
  simulator.clock.advance(30 * US_PER_MINUTE);
  expect((await pollJson()).run).toMatchObject({ silent: 3 });
  simulator.clock.advance(15 * US_PER_MINUTE);
  expect((await pollJson()).run).toMatchObject({ silent: 3, requests: 5 });
  simulator.faults.clear();
  simulator.clock.advance(20 * US_PER_MINUTE);
  expect((await pollJson()).run).toMatchObject({ silent: 0, requests: 5 });
  for (const { id } of simulator.valves()) {
    const boundaries = lastPoints(id, '10:30:00', '10:45:00', '11:00:00', '11:15:00');
    expect(await storedTimes(id)).toEqual(expect.arrayContaining(boundaries));
  }
});

test('a point that makes no sense costs its valve that reading, and no other', async () => {
  const [valve] = simulator.valves();
  await pollJson();
  simulator.clock.set(us('2026-03-01T11:00:05Z'));
  const lift = simulator.faults.add({
    match: { valveId: valve?.id ?? '' },
    fault: {
      kind: 'transform',
      transform: (answer: { points: { time: string; measured_flow: number }[] }) => ({
        ...answer,
        points: answer.points.map((point) =>
          point.time < '2026-03-01T10:40' ? { ...point, measured_flow: 'much' } : point,
        ),
      }),
    },
  });
  const { code, stdout, stderr } = await tasmart('poll', '--format', 'json');
  expect(code).toBe(2);
  expect((JSON.parse(stdout) as Json).failures).toEqual([
    { tasmart_id: valve?.id, reason: expect.stringMatching(/make no sense.*measured_flow is not an int32/) as string },
  ]);
  expect(stderr).toContain('measured_flow is not an int32');
  expect(await storedTimes(valve?.id ?? '')).toEqual(lastPoints(valve?.id ?? '', '10:15:10', '10:45:00', '11:00:00'));

  lift();
  expect((await pollJson()).run).toMatchObject({ stored: 1 });
  expect(await storedTimes(valve?.id ?? '')).toEqual(
    lastPoints(valve?.id ?? '', '10:15:10', '10:30:00', '10:45:00', '11:00:00'),
  );
});

test('a dry run opens no database and prints what would be stored', async () => {
  const args = ['poll', '--dry-run', '--format', 'json'];
  const { code, stdout } = await runCli(args, { cwd: folder, env: simulator.env() });
  expect(code).toBe(0);
  const { run, readings } = JSON.parse(stdout) as Json;
  expect(run).toMatchObject({ dry_run: true, stored: 0, valves: 3 });
  expect(readings).toHaveLength(3);
});

test('the table is what a person reads, and stdout carries nothing else', async () => {
  const [valve] = simulator.valves();
  if (valve) valve.userId = 'Centrale termica';
  const { stdout } = await tasmart('poll', '--valve', valve?.fullSn ?? '');
  const lines = stdout.split('\n');
  expect(lines[0]).toMatch(/^valve +serial +time \(Europe\/Rome\) +age +m³\/h +kW +kWh 1 +kWh 2$/);
  expect(lines[1]).toMatch(/^Centrale termica +[0-9a-f]{8} +2026-03-01 11:14:57 +\d+ s .* stored$/);
  expect(lines[3]).toMatch(
    /^1 valve: 1 reading stored; 0 unchanged, 0 silent, 0 failed\. 3 requests, 0 retries, \d+\.\d s\.$/,
  );
});

test('every run is written down', async () => {
  await tasmart('poll');
  const client = await database.client();
  const { rows } = await client.query(
    `select mode, outcome, valves, stored, requests, error, finished_at >= started_at as finished from tasmart_runs`,
  );
  expect(rows).toEqual([
    { mode: 'poll', outcome: 'success', valves: 3, stored: 3, requests: 5, error: null, finished: true },
  ]);
});

test('a project that two have is refused with both ids, one that none has with the names there are', async () => {
  simulator.projects.push({ ...(simulator.projects[0] ?? expect.fail()), id: '00000000-0000-4000-8000-000000000000' });
  const ambiguous = await tasmart('poll');
  expect(ambiguous.code).toBe(78);
  for (const { id } of simulator.projects) expect(ambiguous.stderr).toContain(id);

  await configure({ target_project_name: 'Nowhere' });
  const unknown = await tasmart('poll');
  expect(unknown.code).toBe(78);
  expect(unknown.stderr).toContain(simulator.projects[0]?.name);
});

test('an environment file that is named must be there', async () => {
  // Run as npx does. Node 20 itself would look for --env-file anywhere behind `node dist/cli.js`, and end with 9.
  const cli = execFileAsync(CLI, ['--env-file', 'nowhere.env'], { cwd: folder });
  await expect(cli).rejects.toMatchObject({ code: 78, stderr: expect.stringContaining('nowhere.env') as string });
});

test.each([
  [['--nonsense'], 64, 'unknown option'],
  [['pol'], 64, 'there is no command \\"pol\\"'],
  [['poll', '--format', 'xml'], 64, 'Allowed choices'],
  [['--config', 'nowhere.json'], 78, 'nowhere.json cannot be read'],
])('%s ends with status %i', async (args, status, words) => {
  const { code, stderr, stdout } = await tasmart(...args);
  expect({ code, stdout }).toEqual({ code: status, stdout: '' });
  expect(stderr.replaceAll('"', '\\"')).toContain(words);
});
