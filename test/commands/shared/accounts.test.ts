import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { accountsStatus, errorBehind, forEachAccount } from '../../../src/commands/shared/accounts.ts';
import type { AccountConfig } from '../../../src/config/config.ts';
import { migrate } from '../../../src/database/migrations.ts';
import { loadSchemaFiles } from '../../../src/database/schema-files.ts';
import { KnownError } from '../../../src/domain/errors.ts';
import { US_PER_HOUR, US_PER_MINUTE } from '../../../src/domain/time.ts';
import { createValve } from '../../../scripts/simulator/fleet.ts';
import type { Json } from '../../../scripts/simulator/json.ts';
import type { SimulatedRequest } from '../../../scripts/simulator/faults.ts';
import { startSimulator, type Simulator } from '../../../scripts/simulator/simulator.ts';
import { REPOSITORY } from '../../support/build.ts';
import { type CliResult, logLines, type RunningCli, startCli } from '../../support/cli.ts';
import { emptyDatabase, freshDatabase, type TestDatabase } from '../../support/database.ts';
import { parseMetrics } from '../../support/prometheus.ts';
import { until } from '../../support/until.ts';

/** Ages go by the database's clock, so the simulator's is the present too. */
const nowUs = () => Date.now() * 1000;

let simulator: Simulator;
let database: TestDatabase;
let folder: string;

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

function project(index: number): Simulator['projects'][number] {
  return simulator.projects[index] ?? expect.fail('no such project');
}

const valvesOf = (index: number) => [...project(index).valves.keys()].sort();

/** Makes the simulator accept a key that may see these projects. Returns the variable that holds the key. */
function addKey(key: string, ...projects: number[]): { API_KEY: string } {
  const { settings } = simulator;
  settings.otherKeys = { ...settings.otherKeys, [key]: projects.map((index) => project(index).id) };
  return { API_KEY: key };
}

let files = 0;

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

/** Exit status, log, and what needs attention in it. */
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

const QUIET = { code: 0, messages: [] };
const SEDE = { target_project_name: 'Sede' };

describe('what is watched is what is polled', () => {
  test('two keys, each with a project of the same name: each watches its own', async () => {
    project(0).name = project(1).name = 'Sede';
    const [first, second] = [addKey('first', 0), addKey('second', 1)];
    expect(await poll(SEDE, first)).toEqual(QUIET);
    expect(await status(SEDE, second)).toMatchObject({
      code: 1,
      ids: [],
      problems: ['no valve of project "Sede" was ever polled'],
    });
    simulator.clock.set(nowUs() - 5 * US_PER_HOUR);
    expect(await poll(SEDE, second)).toEqual(QUIET);
    simulator.clock.set(nowUs());
    expect(await poll(SEDE, first)).toEqual(QUIET);
    expect(await status(SEDE, first)).toEqual({ code: 0, ids: valvesOf(0), late: false, problems: [] });
    expect(await status(SEDE, second)).toEqual({ code: 1, ids: valvesOf(1), late: true, problems: [] });
    expect(await poll(SEDE, second)).toEqual(QUIET);
    expect(await status(SEDE, second)).toMatchObject({ code: 0, ids: valvesOf(1) });
    // A machine without a key watches what every key polls.
    const all = [...valvesOf(0), ...valvesOf(1)].sort();
    expect(await status(SEDE, { API_KEY: '' })).toMatchObject({ code: 0, ids: all });
    const { stdout } = await tasmart(['status', '--format', 'json'], SEDE, { API_KEY: '' });
    expect(JSON.parse(stdout)).toMatchObject({ last_run: { valves: 3 } });
    const single = { target_valves: valvesOf(1) };
    expect(await status(single, second)).toMatchObject({ code: 0, ids: valvesOf(1) });
    expect(await status(single, first)).toMatchObject({ code: 1, ids: [] });
  });

  test('a project that was deleted and made again, with its valves and new ones, is the one that is watched', async () => {
    project(0).name = 'Sede';
    expect(await poll(SEDE)).toEqual(QUIET);
    const [moved, dead] = [...project(0).valves.values()];
    const added = createValve(1, 77);
    if (!moved || !dead) return expect.fail('no valves');
    Object.assign(project(0), { id: '00000000-0000-4000-8000-000000000001' });
    project(0).valves.delete(dead.id);
    project(0).valves.set(added.id, added);
    const { code, messages } = await poll(SEDE);
    expect([code, messages]).toEqual([0, [expect.stringContaining('is polled in its place')]]);
    expect(await poll(SEDE)).toEqual(QUIET);
    expect(await status(SEDE)).toEqual({ code: 0, ids: [moved.id, added.id].sort(), late: false, problems: [] });
  });

  test('a second project of the configured name is told in every run', async () => {
    project(0).name = 'Sede';
    expect(await poll(SEDE)).toEqual(QUIET);
    project(1).name = 'Sede';
    for (let run = 0; run < 2; run += 1) {
      expect(await poll(SEDE)).toEqual({
        code: 0,
        messages: [
          `another project, ${project(1).id}, is called "Sede" too, and is not polled; to choose, set target_project_id`,
        ],
      });
    }
  });
});

