import { Agent } from 'node:https';
import axios, { AxiosError } from 'axios';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { generate } from 'selfsigned';
import type { Fault } from '../../scripts/simulator/faults.ts';
import { createProjects, type Valve } from '../../scripts/simulator/fleet.ts';
import { readingsIn } from '../../scripts/simulator/history.ts';
import { startSimulator, type Simulator } from '../../scripts/simulator/simulator.ts';
import { PROPERTY_NAMES, type Reading } from '../../src/domain/reading.ts';
import { formatRfc3339, parseRfc3339, US_PER_DAY, US_PER_HOUR, US_PER_SECOND } from '../../src/domain/time.ts';

const us = (text: string): number => parseRfc3339(text) ?? NaN;
const NOW = '2026-03-01T10:15:03.120045Z';
const FOUR = ['measured_flow', 'measured_power', 'energy_counter_regime_1', 'energy_counter_regime_2'];

interface Point extends Record<string, unknown> {
  time: string;
}

interface Points {
  from: string;
  to: string;
  sort: string;
  limit: number;
  offset: number;
  properties: string[];
  points: Point[];
}

interface ProjectDetails {
  name: string;
  users: unknown[];
  tasmarts: { id: string; kind: string; full_sn: string; short_sn: string; href: { datapoints: string } }[];
}

let sim: Simulator;
let valve: Valve;

beforeEach(async () => {
  sim = await startSimulator({ nowUs: us(NOW), valves: [3, 2] });
  [valve] = sim.valves() as [Valve];
});

afterEach(() => sim.close());

function credentials(): Record<string, string> {
  return { 'Requester-ID': sim.settings.requesterId, Authorization: `ApiKey ${sim.settings.apiKey}` };
}

async function call(path: string, params: object = {}, headers = credentials(), limitMs = 60_000) {
  const response = await axios.get<unknown>(sim.baseUrl + path, {
    params,
    headers,
    validateStatus: null,
    maxRedirects: 0,
    timeout: limitMs,
    signal: AbortSignal.timeout(limitMs),
    maxContentLength: 50 * 2 ** 20,
  });
  return { status: response.status, headers: response.headers, body: response.data };
}

async function points(params: object = {}, of = valve): Promise<Points> {
  const { status, body } = await call(`ta-smart/${of.id}/data/points`, params);
  expect(status).toBe(200);
  return body as Points;
}

async function times(params: object = {}): Promise<string[]> {
  return (await points(params)).points.map(({ time }) => time);
}

async function failure(path = 'projects', limitMs?: number): Promise<string | undefined> {
  const error: unknown = await call(path, {}, credentials(), limitMs).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof AxiosError ? error.code : undefined;
}

describe('what HyCloud refuses', () => {
  test.each([
    [{}],
    [{ 'Requester-ID': 'simulated-requester-id' }],
    [{ Authorization: 'ApiKey simulated-api-key' }],
    [{ 'Requester-ID': 'another', Authorization: 'ApiKey simulated-api-key' }],
    [{ 'Requester-ID': 'simulated-requester-id', Authorization: 'Bearer simulated-api-key' }],
  ])('a call with %o', async (headers) => {
    const { status, body } = await call('projects', {}, headers);
    expect(status).toBe(401);
    expect(body).toEqual({
      status: 401,
      type: 'api/v1/unauthorized',
      title: 'Unauthorized',
      details: 'credentials missing or unknown',
    });
  });

  test.each(['', 'valves', 'projects/', 'projects/00000000-0000-4000-a000-000000000000', 'ta-smart/x/data/points'])(
    'a path it does not have: %j',
    async (path) => {
      sim.settings.problemTypeKey = 'type_uri';
      expect(await call(path)).toMatchObject({ status: 404, body: { status: 404, type_uri: 'api/v1/not-found' } });
    },
  );

  test.each([
    { from: 'yesterday' },
    { from: '2026-02-30T00:00:00Z' },
    { to: '2026-03-01' },
    { limit: 0 },
    { limit: 2001 },
    { limit: 1.5 },
    { limit: '' },
    { offset: -1 },
    { direction: 'up' },
    { properties: ['measured_flow', 'mood'] },
    { properties: 'measured_flow' },
  ])('the query %o', async (params) => {
    const { status, body } = await call(`ta-smart/${valve.id}/data/points`, params);
    expect(status).toBe(400);
    expect(body).toMatchObject({ status: 400, type: 'api/v1/invalid-query' });
  });

  test('anything but GET', async () => {
    const response = await fetch(`${sim.baseUrl}projects`, { method: 'POST', headers: credentials() });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('GET');
  });
});

