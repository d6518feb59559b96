import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseRfc3339 } from '../../src/domain/time.ts';
import { startSimulator, type Simulator } from '../../scripts/simulator/simulator.ts';
import { PATIENT, runCli, startCli, type CliResult } from '../support/cli.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';
import { parseMetrics } from '../support/prometheus.ts';
import { holdRunLock } from '../support/run-lock.ts';

const VALVE_FLOW = 'tasmart_valve_flow_cubic_meters_per_hour';

let simulator: Simulator;
let database: TestDatabase;
let folder: string;
let monitor: Monitor;

beforeEach(async () => {
  simulator = await startSimulator({ valves: 3, nowUs: parseRfc3339('2026-03-01T10:15:10Z') ?? NaN });
  database = await freshDatabase();
  folder = await mkdtemp(join(tmpdir(), 'tasmart-monitoring-'));
  monitor = await startMonitor();
  await configure({ metrics_file: 'metrics/tasmart.prom' });
  await mkdir(join(folder, 'metrics'));
});

afterEach(async () => {
  await simulator.close();
  await database.drop();
  await monitor.close();
  await rm(folder, { recursive: true });
});

async function configure(config: object): Promise<void> {
  const project = simulator.projects[0]?.name;
  const json = { target_project_name: project, requests_per_second: 1000, ...config };
  await writeFile(join(folder, 'config.json'), JSON.stringify(json));
}

const cli = (env: Record<string, string> = {}) => ({
  cwd: folder,
  env: { ...simulator.env(), DATABASE_URL: database.url, ...env },
});

function tasmart(args: readonly string[], env: Record<string, string> = {}): Promise<CliResult> {
  return runCli(args, cli(env));
}

interface Ping {
  url: string;
  body: string;
}

interface Monitor {
  url: string;
  pings: Ping[];
  /** null: it takes them and never answers */
  status: number | null;
  close: () => Promise<void>;
}

