import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startSimulator, type Simulator } from '../../scripts/simulator/simulator.ts';
import { MEASURED_PROPERTIES } from '../../src/domain/reading.ts';
import { parseRfc3339, US_PER_HOUR } from '../../src/domain/time.ts';
import type { HyCloud, HyCloudOptions, PointsQuery } from '../../src/hycloud/client.ts';
import { clientOf } from './server.ts';

const NOW = parseRfc3339('2026-03-01T10:15:03.120045Z') ?? 0;
const QUERY: PointsQuery = {
  fromUs: NOW - US_PER_HOUR,
  toUs: NOW,
  limit: 3,
  direction: 'descending',
  properties: ['measured_flow', 'position'],
};

let sim: Simulator;
let hycloud: HyCloud;

function connect(options: Partial<HyCloudOptions> = {}): HyCloud {
  const { apiKey, requesterId } = sim.settings;
  return clientOf(sim.baseUrl, { apiKey, requesterId, ...options });
}

beforeEach(async () => {
  sim = await startSimulator({ nowUs: NOW, valves: [2, 1] });
  hycloud = connect();
});

afterEach(async () => {
  hycloud.close();
  await sim.close();
});

async function someValve() {
  const project = await hycloud.getProject(sim.projects[0]?.id ?? '');
  const [valve] = project.valves;
  if (!valve) throw new Error('no valve');
  return valve;
}

test('projects, valves and firmware are read', async () => {
  const [first, second] = await hycloud.listProjects();
  expect([first?.valveCount, second?.valveCount]).toEqual([2, 1]);
  const project = await hycloud.getProject(first?.id ?? '');
  expect(project).toMatchObject({ id: first?.id, name: first?.name, unreadable: [] });
  const [known] = sim.valves();
  expect(project.valves[0]).toMatchObject({
    id: known?.id,
    fullSn: known?.fullSn,
    shortSn: known?.shortSn,
    pointsPath: null,
  });
  expect(await hycloud.latestFirmware()).toBe('1.9.2');
  expect(hycloud.stats).toEqual({ requests: 3, retries: 0 });
});

test('points are asked for as the API wants it', async () => {
  const valve = await someValve();
  const page = await hycloud.getPoints(valve, QUERY);
  const asked = sim.log.at(-1);
  expect(asked?.path).toBe(`/api/v1/ta-smart/${valve.id}/data/points`);
  expect(asked?.query).toEqual({
    from: '2026-03-01T09:15:03.120045Z',
    to: '2026-03-01T10:15:03.120045Z',
    limit: '3',
    direction: 'descending',
    'properties[]': ['measured_flow', 'position'],
  });
  expect(page).toMatchObject({ sort: 'descending', limit: 3, malformed: [] });
  const truth = sim.truth.points(valve.id, QUERY.fromUs, QUERY.toUs).slice(-3).reverse();
  const readings = page.points;
  expect(readings.map(({ timeUs, measuredFlowDlh }) => [timeUs, measuredFlowDlh])).toEqual(
    truth.map(({ timeUs, measuredFlowDlh }) => [timeUs, measuredFlowDlh]),
  );
  expect(readings[0]?.measuredPowerDw).toBeNull();
});

test.each(['micros', 'short', 'nanos'] as const)('microseconds survive in the format %s', async (timeFormat) => {
  sim.settings.timeFormat = timeFormat;
  const valve = await someValve();
  const page = await hycloud.getPoints(valve, { ...QUERY, limit: 1 });
  expect(page.points[0]?.timeUs).toBe(sim.truth.points(valve.id, QUERY.fromUs, QUERY.toUs).at(-1)?.timeUs);
});

test('points without any property, of an answer that names none of those asked for, are malformed', async () => {
  const valve = await someValve();
  const emptied = (properties: string[] | string | undefined) =>
    sim.faults.add({
      match: { path: /points/ },
      times: 1,
      fault: {
        kind: 'transform',
        transform: (answer: { points: { time: string }[] }) => ({
          ...answer,
          properties,
          points: answer.points.map(({ time }) => ({ time })),
        }),
      },
    });
  emptied([]);
  await expect(hycloud.getPoints(valve, QUERY)).rejects.toMatchObject({
    failure: 'malformed',
    message: expect.stringContaining('a proxy may drop properties[]') as string,
  });
  sim.faults.add({
    times: 1,
    fault: { kind: 'transform', transform: (answer: object) => ({ ...answer, properties: [] }) },
  });
  expect((await hycloud.getPoints(valve, QUERY)).points).toHaveLength(3);
  for (const properties of [['measured_flow'], undefined, 'none']) {
    emptied(properties);
    expect((await hycloud.getPoints(valve, QUERY)).points).toHaveLength(3);
  }
});

test('the position is read under its other name too', async () => {
  sim.settings.positionKey = 'actuator_position';
  const page = await hycloud.getPoints(await someValve(), QUERY);
  expect(page.points.every(({ positionBp }) => positionBp !== null)).toBe(true);
});

describe('a bad point', () => {
  test('costs itself only', async () => {
    const valve = await someValve();
    const [known] = sim.valves();
    if (known) known.extraPoints = [{ timeUs: NOW - 1, raw: { measured_flow: '12' } }];
    const page = await hycloud.getPoints(valve, QUERY);
    expect(page.points).toHaveLength(2);
    expect(page.malformed).toEqual([{ timeUs: NOW - 1, reason: 'measured_flow is not an int32' }]);
  });

  test('has many like it where numbers come as texts', async () => {
    sim.faults.add({ fault: { kind: 'numbersAsStrings' } });
    const page = await hycloud.getPoints(await someValve(), { ...QUERY, properties: MEASURED_PROPERTIES });
    expect([page.points.length, page.malformed.length]).toEqual([0, 3]);
  });
});