describe('what HyCloud answers', () => {
  test('the projects, their valves, and the path to each history', async () => {
    const [first] = sim.projects;
    expect((await call('projects')).body).toEqual([
      {
        id: first?.id,
        href: `/api/v1/projects/${String(first?.id)}`,
        name: 'Condominio Città Giardino – Milano',
        user_count: 2,
        tasmart_count: 3,
      },
      expect.objectContaining({ name: "Palazzo dell'Università", tasmart_count: 2 }),
    ]);
    const project = (await call(`projects/${String(first?.id)}`)).body as ProjectDetails;
    expect(project.users).toContainEqual({ email: 'niccolo.rossi@example.it', access: 'admin' });
    expect(project.tasmarts).toHaveLength(3);
    const [tasmart] = project.tasmarts;
    expect(tasmart?.kind).toMatch(/^TA-Smart DN\d+$/);
    expect(tasmart?.full_sn).toMatch(/^[\da-f]{24}$/);
    expect(tasmart?.short_sn).toMatch(/^[\da-f]{8}$/);
    expect(tasmart?.href.datapoints).toBe(`/api/v1/ta-smart/${valve.id}/data/points`);
  });

  test('the latest firmware, to anyone with a requester id', async () => {
    const { status, body } = await call('firmwares/ta-smart/latest', {}, { 'Requester-ID': sim.settings.requesterId });
    expect(status).toBe(200);
    expect(body).toMatchObject({ metadata: { fw: '1.9.2' } });
  });

  test('the last hour, newest first, with nothing but times, by default', async () => {
    const { points: served, ...echo } = await points();
    expect(echo).toEqual({
      from: '2026-03-01T09:15:03.120045Z',
      to: NOW,
      sort: 'descending',
      limit: 240,
      offset: 0,
      properties: [],
    });
    expect(served).toHaveLength(240);
    expect(Object.keys(served[0] ?? {})).toEqual(['time']);
    expect(served.map(({ time }) => time)).toEqual(
      served
        .map(({ time }) => time)
        .toSorted()
        .reverse(),
    );
    expect(us(NOW) - us(served[0]?.time ?? '')).toBeLessThan(16 * US_PER_SECOND);
  });

  test('the asked properties, as whole numbers in their units', async () => {
    const { points: served } = await points({ limit: 1, properties: FOUR });
    expect(served).toEqual([
      {
        time: '2026-03-01T10:14:57.105091Z',
        measured_flow: 1728,
        measured_power: 34_405,
        energy_counter_regime_1: 80_290,
        energy_counter_regime_2: 0,
      },
    ]);
  });

  test('every property within its type', async () => {
    const { points: served } = await points({ limit: 240, properties: PROPERTY_NAMES });
    for (const point of served) {
      expect(Object.keys(point)).toEqual(['time', ...PROPERTY_NAMES]);
      for (const name of ['position', 'input_signal', 'local_temp', 'remote_temp', 'valve_dst']) {
        expect(Number.isInteger(point[name])).toBe(true);
        expect(Math.abs(Number(point[name]))).toBeLessThan(2 ** 15);
      }
      expect(point['error_status']).toBeInstanceOf(Array);
    }
  });

  test('pages by offset and by time that join without seam', async () => {
    const window = { from: '2026-02-01T00:00:00Z', to: '2026-02-01T03:00:00Z', direction: 'ascending', limit: 2000 };
    const all = await times(window);
    expect(all).toHaveLength(720);
    const first = await times({ ...window, limit: 500 });
    expect([...first, ...(await times({ ...window, limit: 500, offset: 500 }))]).toEqual(all);
    sim.settings.inclusive.from = false;
    expect([...first, ...(await times({ ...window, from: first.at(-1) }))]).toEqual(all);
  });

  test.each([
    [true, true, 3],
    [false, true, 2],
    [true, false, 2],
    [false, false, 1],
  ])('bounds inclusive (%s, %s)', async (from, to, count) => {
    const [a, , c] = await times({ direction: 'ascending', limit: 3 });
    sim.settings.inclusive = { from, to };
    expect(await times({ from: a, to: c })).toHaveLength(count);
  });

  test('nothing later than its own clock, which its Date header tells', async () => {
    expect(await times({ from: NOW, to: '2030-01-01T00:00:00Z' })).toEqual([]);
    sim.clock.advance(60 * US_PER_SECOND);
    expect(await times({ from: NOW, to: '2030-01-01T00:00:00Z' })).toHaveLength(4);
    expect((await call('projects')).headers['date']).toBe('Sun, 01 Mar 2026 10:16:03 GMT');
    sim.clock.run();
    expect(sim.clock.now()).toBeGreaterThan(us(NOW) + 60 * US_PER_SECOND);
  });

  test('times in every form that has been seen', async () => {
    valve.jitterUs = 0;
    valve.phaseUs = 0;
    const written = async (timeFormat: 'micros' | 'short' | 'nanos') => {
      sim.settings.timeFormat = timeFormat;
      return (await times({ limit: 1 }))[0];
    };
    expect(await written('micros')).toBe('2026-03-01T10:15:00.000000Z');
    expect(await written('short')).toBe('2026-03-01T10:15:00Z');
    expect(await written('nanos')).toBe('2026-03-01T10:15:00.000000000+00:00');
  });

  test('gzip to those who accept it', async () => {
    const encoding = async () =>
      (await fetch(`${sim.baseUrl}projects/${String(sim.projects[0]?.id)}`, { headers: credentials() })).headers.get(
        'content-encoding',
      );
    expect(await encoding()).toBe('gzip');
    sim.settings.gzipFromBytes = Infinity;
    expect(await encoding()).toBeNull();
  });

  test('https with a given certificate, its bytes counted before they are encrypted', async () => {
    const { private: key, cert } = await generate([{ name: 'commonName', value: 'localhost' }]);
    const secure = await startSimulator({ tls: { key, cert } });
    try {
      await expect(axios.get(`${secure.baseUrl}projects`)).rejects.toMatchObject({
        code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
      });
      const httpsAgent = new Agent({ ca: cert, checkServerIdentity: () => undefined });
      const { data } = await axios.get<string>(`${secure.baseUrl}projects`, { httpsAgent, validateStatus: () => true });
      const headers = 250;
      expect(secure.totals().bytesSent).toBeLessThan(JSON.stringify(data).length + headers);
    } finally {
      await secure.close();
    }
  });
});

