import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Fault } from '../../scripts/simulator/faults.ts';
import { createProject, type Valve } from '../../scripts/simulator/fleet.ts';
import { US_PER_HOUR, US_PER_MINUTE, type Micros } from '../../src/domain/time.ts';
import { at, flaws, NO_FLAWS, openSite, type Run, type Site } from './support/hycloud-site.ts';
import { type Row } from './support/rows.ts';

interface Oddity {
  name: string;
  fault: Fault;
  /** why nothing can be made of it, for a valve that catches up over two pages; without: everything is stored */
  catchingUp?: RegExp;
  /** the same for a valve in step, asked for single points */
  inStep?: RegExp;
}

const NOT_AS_ASKED = /not sorted or cut as asked for/;
const NONSENSE = /make no sense and were not stored/;

const ODDITIES: readonly Oddity[] = [
  { name: 'none', fault: { kind: 'delay', ms: 0 } },
  { name: 'limit ignored', fault: { kind: 'ignore', parameters: ['limit'], echo: 'honest' } },
  { name: 'limit ignored, denied', fault: { kind: 'ignore', parameters: ['limit'], echo: 'lying' } },
  { name: 'limit replaced by the default', fault: { kind: 'capLimit', limit: 240, echo: 'lying' } },
  { name: 'limit capped', fault: { kind: 'capLimit', limit: 500, echo: 'honest' } },
  { name: 'limit capped, denied', fault: { kind: 'capLimit', limit: 500, echo: 'lying' } },
  {
    name: 'from ignored',
    fault: { kind: 'ignore', parameters: ['from'], echo: 'honest' },
    catchingUp: NOT_AS_ASKED,
  },
  {
    name: 'from ignored, denied',
    fault: { kind: 'ignore', parameters: ['from'], echo: 'lying' },
    catchingUp: NOT_AS_ASKED,
  },
  { name: 'to ignored', fault: { kind: 'ignore', parameters: ['to'], echo: 'honest' } },
  { name: 'to ignored, denied', fault: { kind: 'ignore', parameters: ['to'], echo: 'lying' } },
  {
    name: 'direction ignored',
    fault: { kind: 'ignore', parameters: ['direction'], echo: 'honest' },
    catchingUp: NOT_AS_ASKED,
  },
  {
    name: 'direction ignored, denied',
    fault: { kind: 'ignore', parameters: ['direction'], echo: 'lying' },
    catchingUp: NOT_AS_ASKED,
  },
  {
    name: 'everything ignored',
    fault: { kind: 'ignore', parameters: ['from', 'to', 'limit', 'direction'], echo: 'lying' },
    catchingUp: NOT_AS_ASKED,
    inStep: NOT_AS_ASKED,
  },
  { name: 'out of order', fault: { kind: 'shuffle' }, catchingUp: NOT_AS_ASKED },
  { name: 'doubled', fault: { kind: 'double' } },
  { name: 'numbers as texts', fault: { kind: 'numbersAsStrings' }, catchingUp: NONSENSE, inStep: NONSENSE },
  { name: 'from the future', fault: { kind: 'future', aheadUs: US_PER_HOUR }, inStep: NONSENSE },
  { name: 'a little from the future', fault: { kind: 'future', aheadUs: 2 * US_PER_MINUTE } },
  {
    name: 'points that are none',
    fault: { kind: 'body', text: '{"points": [null, 1, "x", [], {}, {"time": 5}]}' },
    catchingUp: /6 of its points make no sense and were not stored: a point that is not an object/,
    inStep: NONSENSE,
  },
  {
    name: 'no list of points',
    fault: { kind: 'body', text: '{"points": {}}' },
    catchingUp: /does not match the API/,
    inStep: /does not match the API/,
  },
];

const modes = [
  ['catchingUp', at('00:00:00'), at('10:31:03'), at('10:46:03')],
  ['inStep', at('10:15:00'), at('10:31:03'), at('10:46:03')],
] as const;

describe.each(modes)('odd points of a valve, %s', (mode, syncedUs, faultyUs, healthyUs) => {
  let site: Site;
  let faulty: Run;
  let healthy: Run;
  let rowsThen: Row[];
  const syncedThen = new Map<Valve, string | null>();
  const valveOf = (index: number): Valve => site.valves[index] ?? expect.fail('there is a valve for each oddity');
  const ofValve = ({ id }: Valve) => ({
    ...site,
    rows: () => Promise.resolve(rowsThen.filter((row) => row.id === id)),
    valves: site.valves.filter((valve) => valve.id === id),
  });

  beforeAll(async () => {
    const config = { max_concurrency: 32 };
    site = await openSite({ valves: ODDITIES.length, nowUs: faultyUs, syncedUs, config });
    ODDITIES.forEach(({ fault }, index) => {
      site.hycloud.faults.add({ match: { valveId: valveOf(index).id }, fault });
    });
    faulty = await site.run();
    rowsThen = await site.rows();
    for (const valve of site.valves) syncedThen.set(valve, await site.syncedUntil(valve));
    healthy = await site.healthyRun(healthyUs);
  });

  afterAll(() => site.close());

  test('the run is partial', () => {
    expect(faulty.code).toBe(2);
  });

  test.each(ODDITIES.map((oddity, index) => ({ ...oddity, index })))('$name', async ({ index, ...oddity }) => {
    const valve = valveOf(index);
    const warning = faulty.log.find(({ tasmart_id }) => tasmart_id === valve.id);
    const { missing, wrong } = await flaws(ofValve(valve), { sinceUs: syncedUs, untilUs: faultyUs });
    expect(wrong).toEqual([]);
    const reason = oddity[mode];
    if (reason) {
      expect(warning?.msg).toMatch(reason);
      expect(warning?.remedy).toMatch(/in every run|the next run will catch up/);
      expect(syncedThen.get(valve)).toBe(clock(syncedUs));
    } else {
      expect({ missing, synced: syncedThen.get(valve) }).toEqual({ missing: [], synced: '10:30:00' });
    }
  });

  test('the next run repairs everything', async () => {
    expect(healthy.code).toBe(0);
    expect(await flaws(site, { sinceUs: syncedUs })).toEqual(NO_FLAWS);
    for (const valve of site.valves) expect(await site.syncedUntil(valve)).toBe('10:45:00');
  });
});