/** A healthchecks.io on loopback. */
async function startMonitor(): Promise<Monitor> {
  const state: Pick<Monitor, 'pings' | 'status'> = { pings: [], status: 200 };
  const server: Server = createServer((request, response) => {
    void text(request).then((body) => {
      state.pings.push({ url: request.url ?? '', body });
      if (state.status !== null) response.writeHead(state.status).end('OK');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return Object.assign(state, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/ping-key/tasmart`,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  });
}

async function metrics(): Promise<Record<string, number>> {
  const samples = parseMetrics(await readFile(join(folder, 'metrics/tasmart.prom'), 'utf8'));
  return Object.fromEntries(
    samples.map(({ name, labels, value }) => {
      const { tasmart_id: id, state, register } = labels;
      return [[name, id, state, register].filter((part) => part !== undefined).join(' '), value];
    }),
  );
}

describe('metrics_file', () => {
  test('holds what the run read and cost, readable by everybody, and nothing is left beside it', async () => {
    const [valve] = simulator.valves();
    if (valve) valve.userId = 'Boiler "1"\n\\o/';
    expect((await tasmart(['poll'])).code).toBe(0);
    const found = await metrics();
    const [point] = simulator.truth.points(valve?.id ?? '', simulator.clock.now() - 15e6, simulator.clock.now());
    expect(found).toMatchObject({
      [`${VALVE_FLOW} ${valve?.id ?? ''}`]: (point?.measuredFlowDlh ?? NaN) / 10_000,
      [`tasmart_valve_power_watts ${valve?.id ?? ''}`]: (point?.measuredPowerDw ?? NaN) / 10,
      [`tasmart_valve_energy_joules_total ${valve?.id ?? ''} 1`]: Number(point?.energyCounter1Kwh) * 3_600_000,
      [`tasmart_valve_reading_timestamp_seconds ${valve?.id ?? ''}`]: (point?.timeUs ?? NaN) / 1e6,
      tasmart_run_exit_status: 0,
      tasmart_run_requests: 5,
      tasmart_run_retries: 0,
      tasmart_run_readings_stored: 3,
      'tasmart_run_valves changed': 3,
      'tasmart_run_valves failed': 0,
    });
    expect(Math.abs((found['tasmart_last_success_timestamp_seconds'] ?? 0) - Date.now() / 1000)).toBeLessThan(30);
    expect((await stat(join(folder, 'metrics/tasmart.prom'))).mode & 0o777).toBe(0o644);
    expect(await readdir(join(folder, 'metrics'))).toEqual(['tasmart.prom']);
  });

  test.each([
    ['HyCloud refuses the key', 77, { API_KEY: 'wrong' }, 2],
    ['the database is away', 74, { DATABASE_URL: 'postgresql://x:y@127.0.0.1:1/z' }, 0],
  ])('of a run that fails (%s) keeps the valves and the last success', async (_why, code, env, requests) => {
    await tasmart(['poll']);
    const before = await metrics();
    expect((await tasmart(['poll'], env)).code).toBe(code);
    const after = await metrics();
    expect(after['tasmart_run_exit_status']).toBe(code);
    expect(after['tasmart_run_requests']).toBeLessThanOrEqual(requests);
    const kept = Object.keys(before).filter((name) => /valve_|last_success/.test(name));
    expect(kept).toHaveLength(3 * 6 + 1);
    for (const name of kept) expect(after[name]).toBe(before[name]);
    expect(after['tasmart_last_run_timestamp_seconds']).toBeGreaterThan(
      before['tasmart_last_run_timestamp_seconds'] ?? NaN,
    );
  });

  test('a partial run is no success', async () => {
    await tasmart(['poll']);
    const before = await metrics();
    const [valve] = simulator.valves();
    simulator.faults.add({ match: { valveId: valve?.id ?? '' }, fault: { kind: 'status', status: 404 } });
    expect((await tasmart(['poll'])).code).toBe(2);
    const after = await metrics();
    expect(after).toMatchObject({ 'tasmart_run_valves failed': 1, tasmart_run_exit_status: 2 });
    expect(after['tasmart_last_success_timestamp_seconds']).toBe(before['tasmart_last_success_timestamp_seconds']);
    expect(after[`${VALVE_FLOW} ${valve?.id ?? ''}`]).toBe(before[`${VALVE_FLOW} ${valve?.id ?? ''}`]);
  });

  test('a run of one valve leaves the others in it, a dry run everything', async () => {
    await tasmart(['poll']);
    const before = await metrics();
    await tasmart(['poll', '--dry-run']);
    expect(await metrics()).toEqual(before);
    await tasmart(['poll', '--valve', simulator.valves()[0]?.id ?? '']);
    expect(Object.keys(await metrics()).sort()).toEqual(Object.keys(before).sort());
  });

  test('that cannot be written costs a warning, not the run', async () => {
    await configure({ metrics_file: 'nowhere/tasmart.prom' });
    const { code, stderr } = await tasmart(['poll']);
    expect(code).toBe(0);
    expect(stderr).toContain('"reason":"ENOENT","msg":"metrics_file could not be written"');
  });

  test('in a folder of others overwrites nothing through links that they planted, and waits for no pipe', async () => {
    const victim = join(folder, 'victim');
    await writeFile(victim, 'kept', { mode: 0o600 });
    const file = join(folder, 'metrics/tasmart.prom');
    await promisify(execFile)('mkfifo', [file]);
    const { child, result } = startCli(['poll'], cli());
    await symlink(victim, `${file}.${child.pid ?? NaN}`);
    expect(await result).toMatchObject({ code: 0 });
    expect(await readFile(victim, 'utf8')).toBe('kept');
    expect((await stat(victim)).mode & 0o777).toBe(0o600);
    expect(await metrics()).toHaveProperty('tasmart_run_exit_status', 0);
  });

  test('that is a folder costs a warning and leaves no draft behind', async () => {
    await mkdir(join(folder, 'metrics/tasmart.prom'));
    const { code, stderr } = await tasmart(['poll']);
    expect(code).toBe(0);
    expect(stderr).toContain('"reason":"EINVAL","msg":"metrics_file could not be written"');
    expect(await readdir(join(folder, 'metrics'))).toEqual(['tasmart.prom']);
  });
});

describe('HEALTHCHECK_URL', () => {
  const urls = () => monitor.pings.map(({ url }) => url);

  test('is told of the start and of success', async () => {
    expect((await tasmart(['poll'], { HEALTHCHECK_URL: monitor.url })).code).toBe(0);
    expect(monitor.pings).toEqual([
      { url: '/ping-key/tasmart/start', body: '' },
      {
        url: '/ping-key/tasmart',
        body: `success: 3 valves, 3 readings stored, 0 silent, 0 failed, 5 requests, 0 retries (exit status 0, ${hostname()})`,
      },
    ]);
  });

  test('keeps its query, and a slash at its end does not matter', async () => {
    await tasmart(['poll'], { HEALTHCHECK_URL: `${monitor.url}/?create=1&rid=a%2Fb` });
    expect(urls()).toEqual(['/ping-key/tasmart/start?create=1&rid=a%2Fb', '/ping-key/tasmart?create=1&rid=a%2Fb']);
  });

  test.each([
    ['credentials', 77, { API_KEY: 'wrong' }, ['/start', '/77']],
    ['database', 74, { DATABASE_URL: 'postgresql://x:y@127.0.0.1:1/z' }, ['/74']],
    ['config', 78, { DATABASE_URL: 'nonsense' }, ['/78']],
  ])('hears of failure (%s) by the exit status, and no more than its kind', async (kind, code, env, suffixes) => {
    expect((await tasmart(['poll'], { HEALTHCHECK_URL: monitor.url, ...env })).code).toBe(code);
    expect(urls()).toEqual(suffixes.map((suffix) => `/ping-key/tasmart${suffix}`));
    expect(monitor.pings.at(-1)?.body).toBe(`failed: ${kind} (exit status ${code}, ${hostname()})`);
  });

  test('hears of a configuration that is no JSON', async () => {
    await writeFile(join(folder, 'config.json'), '{');
    expect((await tasmart(['poll'], { HEALTHCHECK_URL: monitor.url })).code).toBe(78);
    expect(urls()).toEqual(['/ping-key/tasmart/78']);
  });

  test('hears of a wrong configuration before the jitter, not after it', async () => {
    await configure({ start_jitter_seconds: 3600 });
    expect((await tasmart(['poll'], { HEALTHCHECK_URL: monitor.url, API_KEY: '' })).code).toBe(78);
    expect(urls()).toEqual(['/ping-key/tasmart/78']);
  });

  test('hears of a partial run', async () => {
    simulator.faults.add({
      match: { valveId: simulator.valves()[0]?.id ?? '' },
      fault: { kind: 'status', status: 404 },
    });
    expect((await tasmart(['poll'], { HEALTHCHECK_URL: monitor.url })).code).toBe(2);
    expect(urls()).toEqual(['/ping-key/tasmart/start', '/ping-key/tasmart/2']);
    expect(monitor.pings.at(-1)?.body).toMatch(/^partial: 3 valves, 2 readings stored, 0 silent, 1 failed, /);
  });

  test('hears of a name that no valve has, and of the valve that was polled', async () => {
    const known = simulator.valves()[0]?.id ?? '';
    const { code } = await tasmart(['poll', '--valve', known, '--valve', 'nobody'], { HEALTHCHECK_URL: monitor.url });
    expect(code).toBe(78);
    expect(urls()).toEqual(['/ping-key/tasmart/start', '/ping-key/tasmart/78']);
    expect(monitor.pings.at(-1)?.body).toMatch(/^failed: config: 1 valve, 1 reading stored, 0 silent, 0 failed, /);
  });

  test('a run that finds another at work is noted, and is neither a start nor an end', async () => {
    await holdRunLock(await database.client(), simulator.env());
    expect((await tasmart(['poll'], { HEALTHCHECK_URL: monitor.url })).code).toBe(75);
    expect(urls()).toEqual(['/ping-key/tasmart/log']);
    expect(await readdir(join(folder, 'metrics'))).toEqual([]);
  });

  test('hears of a run that is interrupted', async () => {
    simulator.settings.latencyMs = 20_000;
    const { child, result } = startCli(['poll'], cli({ ...PATIENT, HEALTHCHECK_URL: monitor.url }));
    while (simulator.log.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill('SIGTERM');
    expect((await result).code).toBe(143);
    expect(urls()).toEqual(['/ping-key/tasmart/start', '/ping-key/tasmart/143']);
  });

  test.each([
    ['refuses', 404, '"status":404'],
    ['never answers', null, '"reason":"TimeoutError"'],
  ])('that %s costs a warning and at most five seconds', async (_what, status, words) => {
    monitor.status = status;
    const { code, stderr, ms } = await tasmart(['poll'], { HEALTHCHECK_URL: monitor.url });
    expect(code).toBe(0);
    expect(stderr).toContain(words);
    expect(stderr).not.toContain('ping-key');
    expect(ms).toBeLessThan(10_000);
  });

  test('that nobody listens at costs a warning', async () => {
    await monitor.close();
    const { code, stderr } = await tasmart(['poll'], { HEALTHCHECK_URL: monitor.url });
    monitor = await startMonitor();
    expect(code).toBe(0);
    expect(stderr).toContain('"reason":"ECONNREFUSED"');
  });

  test('a dry run is nobody’s business', async () => {
    await tasmart(['poll', '--dry-run'], { HEALTHCHECK_URL: monitor.url });
    expect(urls()).toEqual([]);
  });
});

describe('the row of a run', () => {
  async function rows(): Promise<unknown[]> {
    const client = await database.client();
    const { rows: found } = await client.query(
      `select outcome, valves, stored, failed, requests, retries, error, finished_at is not null as finished
       from tasmart_runs order by id`,
    );
    return found as unknown[];
  }

  test('that failed tells why, and what it cost', async () => {
    simulator.faults.add({ fault: { kind: 'status', status: 400 } });
    await tasmart(['poll']);
    expect(await rows()).toEqual([
      {
        outcome: 'failed',
        valves: 0,
        stored: 0,
        failed: 0,
        requests: 1,
        retries: 0,
        error: 'HyCloud, GET projects: HTTP 400 (api/v1/invalid-query)',
        finished: true,
      },
    ]);
  });

  test('that was killed is marked by the next run', async () => {
    simulator.settings.latencyMs = 5000;
    const { child, result } = startCli(['poll'], cli());
    while (simulator.log.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill('SIGKILL');
    await result;
    simulator.settings.latencyMs = 0;
    await expect.poll(async () => (await tasmart(['poll'])).code, { timeout: 20_000 }).toBe(0);
    expect(await rows()).toMatchObject([
      { outcome: 'killed', error: expect.stringContaining('no end was recorded') as string },
      { outcome: 'success', stored: 3, finished: true },
    ]);
  });

  test('that was interrupted says so', async () => {
    simulator.settings.latencyMs = 20_000;
    const { child, result } = startCli(['poll'], cli(PATIENT));
    while (simulator.log.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill('SIGINT');
    expect((await result).code).toBe(130);
    expect(await rows()).toMatchObject([{ outcome: 'interrupted', finished: true }]);
  });
});
