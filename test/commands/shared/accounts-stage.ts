/** A simulated HyCloud with two projects, of two valves and of one, a database, and the built program between them. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import { startSimulator, type Simulator } from '../../../scripts/simulator/simulator.ts';
import { logLines } from '../../faults/support/database-stage.ts';
import { startCli, type CliResult, type RunningCli } from '../../support/cli.ts';
import { freshDatabase, type TestDatabase } from '../../support/database.ts';

/** Ages go by the database's clock, so the simulator's is the present too. */
export const nowUs = () => Date.now() * 1000;

/** A poll that has nothing to tell. */
export const QUIET = { code: 0, messages: [] };

/** One configuration with an account for each key, in this order. */
export function accounts(...keys: readonly (readonly [account: string, env: { API_KEY: string }, project: string])[]) {
  return {
    config: { targets: keys.map(([account, , name]) => ({ account, project_name: name })) },
    env: Object.fromEntries(keys.map(([account, { API_KEY }]) => [`API_KEY_${account.toUpperCase()}`, API_KEY])),
  };
}

/** Sets the stage before each test of the file, and clears it after. */
export function setAccountsStage() {
  let simulator: Simulator;
  let database: TestDatabase;
  let folder: string;
  let files = 0;

  beforeEach(async () => {
    simulator = await startSimulator({ valves: [2, 1], nowUs: nowUs() });
    database = await freshDatabase();
    folder = await mkdtemp(join(tmpdir(), 'tasmart-accounts-'));
  });

  afterEach(async () => {
    await simulator.close();
    await database.drop();
    await rm(folder, { recursive: true });
  });

  async function replaceDatabase(replacement: TestDatabase): Promise<void> {
    await database.drop();
    database = replacement;
  }

  function project(index: number): Simulator['projects'][number] {
    return simulator.projects[index] ?? expect.fail('no such project');
  }

  const valvesOf = (index: number) => [...project(index).valves.keys()].sort();

  /** Makes a key that may see these projects. */
  function addKey(key: string, ...projects: number[]): { API_KEY: string } {
    const { settings } = simulator;
    settings.otherKeys = { ...settings.otherKeys, [key]: projects.map((index) => project(index).id) };
    return { API_KEY: key };
  }

  async function start(args: readonly string[], config: object, env: Record<string, string> = {}): Promise<RunningCli> {
    const file = join(folder, `config-${(files += 1)}.json`);
    await writeFile(file, JSON.stringify({ requests_per_second: 1000, ...config }));
    const options = { cwd: folder, env: { ...simulator.env(), DATABASE_URL: database.url, ...env } };
    return startCli(['--config', file, ...args], options);
  }

  async function tasmart(args: readonly string[], config: object, env?: Record<string, string>): Promise<CliResult> {
    return (await start(args, config, env)).result;
  }

  async function query(sql: string): Promise<unknown[]> {
    return (await (await database.client()).query<Record<string, unknown>>(sql)).rows;
  }

  /** Exit status, and what needs attention in the log. */
  async function poll(config: object, env?: Record<string, string>) {
    const { code, stderr } = await tasmart(['poll'], config, env);
    const log = logLines(stderr);
    return { code, messages: log.filter(({ level }) => level !== 'info').map(({ msg }) => msg) };
  }

  async function status(config: object, env?: Record<string, string>) {
    const { code, stdout } = await tasmart(['status', '--format', 'json'], config, env);
    const json = JSON.parse(stdout) as { valves: { tasmart_id: string; late: boolean }[]; problems: string[] };
    const ids = json.valves.map(({ tasmart_id: id }) => id).sort();
    return { code, ids, late: json.valves.some(({ late }) => late), problems: json.problems };
  }

  return {
    get simulator() {
      return simulator;
    },
    get folder() {
      return folder;
    },
    replaceDatabase,
    project,
    valvesOf,
    addKey,
    start,
    tasmart,
    query,
    poll,
    status,
  };
}