/** One configuration with an account for each key, in this order. */
function accounts(...keys: readonly (readonly [account: string, env: { API_KEY: string }, project: string])[]) {
  return {
    config: { targets: keys.map(([account, , name]) => ({ account, project_name: name })) },
    env: Object.fromEntries(keys.map(([account, { API_KEY }]) => [`API_KEY_${account.toUpperCase()}`, API_KEY])),
  };
}

const valveRow = (id: string) =>
  `select valve.account, project.name as project from tasmart_valves as valve join tasmart_projects as project using (project_id)
   where tasmart_id = '${id}'`;

describe('a valve in two projects', () => {
  test('has one row, that of the first target; both watch it, and nothing flips', async () => {
    const [shared] = [...project(0).valves.values()];
    if (!shared) return expect.fail('no valve');
    project(1).valves.set(shared.id, shared);
    const [owner, manager] = [addKey('owner', 0), addKey('manager', 1)];
    const names = [project(0).name, project(1).name] as const;
    const both = accounts(['owner', owner, names[0]], ['manager', manager, names[1]]);
    const points = () => simulator.log.filter(({ path }) => path.includes(`${shared.id}/data`)).length;

    const quarterUs = 15 * US_PER_MINUTE;
    simulator.clock.set(Math.floor(nowUs() / quarterUs) * quarterUs - 8 * US_PER_MINUTE); // between two boundaries
    expect(await poll(both.config, both.env)).toEqual(QUIET);
    expect(points()).toBe(1);
    // As two configurations would, in turn.
    for (const [account, key, name] of [
      ['manager', manager, names[1]],
      ['owner', owner, names[0]],
      ['manager', manager, names[1]],
    ] as const) {
      const { config, env } = accounts([account, key, name]);
      expect(await poll(config, env)).toEqual(QUIET);
    }
    expect(await query(valveRow(shared.id))).toEqual([{ account: 'owner', project: names[0] }]);
    expect(await query('select * from tasmart_valve_history')).toEqual([]);
    // As after a week in which the owner's list could never be read in full.
    const owned = `where name = '${names[0].replaceAll("'", "''")}'`;
    await query(`update tasmart_projects set last_seen_at = last_seen_at - interval '8 days' ${owned}`);
    await query(`update tasmart_valves set last_seen_at = last_seen_at - interval '1 hour'`);
    const alone = accounts(['manager', manager, names[1]]);
    expect(await poll(alone.config, alone.env)).toEqual(QUIET);
    expect(
      await query(
        `select tasmart_id from tasmart_valves where last_seen_at > now() - interval '30 minutes' order by 1`,
      ),
    ).toEqual(valvesOf(1).map((id) => ({ tasmart_id: id })));
    expect(await query('select * from tasmart_valve_history')).toEqual([]);
    await query(`update tasmart_projects set last_seen_at = now() ${owned}`);
    expect(await query(`select distinct project_name from tasmart_readings where tasmart_id = '${shared.id}'`)).toEqual(
      [{ project_name: names[0] }],
    );
    for (const [account, key, index] of [
      ['owner', owner, 0],
      ['manager', manager, 1],
    ] as const) {
      const { config, env } = accounts([account, key, names[index]]);
      expect(await status(config, env)).toEqual({ code: 0, ids: valvesOf(index), late: false, problems: [] });
    }
  });

  test.each([
    ['the key is refused', 401],
    ['HyCloud cannot read it', 400],
  ])('is polled by the second account where it fails for the first: %s', async (_why, status) => {
    const [shared] = [...project(0).valves.values()];
    if (!shared) return expect.fail('no valve');
    project(1).valves.set(shared.id, shared);
    const { config, env } = accounts(
      ['owner', addKey('owner', 0), project(0).name],
      ['manager', addKey('manager', 1), project(1).name],
    );
    const isBy = (key: string, { headers }: SimulatedRequest) => headers['authorization'] === `ApiKey ${key}`;
    simulator.faults.add({
      match: (request) => isBy('owner', request) && request.valveId !== null,
      fault: { kind: 'status', status },
    });
    // So that the owner comes first.
    simulator.faults.add({ match: (request) => isBy('manager', request), fault: { kind: 'delay', ms: 200 } });
    expect((await poll(config, env)).code).toBe(2);
    expect(await query('select distinct tasmart_id from tasmart_data_table order by 1')).toEqual(
      valvesOf(1).map((id) => ({ tasmart_id: id })),
    );
  });

  test('passes to the other project once its own lists it no more', async () => {
    const [shared] = [...project(0).valves.values()];
    if (!shared) return expect.fail('no valve');
    project(1).valves.set(shared.id, shared);
    const both = { targets: [{ project_id: project(0).id }, { project_id: project(1).id }] };
    expect(await poll(both)).toEqual(QUIET);
    project(0).valves.delete(shared.id);
    expect(await poll(both)).toEqual(QUIET);
    expect(await query(valveRow(shared.id))).toEqual([{ account: '', project: project(1).name }]);
    expect(await query('select attribute, new_value from tasmart_valve_history')).toEqual([
      { attribute: 'project_id', new_value: project(1).id },
    ]);
  });
});