describe('physics', () => {
  const [project] = createProjects(7, [7]);
  const valves = [...(project?.valves.values() ?? [])];
  const [small, ...others] = valves as [Valve, ...Valve[]];
  const big = others.at(-1) ?? small;
  const day = (text: string): [number, number] => [us(text), us(text) + US_PER_DAY];
  const powers = (of: Valve, from: number, to: number) =>
    [...readingsIn(of, from, to)].map((p) => p.measuredPowerDw ?? NaN);
  const integralKwh = (readings: Reading[]) =>
    readings.reduce((sum, { measuredPowerDw }) => sum + ((measuredPowerDw ?? NaN) / 10_000) * (15 / 3600), 0);

  test('the counter is the integral of the power, within a kWh, over a month of points', () => {
    const readings = [...readingsIn(big, us('2025-11-01T00:00:00Z'), us('2025-12-01T00:00:00Z'))];
    expect(readings).toHaveLength(30 * 5760);
    const counted = Number(readings.at(-1)?.energyCounter1Kwh) - Number(readings[0]?.energyCounter1Kwh);
    expect(counted).toBeGreaterThan(10_000);
    expect(Math.abs(integralKwh(readings.slice(1)) - counted)).toBeLessThan(1.1);
  });

  test('flow carries the power', () => {
    for (const { measuredFlowDlh, measuredPowerDw } of readingsIn(big, ...day('2026-01-10T00:00:00Z'))) {
      const kelvin = (measuredPowerDw ?? NaN) / ((measuredFlowDlh ?? NaN) * 1.163);
      expect(kelvin).toBeGreaterThan(big.spreadK * 0.69);
      expect(kelvin).toBeLessThan(big.spreadK * 1.01);
    }
  });

  test('winter is warm, summer is off, mornings beat nights, and nothing is ever negative', () => {
    const winter = powers(big, ...day('2026-01-13T00:00:00Z'));
    const summer = powers(big, ...day('2025-07-15T00:00:00Z'));
    expect(Math.max(...winter)).toBeGreaterThan(0.75 * big.heatingPeakKw * 10_000);
    expect(Math.max(...winter)).toBeLessThan(1.01 * big.heatingPeakKw * 10_000);
    expect(Math.max(...summer)).toBeLessThan(0.002 * big.heatingPeakKw * 10_000);
    expect(Math.min(...winter, ...summer)).toBeGreaterThanOrEqual(0);
    const meanOf = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(meanOf(winter.slice(1200, 1680))).toBeGreaterThan(1.5 * meanOf(winter.slice(0, 240)));
  });

  test('an idle counter never falls', () => {
    const counters = [...readingsIn(big, us('2025-07-14T00:00:00Z'), us('2025-07-18T00:00:00Z'))].map((p) =>
      Number(p.energyCounter1Kwh),
    );
    expect(counters.toSorted((a, b) => a - b)).toEqual(counters);
  });

  test('a few kW here, hundreds there', () => {
    expect(small.heatingPeakKw).toBeLessThan(8);
    expect(big.heatingPeakKw).toBeGreaterThan(400);
  });

  test('cooling counts in the second register, in summer', () => {
    const cooling = { ...small, coolingPeakKw: 20 };
    const [first, ...rest] = [...readingsIn(cooling, ...day('2025-07-15T00:00:00Z'))];
    expect(first?.energyCounter1Kwh).toBe(rest.at(-1)?.energyCounter1Kwh);
    expect(Number(rest.at(-1)?.energyCounter2Kwh) - Number(first?.energyCounter2Kwh)).toBeGreaterThan(50);
  });

  test('a seed fixes everything, another seed changes it', () => {
    const window = day('2025-05-01T00:00:00Z');
    const again = createProjects(7, [7])[0]?.valves.get(big.id);
    expect(again).toEqual(big);
    expect([...readingsIn(again ?? small, ...window)]).toEqual([...readingsIn(big, ...window)]);
    expect(createProjects(8, [7])[0]?.valves.has(big.id)).toBe(false);
  });

  test('thousands of valves, each with serials of its own', () => {
    const [fleet] = createProjects(1, [10_000]);
    expect(new Set([...(fleet?.valves.values() ?? [])].map(({ shortSn }) => shortSn)).size).toBe(10_000);
  });
});

