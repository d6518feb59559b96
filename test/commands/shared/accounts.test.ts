import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { accountsStatus, errorBehind, forEachAccount } from '../../../src/commands/shared/accounts.ts';
import type { AccountConfig } from '../../../src/config/config.ts';
import { KnownError } from '../../../src/domain/errors.ts';
import type { Json } from '../../../scripts/simulator/json.ts';
import { startSimulator } from '../../../scripts/simulator/simulator.ts';
import { parseMetrics } from '../../support/prometheus.ts';
import { accounts, QUIET, setAccountsStage } from './accounts-stage.ts';
import { logLines } from '../../support/cli.ts';
import { until } from '../../support/until.ts';

const stage = setAccountsStage();
const { project, valvesOf, addKey, start, tasmart, query, poll, status } = stage;

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
    const before = stage.simulator.totals().requests;
    const found = await tasmart(['poll', '--valve', valve], config, env);
    expect(found).toMatchObject({ code: 0, stdout: expect.stringMatching(/1 valve: 1 reading stored/) as string });
    // Those of the account without the valve count too.
    expect(found.stdout).toContain(` ${stage.simulator.totals().requests - before} requests, 0 retries`);
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
      stage.simulator.faults.add({
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
    const metrics = { metrics_file: join(stage.folder, 'tasmart.prom') };
    const { config, env } = accounts(['torino', addKey('torino', 0), project(0).name]);
    const lift = stage.simulator.faults.add(stuck);
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
    const lift = stage.simulator.faults.add({ ...stuck, match: { path: new RegExp(valvesOf(0).join('|')) } });
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
    const lift = stage.simulator.faults.add({ ...stuck, match: { path: new RegExp(valvesOf(0).join('|')) } });
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

test('a key that is refused amid valves ends the run, whose row counts what it stored', async () => {
  const [first, second = ''] = project(0).valves.keys();
  const config = { target_project_id: project(0).id, max_concurrency: 1 };
  stage.simulator.faults.add({ match: { valveId: second }, fault: { kind: 'status', status: 401 } });
  expect((await poll(config)).code).toBe(77);
  expect(await query('select tasmart_id from tasmart_data_table')).toEqual([{ tasmart_id: first }]);
  expect(await query('select outcome, valves, stored from tasmart_runs')).toEqual([
    { outcome: 'failed', valves: 1, stored: 1 },
  ]);
});

test('a project that lists fewer valves than it has is partial: 2', async () => {
  stage.simulator.faults.add({
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
    stage.simulator.projects.push({
      ...project(1),
      id: `00000000-0000-4000-8000-0000000001${10 + index}`,
      valves: new Map(),
    });
  }
  const config = { target_valves: [...project(0).valves.values()].map(({ shortSn }) => shortSn) };
  const projectRequests = async () => {
    stage.simulator.log.length = 0;
    expect(await poll(config)).toEqual(QUIET);
    return stage.simulator.log.filter(({ path }) => path.includes('/projects')).length;
  };
  expect(await projectRequests()).toBe(1 + stage.simulator.projects.length);
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