describe('one run over several accounts', () => {
  const runs = () => query('select account, outcome, stored from tasmart_runs order by account');

  test('a refused key costs its account alone: 2', async () => {
    const { config, env } = accounts(['good', addKey('good', 0), project(0).name], ['bad', { API_KEY: 'x' }, 'Any']);
    const { code, stdout, stderr } = await tasmart(['poll', '--format', 'json'], config, env);
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({
      run: { outcome: 'partial', valves: 3, stored: 2, failed: 1 },
      failures: [{ tasmart_id: null, reason: expect.stringMatching(/^account "bad": .*HTTP 401/) as string }],
    });
    expect(logLines(stderr).find(({ level }) => level === 'error')).toMatchObject({
      account: 'bad',
      remedy: 'check API_KEY_BAD and REQUESTER_ID; staging and production share no keys',
    });
    expect(await runs()).toEqual([
      { account: 'bad', outcome: 'failed', stored: 0 },
      { account: 'good', outcome: 'success', stored: 2 },
    ]);
    expect(await status(config, env)).toMatchObject({
      code: 1,
      ids: valvesOf(0),
      problems: ['account "bad": no valve of project "Any" was ever polled'],
    });
  });

  test('of which none can be read ends as they all do: 77', async () => {
    const { config, env } = accounts(['a', { API_KEY: 'x' }, 'A'], ['b', { API_KEY: 'y' }, 'B']);
    expect((await poll(config, env)).code).toBe(77);
    expect(await runs()).toEqual(['a', 'b'].map((account) => ({ account, outcome: 'failed', stored: 0 })));
  });

  test('a server that does not answer keeps no other account waiting', async () => {
    const hanging = await startSimulator({ valves: 1 });
    hanging.faults.add({ fault: { kind: 'silence' } });
    const { config, env } = accounts(['good', addKey('good', 0), project(0).name], ['dead', { API_KEY: 'x' }, 'Any']);
    const patience = { request_timeout_seconds: 1, run_deadline_seconds: 8 };
    const ended = await poll({ ...config, ...patience }, { ...env, HYCLOUD_BASE_URL_DEAD: hanging.baseUrl });
    expect(ended.code).toBe(2);
    const rows = await query(
      `select account, outcome, stored, finished_at < max(finished_at) over () as is_first from tasmart_runs order by account`,
    );
    expect(rows).toMatchObject([
      { account: 'dead', outcome: 'failed', stored: 0 },
      { account: 'good', outcome: 'success', stored: 2, is_first: true },
    ]);
    await hanging.close();
  });

  test('an account that has ended has judged, while another still waits', async () => {
    const hanging = await startSimulator({ valves: 1 });
    hanging.faults.add({ fault: { kind: 'silence' } });
    const { config, env } = accounts(['good', addKey('good', 0), project(0).name], ['dead', { API_KEY: 'x' }, 'Any']);
    await query(`insert into tasmart_data_table (tasmart_id, "timestamp", "time", energy_counter_regime_1)
                 values ('of another program', 1700000000, to_timestamp(1700000000), 5)`);
    const run = await start(['poll'], config, { ...env, HYCLOUD_BASE_URL_DEAD: hanging.baseUrl });
    await until('the end of one account', async () => {
      const ended = await query(`select from tasmart_runs where account = 'good' and finished_at is not null`);
      return ended.length === 1;
    });
    expect(await query('select * from tasmart_unjudged')).toEqual([]);
    expect(await query(`select finished_at from tasmart_runs where account = 'dead'`)).toEqual([{ finished_at: null }]);
    run.child.kill('SIGTERM');
    await run.result;
    await hanging.close();
  });

  test('--valve finds its valve in whichever account has it', async () => {
    const { config, env } = accounts(['a', addKey('a', 0), project(0).name], ['b', addKey('b', 1), project(1).name]);
    const [valve = ''] = valvesOf(1);
    const found = await tasmart(['poll', '--valve', valve], config, env);
    expect(found).toMatchObject({ code: 0, stdout: expect.stringMatching(/1 valve: 1 reading stored/) as string });
    expect(logLines(found.stderr).filter(({ level }) => level !== 'info')).toEqual([]);
    // That a run found nothing to do is no success of its account.
    expect(await query('select account, outcome from tasmart_runs order by account')).toEqual([
      { account: 'a', outcome: 'failed' },
      { account: 'b', outcome: 'success' },
    ]);
    const missing = await tasmart(['poll', '--valve', '00000000'], config, env);
    expect(missing).toMatchObject({ code: 78, stdout: '' });
    expect(missing.stderr).toContain('no targeted valve is called 00000000');
  });

  test.each([['poll'], ['backfill', '--from', '1h']])(
    '%s --valve ends as its project does, where that cannot be read: 69',
    async (...command) => {
      const { env } = accounts(['a', addKey('a', 0, 1), ''], ['b', addKey('b', 0), '']);
      const targets = [
        { account: 'a', project_id: project(0).id },
        { account: 'a', project_id: project(1).id },
        { account: 'b', project_id: project(0).id },
      ];
      simulator.faults.add({
        match: { path: new RegExp(`projects/${project(1).id}`) },
        fault: { kind: 'status', status: 400 },
      });
      const { code, stderr } = await tasmart([...command, '--valve', valvesOf(1)[0] ?? ''], { targets }, env);
      expect([code, stderr]).toEqual([69, expect.stringContaining('HTTP 400')]);
    },
  );

  test('warns once of what concerns the whole database', async () => {
    const { config, env } = accounts(['a', addKey('a', 0), project(0).name], ['b', addKey('b', 1), project(1).name]);
    expect(await poll(config, env)).toEqual(QUIET);
    for (const command of [['poll'], ['backfill', '--from', '1h']]) {
      const { stderr } = await tasmart(command, { ...config, max_power_kw: 1000 }, env);
      const warnings = logLines(stderr).filter(({ level }) => level === 'warn');
      expect(warnings.map(({ msg }) => msg)).toEqual([expect.stringContaining('were judged by other limits')]);
    }
  });

  test('warns of a register that two valves of an account have, since one of them moved there', async () => {
    const { config, env } = accounts(['a', addKey('a', 0), project(0).name], ['b', addKey('b', 1), project(1).name]);
    expect(await poll(config, env)).toEqual(QUIET);
    await query(`update tasmart_valves set backend_ref = 'R-1' where tasmart_id <> '${valvesOf(0)[0] ?? ''}'`);
    expect(await poll(config, env)).toEqual(QUIET);
    const ids = [valvesOf(0)[1], valvesOf(1)[0]].sort().join(', ');
    for (const [id, valve] of project(1).valves) project(0).valves.set(id, valve);
    project(1).valves.clear();
    await poll(config, env); // the valve is in no project for a moment
    expect((await poll(config, env)).messages).toContain(`register R-1 is linked to several valves: ${ids}`);
  });

  test('projects and valves of every account are listed under its name', async () => {
    const { config, env } = accounts(['a', addKey('a', 0), 'A'], ['b', addKey('b', 1), 'B']);
    const accountsIn = async (command: string) => {
      const { stdout } = await tasmart([command, '--format', 'json'], config, env);
      return (JSON.parse(stdout) as { account: string }[]).map(({ account }) => account).sort();
    };
    expect(await accountsIn('projects')).toEqual(['a', 'b']);
    expect(await accountsIn('valves')).toEqual(['a', 'a', 'b']);
    for (const command of ['projects', 'valves']) {
      const rows = (await tasmart([command], config, env)).stdout.trim().split('\n');
      const cells = rows.map((row) => row.trim().split(/ {2,}/)[0]).sort();
      expect(cells.filter((cell) => /^(account|a|b)$/.test(cell ?? ''))).toEqual(
        command === 'valves' ? ['a', 'a', 'account', 'b'] : ['a', 'account', 'b'],
      );
      expect((await tasmart([command, '--format', 'csv'], config, env)).stdout).toMatch(/,account\n(.*,"[ab]"\n)+$/);
    }
  });
});