describe('a faulty history', () => {
  const at = (text: string): number => us(`2026-03-01T${text}Z`);
  const counters = async (params: object) =>
    (await points({ properties: ['energy_counter_regime_1'], direction: 'ascending', ...params })).points.map(
      (point) => point['energy_counter_regime_1'],
    );

  test('outages', async () => {
    valve.outages = [{ fromUs: at('09:00:00'), toUs: at('10:00:00') }];
    expect(await times({ from: '2026-03-01T08:59:00Z' })).toHaveLength(4 + 60);
    expect(await times({ from: '2026-03-01T09:00:00Z', to: '2026-03-01T09:59:59Z' })).toEqual([]);
  });

  test('a counter that is reset, and one that falls to zero for a while', async () => {
    valve.counterJumps = [
      { regime: 1, fromUs: at('09:30:00'), toUs: at('09:31:00'), kwh: 0 },
      { regime: 1, fromUs: at('10:00:00'), kwh: 5 },
    ];
    expect(await counters({ from: '2026-03-01T09:29:30Z', limit: 8 })).toEqual([
      80_287, 80_287, 0, 0, 0, 0, 80_287, 80_287,
    ]);
    expect(await counters({ from: '2026-03-01T09:59:30Z', limit: 4 })).toEqual([80_289, 80_289, 5, 5]);
  });

  test('a counter near 2^53 keeps its digits', async () => {
    valve.installedKwh = { 1: 2 ** 53 - 1_000_000, 2: 0 };
    const url = `${sim.baseUrl}ta-smart/${valve.id}/data/points?limit=1&properties[]=energy_counter_regime_1`;
    const text = await (await fetch(url, { headers: credentials() })).text();
    expect(text).toContain('"energy_counter_regime_1":9007199253821282}');
    expect(sim.truth.points(valve.id, us(NOW) - 15 * US_PER_SECOND, us(NOW))[0]?.energyCounter1Kwh).toBe(
      9007199253821282,
    );
  });

  test('absent and null properties', async () => {
    valve.absences = [
      { property: 'measured_flow', as: 'absent' },
      { property: 'measured_power', as: 'null', during: { fromUs: at('10:00:00'), toUs: at('10:14:50') } },
    ];
    const { points: served } = await points({ limit: 2, properties: ['measured_flow', 'measured_power'] });
    expect(served).toEqual([
      { time: served[0]?.time, measured_power: 34_405 },
      { time: served[1]?.time, measured_power: null },
    ]);
    expect(sim.truth.points(valve.id, us(served[1]?.time ?? '') - 1, us(NOW))).toMatchObject([
      { measuredFlowDlh: null, measuredPowerDw: null },
      { measuredFlowDlh: null, measuredPowerDw: 34_405 },
    ]);
  });

  test('crafted points: in the same millisecond, at the same instant, and nonsense', async () => {
    const [newest = ''] = await times({ limit: 1 });
    valve.extraPoints = [
      { timeUs: us(newest), values: { measured_flow: 1 } },
      { timeUs: us(newest) + 10, values: { measured_flow: 2 } },
      { timeUs: us(newest) + 20, raw: { time: '2099-01-01T00:00:00Z', measured_flow: 'much', mood: 'good' } },
    ];
    const { points: served } = await points({ limit: 4, properties: ['measured_flow'] });
    expect(served).toEqual([
      { time: '2099-01-01T00:00:00Z', measured_flow: 'much', mood: 'good' },
      { time: '2026-03-01T10:14:57.105101Z', measured_flow: 2 },
      { time: '2026-03-01T10:14:57.105091Z', measured_flow: 1728 },
      { time: '2026-03-01T10:14:57.105091Z', measured_flow: 1 },
    ]);
    const truth = sim.truth.points(valve.id, us(newest) - 1, us(NOW));
    expect(truth.map(({ measuredFlowDlh }) => measuredFlowDlh)).toEqual([1728, 1, 2]);
  });

  test('points further apart than 15 s', async () => {
    Object.assign(valve, { everyUs: 40 * 60 * US_PER_SECOND, phaseUs: 0, jitterUs: 0 });
    const window = { from: '2026-03-01T09:00:00Z', to: '2026-03-01T10:10:00Z' };
    expect(await times(window)).toEqual(['2026-03-01T10:00:00.000000Z', '2026-03-01T09:20:00.000000Z']);
  });

  test('valves that move, are shared, and go; projects of one name', async () => {
    const [first, second] = sim.projects;
    if (!first || !second) throw new Error('two projects expected');
    second.name = first.name;
    second.valves.set(valve.id, valve);
    expect((await call('projects')).body).toMatchObject([{ tasmart_count: 3 }, { tasmart_count: 3, name: first.name }]);
    expect(sim.valves()).toHaveLength(5);
    first.valves.delete(valve.id);
    await points();
    second.valves.delete(valve.id);
    expect((await call(`ta-smart/${valve.id}/data/points`)).status).toBe(404);
  });
});