describe("HyCloud's clock", () => {
  test('is ours until it has answered, then that of its last answer, to the second', async () => {
    expect(hycloud.serverTimeUs()).toBe(1_772_360_103_000_000);
    sim.clock.set(NOW + US_PER_HOUR);
    await hycloud.listProjects();
    expect(hycloud.serverTimeUs()).toBe(parseRfc3339('2026-03-01T11:15:03Z'));
  });

  test.each([null, 'yesterday', '0', 'Sun Mar  1 11:15:03 2026'])(
    'is ours where it sends none that is one: %j',
    async (date) => {
      sim.faults.add({ fault: { kind: 'date', date } });
      const page = await hycloud.getPoints(await someValve(), QUERY);
      expect(page.serverTimeUs).toBe(1_772_360_103_000_000);
      expect(hycloud.serverTimeUs()).toBe(1_772_360_103_000_000);
    },
  );
});

test('no more calls are under way than allowed', async () => {
  const valve = await someValve();
  await hycloud.getPoints(valve, QUERY);
  hycloud.close();
  sim.settings.latencyMs = 20;
  hycloud = connect({ maxConcurrency: 2 });
  const startedMs = performance.now();
  await Promise.all(Array.from({ length: 6 }, () => hycloud.getPoints(valve, QUERY)));
  expect(performance.now() - startedMs).toBeGreaterThanOrEqual(55);
});

describe('what a failure is called', () => {
  test.each([
    [400, 'rejected', 'hycloud', 1],
    [401, 'unauthorized', 'credentials', 1],
    [403, 'forbidden', 'credentials', 1],
    [404, 'not-found', 'hycloud', 1],
    [408, 'timeout', 'hycloud', 5],
    [425, 'timeout', 'hycloud', 5],
    [429, 'rate-limited', 'hycloud', 5],
    [500, 'server', 'hycloud', 5],
    [503, 'server', 'hycloud', 5],
    [204, 'unreadable', 'hycloud', 5],
    [302, 'redirect', 'hycloud', 1],
  ])('HTTP %i: %s (%s), after %i attempts', async (status, failure, kind, attempts) => {
    for (const body of ['problem', 'html', 'empty'] as const) {
      const remove = sim.faults.add({ fault: { kind: 'status', status, body, headers: { 'retry-after': '0' } } });
      hycloud.close();
      hycloud = connect();
      const before = sim.log.length;
      await expect(hycloud.listProjects()).rejects.toMatchObject({ failure, kind, status });
      expect(sim.log.length - before).toBe(attempts);
      remove();
    }
  });

  test.each(['type', 'type_uri'] as const)('names the problem under %s', async (problemTypeKey) => {
    sim.settings.problemTypeKey = problemTypeKey;
    await expect(hycloud.getProject('7b0e8a52-6a1c-4a0b-8d7e-0123456789ab')).rejects.toMatchObject({
      message: 'HyCloud, GET projects/7b0e8a52-6a1c-4a0b-8d7e-0123456789ab: HTTP 404 (api/v1/not-found)',
    });
  });

  test('keeps a problem’s type out where it is no such thing', async () => {
    const text = JSON.stringify({ type: 'see \u001b[31mhttps://example.com' });
    sim.faults.add({ fault: { kind: 'body', text } });
    sim.faults.add({ fault: { kind: 'status', status: 404, body: 'html' } });
    await expect(hycloud.listProjects()).rejects.toMatchObject({ message: 'HyCloud, GET projects: HTTP 404' });
  });
});

test('what passes by itself is counted as a retry', async () => {
  sim.faults.add({ times: 2, fault: { kind: 'status', status: 503 } });
  sim.faults.add({ after: 2, times: 1, fault: { kind: 'reset', when: 'midBody' } });
  expect(await hycloud.listProjects()).toHaveLength(2);
  expect(hycloud.stats).toEqual({ requests: 4, retries: 3 });
});

test('refused credentials are not tried again by the next call', async () => {
  sim.faults.add({ times: 1, fault: { kind: 'status', status: 401 } });
  await expect(hycloud.listProjects()).rejects.toMatchObject({ failure: 'unauthorized' });
  await expect(hycloud.latestFirmware()).rejects.toMatchObject({ failure: 'unauthorized' });
  expect(sim.log).toHaveLength(1);
});

test('credentials that were good a moment ago are tried once more', async () => {
  await hycloud.listProjects();
  sim.faults.add({ times: 1, fault: { kind: 'status', status: 401 } });
  expect(await hycloud.listProjects()).toHaveLength(2);
  expect(hycloud.stats).toEqual({ requests: 3, retries: 1 });
  sim.faults.add({ times: 2, fault: { kind: 'status', status: 401 } });
  await expect(hycloud.listProjects()).rejects.toMatchObject({ failure: 'unauthorized' });
  await expect(hycloud.listProjects()).rejects.toMatchObject({ failure: 'unauthorized' });
  expect(hycloud.stats).toEqual({ requests: 5, retries: 2 });
});