describe('the run lock', () => {
  const stuck = { match: { path: /points/ }, fault: { kind: 'silence' } } as const;
  const begun = (runs: number) => async () =>
    (await query('select from tasmart_runs where outcome is null')).length === runs;

  test('names who holds it, and the run that lost leaves a row and is counted', async () => {
    const metrics = { metrics_file: join(folder, 'tasmart.prom') };
    const { config, env } = accounts(['torino', addKey('torino', 0), project(0).name]);
    const lift = simulator.faults.add(stuck);
    const { child, result } = await start(['poll'], config, env);
    await until('the first to begin', begun(1));
    const lost = await tasmart(['poll'], { ...config, ...metrics }, env);
    expect(lost.code).toBe(75);
    expect(lost.stderr).toMatch(
      new RegExp(
        `another poll of account \\\\"torino\\\\" is under way: nothing was done; it runs on ${hostname()} as process ${child.pid}, since 20\\d\\d-`,
      ),
    );
    // Not even a row that cannot be written changes how it ends.
    await query(`create function refuse() returns trigger language plpgsql as $$ begin raise 'no'; end $$`);
    await query(`create trigger refuse before insert on tasmart_runs for each row when (new.outcome = 'locked')
      execute function refuse()`);
    expect((await tasmart(['poll'], config, env)).code).toBe(75);
    child.kill('SIGTERM');
    await result;
    lift();
    expect(await query(`select account, error from tasmart_runs where outcome = 'locked'`)).toEqual([
      { account: 'torino', error: expect.stringContaining(`on ${hostname()} as process`) as string },
    ]);
    expect((await poll({ ...config, ...metrics }, env)).code).toBe(0);
    const samples = parseMetrics(await readFile(metrics.metrics_file, 'utf8'));
    expect(samples.find(({ name }) => name === 'tasmart_locked_runs_total')).toMatchObject({
      labels: { account: 'torino' },
      value: 1,
    });
  });

  test('of another key, named or not, keeps nobody out', async () => {
    const lift = simulator.faults.add({ ...stuck, match: { path: new RegExp(valvesOf(0).join('|')) } });
    const names = [project(0).name, project(1).name] as const;
    const running = await start(['poll'], { target_project_name: names[0] }, addKey('first', 0));
    await until('the first to begin', begun(1));
    expect((await poll({ target_project_name: names[1] }, addKey('second', 1))).code).toBe(0);
    const named = accounts(['b', addKey('b', 1), names[1]]);
    expect((await poll(named.config, named.env)).code).toBe(0);
    lift();
    running.child.kill('SIGTERM');
    await running.result;
  });

  test('of one account costs a run of two that one: 2', async () => {
    const lift = simulator.faults.add({ ...stuck, match: { path: new RegExp(valvesOf(0).join('|')) } });
    const one = accounts(['a', addKey('a', 0), project(0).name]);
    const two = accounts(['a', addKey('a', 0), project(0).name], ['b', addKey('b', 1), project(1).name]);
    const running = await start(['poll'], one.config, one.env);
    await until('the first to begin', begun(1));
    const { code, messages } = await poll(two.config, two.env);
    expect(code).toBe(2);
    expect(messages).toEqual([expect.stringContaining('another poll of account "a" is under way')]);
    lift();
    running.child.kill('SIGTERM');
    await running.result;
    expect(
      await query(`select account, outcome from tasmart_runs where outcome <> 'interrupted' order by account`),
    ).toEqual([
      { account: 'a', outcome: 'locked' },
      { account: 'b', outcome: 'success' },
    ]);
  });
});