describe('the truth', () => {
  test('is what the API serves', async () => {
    const window = { from: '2026-01-01T00:00:00Z', to: '2026-01-01T01:00:00Z' };
    const { points: served } = await points({ ...window, direction: 'ascending', properties: FOUR });
    const truth = sim.truth.points(valve.id, us(window.from) - 1, us(window.to));
    const wire = truth.map((reading) => ({
      time: formatRfc3339(reading.timeUs),
      measured_flow: reading.measuredFlowDlh,
      measured_power: reading.measuredPowerDw,
      energy_counter_regime_1: Number(reading.energyCounter1Kwh),
      energy_counter_regime_2: Number(reading.energyCounter2Kwh),
    }));
    expect(served).toEqual(wire);
  });

  test('knows the energy, whatever the counters show', () => {
    const [from, to] = [us('2026-01-01T00:00:00Z'), us('2026-02-01T00:00:00Z')];
    const before = sim.truth.energyKwh(valve.id, from, to);
    const whole = Number(sim.truth.points(valve.id, to - 15 * US_PER_SECOND, to)[0]?.energyCounter1Kwh);
    const start = Number(sim.truth.points(valve.id, from - 15 * US_PER_SECOND, from)[0]?.energyCounter1Kwh);
    expect(Math.abs(before - (whole - start))).toBeLessThan(1.1);
    valve.counterJumps = [{ regime: 1, fromUs: from + US_PER_HOUR, kwh: 0 }];
    expect(sim.truth.energyKwh(valve.id, from, to)).toBe(before);
    expect(sim.truth.energyKwh(valve.id, 0, valve.installedUs)).toBe(0);
  });

  test('ends at the clock', () => {
    expect(sim.truth.points(valve.id, us(NOW), us(NOW) + US_PER_DAY)).toEqual([]);
  });
});

