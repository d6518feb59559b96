/** What the tests of HyCloud's faults share: a simulated HyCloud, a database that knows its valves, and checks. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import type { Valve } from '../../../scripts/simulator/fleet.ts';
import { startSimulator, type Simulator, type SimulatorOptions } from '../../../scripts/simulator/simulator.ts';
import { formatRfc3339, parseRfc3339, type Micros } from '../../../src/domain/time.ts';
import { logLines, runCli, type CliResult, type LogLine } from '../../support/cli.ts';
import { freshDatabase, type TestDatabase } from '../../support/database.ts';
import { boundaryPoints, INTERVAL_US, lastBoundary, storedRows, type Row } from './rows.ts';

/** An instant of 2026-03-01, such as `10:31:03`. */
export function at(time: string): Micros {
  return parseRfc3339(`2026-03-01T${time}Z`) ?? NaN;
}

/** The valves are synced until SYNCED. Then comes the run with faults, and after it a run without. */
export const SYNCED = at('10:00:00');
export const FAULTY_RUN = at('10:31:03');
export const HEALTHY_RUN = at('10:46:03');

/** A run that does not wait ends within this time, on a loaded machine too. */
export const PROMPT_MS = 20_000;

export interface Run extends CliResult {
  /** the lines of the log, one-line JSON */
  log: LogLine[];
}

export interface RunOptions {
  args?: readonly string[];
  env?: Record<string, string>;
  config?: object;
  /** source text of a module that the program loads before itself */
  preload?: string;
}

/** A HyCloud, a database that knows its valves, and a program that is set to poll the first project. */
export interface Site {
  hycloud: Simulator;
  database: TestDatabase;
  client: pg.Client;
  /** HyCloud's valves at the start */
  valves: readonly Valve[];
  /** HyCloud's time at each run */
  runTimes: Micros[];
  /** runs `tasmart poll`, or the command of `args` */
  run: (options?: RunOptions) => Promise<Run>;
  /** a run at a time of HyCloud's clock, without faults */
  healthyRun: (atUs?: Micros) => Promise<Run>;
  rows: () => Promise<Row[]>;
  /** as `HH:MM:SS`; null: the valve is not synced */
  syncedUntil: (valve: Valve) => Promise<string | null>;
  close: () => Promise<void>;
}

export interface SiteOptions extends SimulatorOptions {
  /** overrides keys of QUICK_CONFIG */
  config?: object;
  /** null: the database does not know the valves yet */
  syncedUs?: Micros | null;
}

export async function openSite({ config = {}, syncedUs = SYNCED, ...options }: SiteOptions = {}): Promise<Site> {
  const hycloud = await startSimulator({ nowUs: FAULTY_RUN, valves: 2, ...options });
  const database = await freshDatabase();
  const client = await database.client();
  const folder = await mkdtemp(join(tmpdir(), 'tasmart-faults-'));
  if (syncedUs !== null) await register(client, hycloud, syncedUs);

  const runTimes: Micros[] = [];
  async function run({ args = ['poll'], env = {}, config: runConfig = {}, preload = '' }: RunOptions = {}) {
    runTimes.push(hycloud.clock.now());
    const settings = { ...QUICK_CONFIG, target_project_id: hycloud.projects[0]?.id, ...config, ...runConfig };
    await writeFile(join(folder, 'config.json'), JSON.stringify(settings));
    const module = encodeURIComponent(`${WITHOUT_BACKOFF}\n${preload}`);
    const ended = await runCli(args, {
      cwd: folder,
      env: {
        ...hycloud.env(),
        DATABASE_URL: database.url,
        NODE_OPTIONS: `--import=data:text/javascript,${module}`,
        ...env,
      },
    });
    return { ...ended, log: logLines(ended.stderr) };
  }

  return {
    hycloud,
    database,
    client,
    valves: hycloud.valves(),
    runTimes,
    run,
    healthyRun: (atUs = HEALTHY_RUN) => {
      hycloud.faults.clear();
      hycloud.clock.set(atUs);
      return run();
    },
    rows: () => storedRows(client),
    syncedUntil: async ({ id }) => {
      const { rows } = await client.query<{ until: string | null }>(
        `select to_char(synced_until at time zone 'UTC', 'HH24:MI:SS') as until from tasmart_valves where tasmart_id = $1`,
        [id],
      );
      return rows[0]?.until ?? null;
    },
    close: async () => {
      await hycloud.close();
      await database.drop();
      await rm(folder, { recursive: true });
    },
  };
}

const QUICK_CONFIG = { requests_per_second: 1000, request_timeout_seconds: 20, run_deadline_seconds: 60 };

/** The waits between attempts are random, with a minimum of 0. This makes all of them 0. */
const WITHOUT_BACKOFF = 'Math.random = () => 0;';

async function register(client: pg.Client, { projects }: Simulator, syncedUs: Micros): Promise<void> {
  for (const { id, name, valves } of projects) {
    await client.query('insert into tasmart_projects (project_id, name) values ($1, $2)', [id, name]);
    await client.query(
      `insert into tasmart_valves (tasmart_id, project_id, synced_until)
       select id, $2, $3 from unnest($1::text[]) as id on conflict do nothing`,
      [[...valves.keys()], id, formatRfc3339(syncedUs)],
    );
  }
}

export interface Flaws {
  /** boundaries that have a point but no row */
  missing: Row[];
  /** rows that are neither a boundary's last point nor the newest at a run */
  wrong: Row[];
}

/** How the rows differ from what HyCloud has, until now or the given time. */
export async function flaws(
  { hycloud, runTimes, valves, rows }: Pick<Site, 'hycloud' | 'runTimes' | 'valves' | 'rows'>,
  { sinceUs = SYNCED, untilUs = hycloud.clock.now() } = {},
): Promise<Flaws> {
  const textOf = (row: Row): string => JSON.stringify(row);
  const stored = await rows();
  const due = valves.flatMap(({ id }) => boundaryPoints(hycloud, id, sinceUs, lastBoundary(untilUs)));
  const newestAt = (runUs: Micros) =>
    valves.flatMap(({ id }) => boundaryPoints(hycloud, id, runUs - INTERVAL_US, runUs).slice(-1));
  const storedTexts = new Set(stored.map(textOf));
  const allowedTexts = new Set([...due, ...runTimes.flatMap(newestAt)].map(textOf));
  return {
    missing: due.filter((row) => !storedTexts.has(textOf(row))),
    wrong: stored.filter((row) => !allowedTexts.has(textOf(row))),
  };
}

export const NO_FLAWS: Flaws = { missing: [], wrong: [] };