describe('naming an account that had no name', () => {
  const unnamed = () => ({ target_project_name: project(0).name });

  test('goes on where it was: nothing is fetched again, renamed or lost', async () => {
    const key = addKey('torino', 0);
    const config = unnamed();
    expect(await poll(config, key)).toEqual(QUIET);
    const [valve = ''] = valvesOf(0);
    expect((await tasmart(['link', valve, 'R-1'], config, key)).code).toBe(0);
    project(0).name = 'New name';
    const before = await query('select tasmart_id, synced_until, backend_ref from tasmart_valves order by 1');

    const named = accounts(['torino', key, config.target_project_name]);
    expect(await status(named.config, named.env)).toMatchObject({ code: 0, ids: valvesOf(0) });
    expect(await poll(named.config, named.env)).toEqual({
      code: 0,
      messages: [expect.stringMatching(/was called .* and is now called "New name"/)],
    });
    expect(await query('select tasmart_id, synced_until, backend_ref from tasmart_valves order by 1')).toEqual(before);
    expect(await query('select distinct account from tasmart_valves')).toEqual([{ account: 'torino' }]);
    expect(await query('select account from tasmart_projects')).toEqual([{ account: 'torino' }]);
    expect(await query('select * from tasmart_valve_history')).toEqual([]);
    expect(await status(named.config, named.env)).toMatchObject({ code: 0, ids: valvesOf(0) });
  });

  test('works in a database from before there were accounts, too', async () => {
    await database.drop();
    database = await emptyDatabase();
    const files = await loadSchemaFiles(`${REPOSITORY}sql`);
    const old = { migrations: files.migrations.filter(({ number }) => number < 16), definitions: [] };
    const client = await database.client();
    await migrate(client, old);
    const { id } = project(0);
    const [first = '', second = ''] = valvesOf(0);
    const syncedUs = Math.floor(simulator.clock.now() / (15 * US_PER_MINUTE)) * 15 * US_PER_MINUTE - US_PER_HOUR;
    await client.query(`
      insert into tasmart_projects (project_id, name) values ('${id}', 'Old name');
      insert into tasmart_project_names (project_id, name, is_target) values ('${id}', 'Old name', true);
      insert into tasmart_valves (tasmart_id, project_id, synced_until, backend_ref)
        select valve, '${id}', to_timestamp(${syncedUs / 1e6}), register
        from (values ('${first}', 'R-1'), ('${second}', 'R-2')) as old (valve, register)`);
    project(0).name = 'New name';
    const named = accounts(['torino', addKey('torino', 0), 'Old name']);
    expect((await tasmart(['migrate'], named.config, named.env)).code).toBe(0);

    const unnamed = { target_project_name: 'Old name' };
    expect(await status(unnamed, addKey('torino', 0))).toMatchObject({ ids: valvesOf(0), problems: [] });
    expect(await status(named.config, named.env)).toMatchObject({ ids: valvesOf(0), problems: [] });
    expect((await poll(named.config, named.env)).code).toBe(0);
    expect(
      await query(`select account, backend_ref, count(*)::int as boundaries, synced_until > to_timestamp(${syncedUs / 1e6}) as goes_on
        from tasmart_valves join tasmart_data_table using (tasmart_id) where "time" <= synced_until
        group by tasmart_id order by backend_ref`),
    ).toEqual(
      ['R-1', 'R-2'].map((register) => ({ account: 'torino', backend_ref: register, boundaries: 4, goes_on: true })),
    );
    expect(await query(`select * from tasmart_valve_history where attribute = 'project_id'`)).toEqual([]);
    expect(await status(named.config, named.env)).toMatchObject({ code: 0, ids: valvesOf(0), problems: [] });
  });

  test.each([
    ['by the project', unnamed],
    ['by single valves', () => ({ target_valves: valvesOf(0) })],
  ])('leaves what another key polls without a name, %s, to it until it has not for a week', async (_how, configOf) => {
    const [owner, manager] = [addKey('owner', 0), addKey('manager', 0)];
    expect(await poll(configOf(), owner)).toEqual(QUIET);
    const named = accounts(['manager', manager, project(0).name]);
    const accountAfter = async () => {
      expect(await poll(named.config, named.env)).toEqual(QUIET);
      return query('select distinct account from tasmart_valves');
    };
    expect(await accountAfter()).toEqual([{ account: '' }]);
    await query(`update tasmart_target_projects set resolved_at = now() - interval '8 days' where account = ''`);
    expect(await accountAfter()).toEqual([{ account: 'manager' }]);
  });

  test('anew moves its projects to the new name after a week', async () => {
    const key = addKey('torino', 0);
    const [before, after] = ['torino', 'turin'].map((name) => accounts([name, key, project(0).name]));
    if (!before || !after) return expect.fail('never');
    expect(await poll(before.config, before.env)).toEqual(QUIET);
    await query(`update tasmart_target_projects set resolved_at = now() - interval '8 days'`);
    expect(await poll(after.config, after.env)).toEqual(QUIET);
    expect(await query('select distinct account from tasmart_valves')).toEqual([{ account: 'turin' }]);
  });
});