describe('faults', () => {
  const fault = (one: Fault): (() => void) => sim.faults.add({ fault: one });

  test('strike the requests they are meant for, as often as they are meant to', async () => {
    const remove = sim.faults.add({
      match: { valveId: valve.id },
      after: 1,
      times: 2,
      fault: { kind: 'status', status: 503 },
    });
    const status = async () => (await call(`ta-smart/${valve.id}/data/points`)).status;
    expect([await status(), await status(), await status(), await status()]).toEqual([200, 503, 503, 200]);
    remove();
    sim.faults.add({ match: ({ query }) => query.get('limit') === '7', fault: { kind: 'status', status: 500 } });
    sim.faults.add({ match: { path: /\/projects$/ }, fault: { kind: 'status', status: 502 } });
    expect(await status()).toBe(200);
    expect((await call(`ta-smart/${valve.id}/data/points`, { limit: 7 })).status).toBe(500);
    expect((await call('projects')).status).toBe(502);
    sim.faults.clear();
    expect((await call('projects')).status).toBe(200);
  });

  test.each<[Fault, object]>([
    [
      { kind: 'status', status: 429, headers: { 'Retry-After': '3' } },
      { status: 429, headers: { 'retry-after': '3' }, body: { status: 429 } },
    ],
    [
      { kind: 'status', status: 502, body: 'html' },
      { status: 502, body: '<html><body><h1>502</h1></body></html>' },
    ],
    [
      { kind: 'status', status: 504, body: 'empty' },
      { status: 504, body: '' },
    ],
    [
      { kind: 'body', text: 'hello', contentType: 'text/plain' },
      { status: 200, body: 'hello' },
    ],
    [
      { kind: 'redirect', location: 'http://example.com/' },
      { status: 302, headers: { location: 'http://example.com/' } },
    ],
    [{ kind: 'date', date: 'Thu, 01 Jan 1970 00:00:00 GMT' }, { headers: { date: 'Thu, 01 Jan 1970 00:00:00 GMT' } }],
    [{ kind: 'date', date: -60 * US_PER_SECOND }, { headers: { date: 'Sun, 01 Mar 2026 10:14:03 GMT' } }],
    [
      { kind: 'transform', transform: (projects: object[]) => projects.length },
      { status: 200, body: 2 },
    ],
  ])('%o', async (one, expected) => {
    fault(one);
    expect(await call('projects')).toMatchObject(expected);
  });

  test('no Date header', async () => {
    fault({ kind: 'date', date: null });
    expect((await call('projects')).headers['date']).toBeUndefined();
  });

  test.each<[Fault, RegExp, limitMs?: number]>([
    [{ kind: 'reset', when: 'before' }, /^ECONNRESET$/],
    [{ kind: 'reset', when: 'midBody' }, /^(ERR_BAD_RESPONSE|ECONNRESET)$/], // before Node.js 24, or since
    [{ kind: 'silence' }, /^ERR_CANCELED$/, 300],
    [{ kind: 'drip', everyMs: 20 }, /^ERR_CANCELED$/, 300],
    [{ kind: 'endless' }, /^ERR_BAD_RESPONSE$/],
    [{ kind: 'gzipBomb' }, /^ERR_BAD_RESPONSE$/],
  ])('%o', async (one, code, limitMs) => {
    fault(one);
    expect(await failure('projects', limitMs)).toMatch(code);
  });

  test('truncated JSON', async () => {
    fault({ kind: 'truncate' });
    const text = await (await fetch(`${sim.baseUrl}projects`, { headers: credentials() })).text();
    expect(text).toMatch(/^\[\{"id":"/);
    expect(() => JSON.parse(text) as unknown).toThrow(SyntaxError);
  });

  test('delays add up', async () => {
    sim.settings.latencyMs = 30;
    fault({ kind: 'delay', ms: 40 });
    const startMs = performance.now();
    await call('projects');
    expect(performance.now() - startMs).toBeGreaterThan(65);
  });

  test('ignored parameters, with an honest and with a lying echo', async () => {
    const asked = { from: '2026-03-01T10:00:00Z', to: '2026-03-01T10:10:00Z', limit: 1, direction: 'ascending' };
    const remove = fault({ kind: 'ignore', parameters: ['limit', 'to', 'direction'], echo: 'lying' });
    const lying = await points(asked);
    expect(lying).toMatchObject({ limit: 1, sort: 'ascending', to: '2026-03-01T10:10:00.000000Z' });
    expect(lying.points).toHaveLength(60);
    expect(lying.points[0]?.time).toBe('2026-03-01T10:14:57.105091Z');
    remove();
    fault({ kind: 'ignore', parameters: ['from'], echo: 'honest' });
    const honest = await points(asked);
    expect(honest.from).toBe('1970-01-01T00:00:00.000000Z');
    expect(us(honest.points[0]?.time ?? '') - valve.installedUs).toBeLessThan(16 * US_PER_SECOND);
  });

  test('a lower limit', async () => {
    fault({ kind: 'capLimit', limit: 100, echo: 'honest' });
    const { limit, points: served } = await points({ limit: 200 });
    expect([limit, served.length]).toEqual([100, 100]);
  });

  test('points of the future, shuffled, doubled, with strings for numbers', async () => {
    const sorted = await times({ limit: 5 });
    fault({ kind: 'shuffle' });
    const shuffled = await times({ limit: 5 });
    expect(shuffled).not.toEqual(sorted);
    expect(shuffled.toSorted().reverse()).toEqual(sorted);
    fault({ kind: 'double' });
    expect(await times({ limit: 5 })).toHaveLength(10);
    sim.faults.clear();
    fault({ kind: 'future', aheadUs: US_PER_HOUR });
    fault({ kind: 'numbersAsStrings' });
    const { points: served } = await points({ limit: 1, properties: ['measured_flow'] });
    expect(us(served[0]?.time ?? '')).toBeGreaterThan(us(NOW) + US_PER_HOUR - 16 * US_PER_SECOND);
    expect(served[0]?.['measured_flow']).toMatch(/^\d+$/);
  });

  test.each([
    ['seconds', '1'],
    ['date', 'Sun, 01 Mar 2026 10:15:04 GMT'],
    ['absent', undefined],
  ] as const)('too many requests in a second, Retry-After: %s', async (retryAfter, header) => {
    sim.settings.rateLimit = { perSecond: 2, retryAfter };
    const answers = [await call('projects'), await call('projects'), await call('projects')];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 429]);
    expect(answers[2]?.headers['retry-after']).toBe(header);
  });
});

describe('the log', () => {
  test('keeps what was asked, without the secrets', async () => {
    await points({ limit: 1, properties: ['measured_flow', 'measured_power'] });
    await call('projects', {}, { 'Requester-ID': 'wrong' });
    expect(sim.log).toMatchObject([
      {
        method: 'GET',
        path: `/api/v1/ta-smart/${valve.id}/data/points`,
        query: { limit: '1', 'properties[]': ['measured_flow', 'measured_power'] },
        hasApiKey: true,
        hasRequesterId: true,
        status: 200,
        atUs: us(NOW),
      },
      { path: '/api/v1/projects', hasApiKey: false, hasRequesterId: true, status: 401 },
    ]);
    expect(JSON.stringify(sim.log)).not.toContain('simulated-');
    expect(sim.totals().requests).toBe(2);
    expect(sim.totals().bytesSent).toBeGreaterThan(500);
  });

  test('can be bounded and switched off', async () => {
    sim.settings.logLength = 1;
    await call('projects');
    await call('valves');
    expect(sim.log.map(({ path }) => path)).toEqual(['/api/v1/valves']);
    sim.settings.logLength = 0;
    await call('projects');
    expect(sim.log).toEqual([]);
    expect(sim.totals().requests).toBe(3);
  });
});
