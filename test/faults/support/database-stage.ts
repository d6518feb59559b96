/** What the tests of database faults share: a simulated HyCloud, a database, a configuration, and checks. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { expect, onTestFinished } from 'vitest';
import { startSimulator, type Simulator, type SimulatorOptions } from '../../../scripts/simulator/simulator.ts';
import { parseRfc3339, US_PER_HOUR, type Micros } from '../../../src/domain/time.ts';
import { startCli, type CliResult, type RunningCli } from '../../support/cli.ts';
import { freshDatabase, type TestDatabase } from '../../support/database.ts';
import { until } from '../../support/until.ts';
import { boundaryPoints, INTERVAL_US, lastBoundary, storedRows } from './rows.ts';

export const NOW_US = instant('2026-03-01T10:07:30Z');

/** A run that does not wait ends within this time, on a loaded machine too. A run that waits takes 20 s or more. */
export const QUICKLY_MS = 15_000;

/** A HyCloud whose clock stands still, a database, and a configuration that reads an hour of history at first. */
export interface Stage {
  simulator: Simulator;
  database: TestDatabase;
  /** a session of the test */
  client: pg.Client;
  folder: string;
  env: Record<string, string>;
  /** runs `tasmart poll`, or the command of `args` */
  run: (args?: readonly string[], change?: Change) => Promise<CliResult>;
  start: (args?: readonly string[], change?: Change) => Promise<RunningCli>;
}

export interface Change {
  /** keys that override those of config.json */
  config?: Record<string, unknown>;
  /** variables that override the environment; undefined removes one */
  env?: Record<string, string | undefined>;
}

/** The stage is removed when the test ends. */
export async function setStage(
  options: SimulatorOptions = {},
  makeDatabase: () => Promise<TestDatabase> = freshDatabase,
): Promise<Stage> {
  const [simulator, database, folder] = await Promise.all([
    startSimulator({ valves: 3, nowUs: NOW_US, ...options }),
    makeDatabase(),
    mkdtemp(join(tmpdir(), 'tasmart-faults-')),
  ]);
  onTestFinished(async () => {
    await simulator.close();
    await database.drop();
    await rm(folder, { recursive: true, force: true });
  });
  const env: Record<string, string> = { ...simulator.env(), DATABASE_URL: database.url };
  let runs = 0;
  const start: Stage['start'] = async (args = ['poll'], change = {}) => {
    const config = join(folder, `config-${runs++}.json`); // runs at the same time may have different ones
    await writeFile(config, JSON.stringify({ ...configOf(simulator), ...change.config }));
    const variables = Object.entries({ ...env, ...change.env }).filter(
      (variable): variable is [string, string] => variable[1] !== undefined,
    );
    return startCli(['--config', config, ...args], { env: Object.fromEntries(variables), cwd: folder });
  };
  return {
    simulator,
    database,
    client: await database.client(),
    folder,
    env,
    start,
    run: async (args, change) => (await start(args, change)).result,
  };
}

export function configOf(simulator: Simulator): Record<string, unknown> {
  return {
    target_project_id: simulator.projects[0]?.id,
    initial_history_hours: 1,
    requests_per_second: 1000,
  };
}

export function instant(text: string): Micros {
  const timeUs = parseRfc3339(text);
  if (timeUs === null) throw new Error(`no time: ${text}`);
  return timeUs;
}

/**
 * Expects the table as if nothing had ever failed: each boundary since `fromUs` has its point of each valve, every row is a
 * point, and every valve is synced until the last boundary.
 */
export async function expectWhole(
  { simulator, client }: Stage,
  fromUs = lastBoundary(NOW_US - US_PER_HOUR),
): Promise<void> {
  const nowUs = simulator.clock.now();
  const rows = await storedRows(client);
  for (const { id } of simulator.valves()) {
    const stored = rows.filter((row) => row.id === id);
    const due = boundaryPoints(simulator, id, fromUs, lastBoundary(nowUs));
    expect(due.length).toBe((lastBoundary(nowUs) - fromUs) / INTERVAL_US);
    expect(stored.filter(({ us }) => due.some((point) => point.us === us))).toEqual(due);
    const pointTimes = new Set(simulator.truth.points(id, fromUs - US_PER_HOUR, nowUs).map(({ timeUs }) => timeUs));
    expect(stored.filter(({ us }) => !pointTimes.has(us))).toEqual([]);
  }
  expect(await syncedUntil(client)).toEqual(simulator.valves().map(() => lastBoundary(nowUs)));
}

/** `synced_until` of each row of tasmart_valves, in the order of the ids. */
export async function syncedUntil(client: pg.Client): Promise<(Micros | null)[]> {
  const { rows } = await client.query<{ us: string | null }>(
    'select (extract(epoch from synced_until) * 1000000)::bigint::text as us from tasmart_valves order by tasmart_id',
  );
  return rows.map(({ us }) => (us === null ? null : Number(us)));
}

export interface RunRow {
  mode: string;
  outcome: string | null;
  stored: number;
  error: string | null;
}

export async function runsOf(client: pg.Client): Promise<RunRow[]> {
  const { rows } = await client.query<RunRow>('select mode, outcome, stored, error from tasmart_runs order by id');
  return rows;
}

export async function outcomesOf(client: pg.Client): Promise<(string | null)[]> {
  return (await runsOf(client)).map(({ outcome }) => outcome);
}

/** Expects that nothing was stored, and that no valve counts as synced. */
export async function expectNothingStored({ client }: Stage): Promise<void> {
  expect(await storedRows(client)).toEqual([]);
  expect((await syncedUntil(client)).filter((us) => us !== null)).toEqual([]);
}

interface Session {
  pid: number;
  /** wait_event_type; null: the session does not wait */
  wait: string | null;
  state: string;
}

/** The program's sessions with this database. */
export async function sessionsOf({ client }: Stage): Promise<Session[]> {
  const { rows } = await client.query<Session>(
    `select pid, wait_event_type as wait, state from pg_stat_activity
     where datname = current_database() and application_name like 'tasmart %'`,
  );
  return rows;
}

export async function untilWaiting(stage: Stage): Promise<void> {
  await until('a session that waits for a lock', async () =>
    (await sessionsOf(stage)).some(({ wait }) => wait === 'Lock'),
  );
}

export async function untilNoSession(stage: Stage): Promise<void> {
  await until('the end of every session', async () => (await sessionsOf(stage)).length === 0);
}

/** Makes each insert of readings wait inside its transaction. Returns a function that lets them go on. */
export async function holdInserts({ client, database }: Stage): Promise<() => Promise<void>> {
  const holder = await database.client();
  await holder.query('select pg_advisory_lock(42)');
  await client.query(`
    create function hold() returns trigger language plpgsql as $$
    begin perform pg_advisory_xact_lock_shared(42); return new; end $$;
    create trigger hold before insert on tasmart_data_table for each row execute function hold()`);
  return async () => {
    await holder.query('select pg_advisory_unlock(42)');
    await client.query('drop trigger hold on tasmart_data_table; drop function hold()');
  };
}

/** Expects that the next run succeeds and stores whatever is missing. */
export async function expectRepaired(stage: Stage, fromUs?: Micros): Promise<void> {
  const { code, stderr } = await stage.run();
  expect(code, stderr).toBe(0);
  await expectWhole(stage, fromUs);
}

/** How a run ended, for people: `vitest --reporter verbose` prints it. */
export function describeEnd({ code, ms }: CliResult): string {
  return `exit ${code ?? 'none'} after ${Math.round(ms)} ms`;
}