test('a key that is refused amid valves ends the run, whose row counts what it stored', async () => {
  const [first, second = ''] = project(0).valves.keys();
  const config = { target_project_id: project(0).id, max_concurrency: 1 };
  simulator.faults.add({ match: { valveId: second }, fault: { kind: 'status', status: 401 } });
  expect((await poll(config)).code).toBe(77);
  expect(await query('select tasmart_id from tasmart_data_table')).toEqual([{ tasmart_id: first }]);
  expect(await query('select outcome, valves, stored from tasmart_runs')).toEqual([
    { outcome: 'failed', valves: 1, stored: 1 },
  ]);
});

test('a project that lists fewer valves than it has is partial: 2', async () => {
  simulator.faults.add({
    match: { path: /projects\/./ },
    fault: {
      kind: 'transform',
      transform: (answer: { tasmarts: Json[] }) => ({ ...answer, tasmarts: answer.tasmarts.slice(1) }),
    },
  });
  const { code, messages } = await poll({ target_project_id: project(0).id });
  expect([code, messages]).toEqual([2, [`project "${project(0).name}" lists 1 of its 2 valves`]]);
});

test('single valves cost a request for the list and one for their project, however many there are', async () => {
  for (let index = 0; index < 30; index += 1) {
    simulator.projects.push({
      ...project(1),
      id: `00000000-0000-4000-8000-0000000001${10 + index}`,
      valves: new Map(),
    });
  }
  const config = { target_valves: [...project(0).valves.values()].map(({ shortSn }) => shortSn) };
  const projectRequests = async () => {
    simulator.log.length = 0;
    expect(await poll(config)).toEqual(QUIET);
    return simulator.log.filter(({ path }) => path.includes('/projects')).length;
  };
  expect(await projectRequests()).toBe(1 + simulator.projects.length);
  expect(await projectRequests()).toBe(2);
  expect(await status(config)).toMatchObject({ code: 0, ids: valvesOf(0) });
});

