import { describe, expect, test } from 'vitest';
import { formatRfc3339, US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, type Micros } from '../../src/domain/time.ts';
import { NOW_US, setStage, syncedUntil } from './support/database-stage.ts';
import { boundaryPoints, INTERVAL_US, lastBoundary, storedRows } from './support/rows.ts';
import { logLines } from '../support/cli.ts';

describe('a Date that is ahead in one run costs no reading of the runs after it', () => {
  test.each([
    ['by a day, in every answer', /./, US_PER_DAY],
    ['by a day, in that of the project', /projects/, US_PER_DAY],
    ['by 40 days, in that of the project', /projects/, 40 * US_PER_DAY],
    ['by 40 days, in every answer', /./, 40 * US_PER_DAY],
  ])('%s', async (_how, path, aheadUs) => {
    const stage = await setStage();
    const { simulator } = stage;
    expect((await stage.run()).code).toBe(0);
    simulator.clock.advance(US_PER_HOUR);
    simulator.faults.add({ match: { path }, fault: { kind: 'date', date: aheadUs } });
    expect((await stage.run()).code).toBe(0);
    simulator.faults.clear();
    for (const hours of [5, 7]) {
      simulator.clock.advance(hours * US_PER_HOUR);
      expect((await stage.run()).code).toBe(0);
    }
    const toUs = lastBoundary(simulator.clock.now());
    const rows = await storedRows(stage.client);
    for (const { id } of simulator.valves()) {
      const due = boundaryPoints(simulator, id, lastBoundary(NOW_US), toUs);
      expect(due).toHaveLength((toUs - lastBoundary(NOW_US)) / INTERVAL_US);
      expect(rows.filter((row) => due.some(({ us }) => row.id === id && row.us === us))).toEqual(due);
    }
  });
});

test.each([20, 40, 365])('a Date that is %i days ahead after an outage of tasmart costs no reading', async (days) => {
  const stage = await setStage();
  const { simulator } = stage;
  const startUs = Date.now() * 1000 - 15 * US_PER_DAY;
  simulator.clock.set(startUs);
  expect((await stage.run()).code).toBe(0);
  simulator.clock.set(Date.now() * 1000);
  simulator.faults.add({ fault: { kind: 'date', date: days * US_PER_DAY } });
  expect((await stage.run()).code).toBe(0);
  simulator.faults.clear();
  expect((await stage.run()).code).toBe(0);
  const rows = await storedRows(stage.client);
  for (const { id } of simulator.valves()) {
    const due = boundaryPoints(simulator, id, lastBoundary(startUs), lastBoundary(simulator.clock.now()));
    expect(rows.filter((row) => due.some(({ us }) => row.id === id && row.us === us))).toEqual(due);
  }
});

describe('a Date that is ahead, and nobody runs until that time has come: no reading is lost', () => {
  test.each([
    ['poll, by an hour', ['poll'], () => US_PER_HOUR],
    [
      'poll, just beyond the next boundary',
      ['poll'],
      (nowUs: Micros) => lastBoundary(nowUs) + INTERVAL_US - nowUs + 2e6,
    ],
    ['backfill, by an hour', ['backfill', '--from', '2h'], () => US_PER_HOUR],
  ])('%s', async (_what, args, aheadUs) => {
    const stage = await setStage();
    const { simulator } = stage;
    simulator.clock.run(); // beside the database's clock, whenever a boundary comes
    const startUs = Date.now() * 1000;
    simulator.clock.set(startUs);
    simulator.faults.add({ match: { path: /./ }, fault: { kind: 'date', date: aheadUs(startUs) } });
    expect((await stage.run(args)).code).toBe(0);
    simulator.faults.clear();
    simulator.clock.advance(2 * US_PER_HOUR);
    expect((await stage.run(args)).code).toBe(0);
    const rows = await storedRows(stage.client);
    for (const { id } of simulator.valves()) {
      const due = boundaryPoints(simulator, id, lastBoundary(startUs), lastBoundary(simulator.clock.now()));
      expect(due.length).toBeGreaterThanOrEqual(8);
      expect(rows.filter((row) => due.some(({ us }) => row.id === id && row.us === us))).toEqual(due);
    }
  });
});

test('a Date that is ahead together with a point, and nobody runs until that time has come: no reading is lost', async () => {
  const stage = await setStage();
  const { simulator } = stage;
  const startUs = Date.now() * 1000;
  simulator.clock.set(startUs);
  expect((await stage.run()).code).toBe(0);
  const time = formatRfc3339(startUs + US_PER_HOUR - US_PER_MINUTE);
  const addPoint = (answer: { points: { time: string }[] }) => ({
    ...answer,
    points: [...answer.points, { ...answer.points[0], time }],
  });
  simulator.faults.add({ fault: { kind: 'date', date: US_PER_HOUR } });
  simulator.faults.add({ match: { path: /points/ }, fault: { kind: 'transform', transform: addPoint } });
  expect((await stage.run()).code).toBe(0);
  expect((await storedRows(stage.client)).filter(({ us }) => us > startUs)).toHaveLength(3);
  simulator.faults.clear();
  simulator.clock.advance(2 * US_PER_HOUR);
  expect((await stage.run()).code).toBe(0);
  const rows = await storedRows(stage.client);
  for (const { id } of simulator.valves()) {
    const due = boundaryPoints(simulator, id, lastBoundary(startUs), lastBoundary(simulator.clock.now()));
    expect(rows.filter((row) => due.some(({ us }) => row.id === id && row.us === us))).toEqual(due);
  }
});

test.each(['Fri, 31 Dec 9999 23:59:59 GMT', 'Sat, 12 Sep 275760 23:59:59 GMT'])(
  'a Date that cannot be (%s) is none',
  async (date) => {
    const { simulator, client, run } = await setStage({ nowUs: Date.now() * 1000 });
    simulator.faults.add({ fault: { kind: 'date', date } });
    expect((await run()).code).toBe(0);
    expect(Math.max(...(await syncedUntil(client)).map(Number))).toBeLessThanOrEqual(Date.now() * 1000);
  },
);

test('what catch_up_days keeps a run from reading is told, with the command that reads it', async () => {
  const stage = await setStage();
  expect((await stage.run()).code).toBe(0);
  stage.simulator.clock.advance(3 * US_PER_DAY);
  const config = { catch_up_days: 1 };
  const { code, stderr } = await stage.run(['poll'], { config });
  expect(code).toBe(0);
  expect(logLines(stderr).filter(({ level }) => level === 'warn')).toEqual([
    {
      level: 'warn',
      time: expect.any(String) as string,
      valves: 3,
      remedy: 'run "tasmart backfill --from 2026-03-01T10:00:00.000000Z --to 2026-03-03T10:00:00.000000Z"',
      msg: 'valves were last synced longer ago than catch_up_days; what lies between is not fetched',
    },
  ]);
  expect(new Set(await syncedUntil(stage.client))).toEqual(new Set([lastBoundary(NOW_US + 3 * US_PER_DAY)]));
  expect((await stage.run(['poll'], { config })).stderr).not.toContain('catch_up_days');
});