function clock(timeUs: Micros): string {
  return new Date(timeUs / 1000).toISOString().slice(11, 19);
}

test('two points of one instant cost nothing, and one of them is stored', async () => {
  const site = await openSite({ valves: 1 });
  const [valve] = site.valves as [Valve];
  const timeUs = at('10:14:59');
  valve.extraPoints = [
    { timeUs, values: { measured_flow: 1 } },
    { timeUs, values: { measured_flow: 2 } },
  ];
  expect((await site.run()).code).toBe(0);
  const flows = (await site.rows()).filter(({ us }) => us === at('10:14:59'));
  expect(flows.map(({ measured }) => measured[0])).toEqual(['1']);
  await site.close();
});

test('one valve of many fails always: the others never lack a row, and it catches up in the end', async () => {
  const site = await openSite({ valves: 8 });
  const [sick, ...sound] = site.valves as [Valve, ...Valve[]];
  site.hycloud.faults.add({ match: { valveId: sick.id }, fault: { kind: 'status', status: 404 } });
  for (const time of ['10:31:03', '10:46:03', '11:01:03']) {
    site.hycloud.clock.set(at(time));
    const run = await site.run();
    expect(run.code).toBe(2);
    expect(await flaws({ ...site, valves: sound })).toEqual(NO_FLAWS);
    expect(await site.syncedUntil(sick)).toBe('10:00:00');
  }
  expect((await site.healthyRun(at('11:16:03'))).code).toBe(0);
  expect(await flaws(site)).toEqual(NO_FLAWS);
  await site.close();
});

test.each([
  ['a server error', { kind: 'status', status: 503 }, 69],
  ['no right', { kind: 'status', status: 403 }, 77],
  ['gone', { kind: 'status', status: 404 }, 69],
  ['another shape', { kind: 'body', text: '[]' }, 69],
] as [string, Fault, number][])('all valves fail: %s', async (_name, fault, code) => {
  const site = await openSite({ valves: 4 });
  site.hycloud.faults.add({ match: { path: /points/ }, fault });
  const run = await site.run();
  expect(run.code).toBe(code);
  expect(run.log.filter(({ level, remedy }) => level === 'warn' && remedy !== undefined).length).toBe(4);
  expect(await site.rows()).toEqual([]);
  const { rows } = await site.client.query<{ error: string }>(
    'select outcome, valves, failed, error from tasmart_runs',
  );
  expect(rows).toMatchObject([{ outcome: 'failed', valves: 4, failed: 4 }]);
  expect(rows[0]?.error).toMatch(/^HyCloud, GET ta-smart/);
  expect((await site.healthyRun()).code).toBe(0);
  expect(await flaws(site)).toEqual(NO_FLAWS);
  await site.close();
});

test('the list of valves changes between two runs: a new one begins, a lost one keeps its rows and may return', async () => {
  const site = await openSite({ valves: [3, 1] });
  const [project, other] = site.hycloud.projects as [Site['hycloud']['projects'][0], Site['hycloud']['projects'][0]];
  const [leaving] = site.valves as [Valve];
  const [arriving] = [...other.valves.values()] as [Valve];
  expect((await site.run()).code).toBe(0);
  project.valves.delete(leaving.id);
  project.valves.set(arriving.id, arriving);
  expect((await site.healthyRun(at('10:46:03'))).code).toBe(0);
  expect(await site.syncedUntil(leaving)).toBe('10:30:00');
  expect(await site.syncedUntil(arriving)).toBe('10:45:00');
  project.valves.set(leaving.id, leaving);
  expect((await site.healthyRun(at('11:01:03'))).code).toBe(0);
  expect(await flaws(site)).toEqual(NO_FLAWS);
  const { rows } = await site.client.query(
    `select tasmart_id, old_value, new_value from tasmart_valve_history where attribute = 'project_id'`,
  );
  expect(rows).toEqual([{ tasmart_id: arriving.id, old_value: other.id, new_value: project.id }]);
  await site.close();
});

test('two projects share a valve: it is asked once, stored once, and belongs to the first', async () => {
  const site = await openSite({ valves: 2 });
  const { hycloud } = site;
  const [project] = hycloud.projects as [Site['hycloud']['projects'][0]];
  const second = createProject(1, 1, [...project.valves.values()]);
  hycloud.projects.push(second);
  const targets = [{ project_id: project.id }, { project_id: second.id }];
  const { code } = await site.run({ config: { target_project_id: undefined, targets } });
  expect(code).toBe(0);
  expect(hycloud.log.map(({ path }) => path.split('/')[3]).sort()).toEqual([
    'projects',
    'projects',
    'projects',
    'ta-smart',
    'ta-smart',
  ]);
  expect(await flaws(site)).toEqual(NO_FLAWS);
  const { rows } = await site.client.query('select distinct project_id from tasmart_valves');
  expect(rows).toEqual([{ project_id: project.id }]);
  await site.close();
});