describe('the outcomes of several accounts', () => {
  const both = ['a', 'b'].map((name): AccountConfig => {
    const variables = { apiKey: 'API_KEY', requesterId: 'REQUESTER_ID' };
    const hycloud = { apiKey: 'k', requesterId: 'r', variables, baseUrl: 'https://example.com/' };
    return { name, server: hycloud.baseUrl, keyId: name, targets: [], hycloud };
  });
  /** Each account fails with its error. */
  async function failing(...errors: readonly Error[]) {
    const lines: string[] = [];
    const log = pino({ base: null }, { write: (line) => lines.push(line) });
    const work = ({ name }: AccountConfig) => Promise.reject(errors[name === 'a' ? 0 : 1] ?? new Error('none'));
    const ended = await forEachAccount<never>(both, new AbortController().signal, log, work).then(
      (results) => {
        const status = accountsStatus(results, () => 0);
        return { status, error: errorBehind(status, results) };
      },
      (thrown: unknown) => ({ thrown }),
    );
    return { ended, messages: lines.map((line) => (JSON.parse(line) as { msg: string }).msg) };
  }

  test('are told with the error that makes the exit status', async () => {
    const [locked, refused] = [new KnownError('locked', 'locked'), new KnownError('credentials', 'refused')];
    expect((await failing(locked, refused)).ended).toEqual({ status: 77, error: refused });
    expect((await failing(locked, locked)).ended).toEqual({ status: 75, error: locked });
  });

  test('lose no defect: the first is thrown, the other one logged', async () => {
    const first = new Error('first');
    expect(await failing(first, new Error('second'))).toEqual({
      ended: { thrown: first },
      messages: ['a defect of tasmart: Error: second'],
    });
  });
});
