import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Reading } from '../../src/domain/reading.ts';
import { US_PER_SECOND, type Micros } from '../../src/domain/time.ts';
import type { HyCloud } from '../../src/hycloud/client.ts';
import { HyCloudError } from '../../src/hycloud/errors.ts';
import { fetchLatest, fetchRange, type Slice, type Window } from '../../src/polling/fetch.ts';
import { at, fakeHyCloud, reading, readings, VALVE, type FakeHyCloud, type Nonsense, type Quirks } from './builder.ts';

const START = at('10:00');

function windowOf(fromUs: Micros, toUs: Micros): Window {
  return { valve: VALVE, fromUs, toUs, properties: ['measured_flow'] };
}

async function fetchAll(hycloud: FakeHyCloud, fromUs: Micros, toUs: Micros): Promise<Slice[]> {
  const slices: Slice[] = [];
  for await (const slice of fetchRange(hycloud, windowOf(fromUs, toUs))) slices.push(slice);
  return slices;
}

const pointsOf = (slices: readonly Slice[]) => slices.flatMap(({ points }) => points);

/** A point every 15 s after START, numbered by its flow. */
function series(count: number): Reading[] {
  return Array.from({ length: count }, (_, n) => reading(START + (n + 1) * 15 * US_PER_SECOND, n));
}

describe('fetchRange', () => {
  test('reads pages of 2000, oldest first, each from where the last one ended', async () => {
    const hycloud = fakeHyCloud(series(4500));
    const slices = await fetchAll(hycloud, START, at('04:46') + 86_400 * US_PER_SECOND);
    expect(pointsOf(slices)).toEqual(series(4500));
    expect(hycloud.asked.map(({ limit, direction }) => [limit, direction])).toEqual([
      [2000, 'ascending'],
      [2000, 'ascending'],
      [2000, 'ascending'],
    ]);
  });

  test('asks once where less than a page is there', async () => {
    const hycloud = fakeHyCloud(series(1999));
    expect(pointsOf(await fetchAll(hycloud, START, at('18:21')))).toHaveLength(1999);
    expect(hycloud.asked).toHaveLength(1);
  });

  test('asks for nothing where the window is empty', async () => {
    const hycloud = fakeHyCloud(series(10));
    expect(await fetchAll(hycloud, START, START)).toEqual([]);
    expect(hycloud.asked).toEqual([]);
  });

  test('excludes the start of the window and includes its end, whatever HyCloud does', async () => {
    const points = readings('10:00:00', '10:00:00.000001', '10:15:00', '10:15:00.000001');
    for (const included of [true, false]) {
      const hycloud = fakeHyCloud(points, { inclusive: { from: included, to: included }, grainUs: 1000 });
      const slices = await fetchAll(hycloud, at('10:00'), at('10:15'));
      expect(pointsOf(slices)).toEqual(readings('10:00:00.000001', '10:15:00'));
    }
  });

  test('says how far each page reaches: all of it is covered at the end', async () => {
    const hycloud = fakeHyCloud(series(30), { cap: 20 });
    const covered = (await fetchAll(hycloud, START, at('10:09'))).map((slice) => slice.coveredUntilUs);
    expect(covered).toHaveLength(2);
    expect(covered[0]).toBeGreaterThanOrEqual(at('10:04:45'));
    expect(covered[0]).toBeLessThanOrEqual(at('10:05:00'));
    expect(covered[1]).toBe(at('10:09'));
  });

  test('takes a page of the default size for a full one: whoever ignores the limit sends that many', async () => {
    for (const echo of ['honest', 'lying', 'absent'] as const) {
      const hycloud = fakeHyCloud(series(700), { cap: 240, echo });
      expect(pointsOf(await fetchAll(hycloud, START, at('23:00')))).toEqual(series(700));
    }
  });

  test('asks once more where a page ends long before its window, for HyCloud may have cut it short', async () => {
    const capped = fakeHyCloud(series(700), { cap: 100, echo: 'lying' });
    expect(pointsOf(await fetchAll(capped, START, at('13:05')))).toEqual(series(700));
    const off = fakeHyCloud(series(100));
    expect(pointsOf(await fetchAll(off, START, at('13:00')))).toEqual(series(100));
    expect(off.asked).toHaveLength(2);
  });

  test('has the points that arrive between its pages', async () => {
    const late = reading(at('10:20'), 77);
    const hycloud = fakeHyCloud(series(30), { cap: 20, arriving: (request) => (request > 1 ? [late] : []) });
    expect(pointsOf(await fetchAll(hycloud, START, at('11:00')))).toEqual([...series(30), late]);
  });

  test('loses none of the points of one instant, where the page ends amid them', async () => {
    const points = [...series(3), reading(at('10:00:45'), 10), reading(at('10:00:45'), 11), reading(at('10:01'), 12)];
    const fetched = pointsOf(await fetchAll(fakeHyCloud(points, { cap: 4 }), START, at('11:00')));
    expect(fetched.map(({ measuredFlowDlh }) => measuredFlowDlh)).toEqual([0, 1, 2, 10, 11, 12]);
  });

  test.each([
    ['the direction', { ignores: ['direction'], cap: 240, echo: 'honest' }],
    ['the direction, and denies it', { ignores: ['direction'], cap: 240, echo: 'lying' }],
    ['the start', { ignores: ['from'], cap: 240, echo: 'lying' }],
    ['everything but one point a page', { cap: 1, echo: 'honest' }],
  ] satisfies [string, Partial<Quirks>][])('gives up on a HyCloud that ignores %s', async (_what, quirks) => {
    const hycloud = fakeHyCloud(series(1000), quirks);
    const error: unknown = await fetchAll(hycloud, at('12:00'), at('15:00')).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(HyCloudError);
    expect(error).toMatchObject({ failure: 'malformed' });
    expect(hycloud.asked.length).toBeLessThan(5);
  });
});

describe('fetchRange with points that make no sense', () => {
  const nonsense = (time: string, dated = true): Nonsense => ({ timeUs: at(time), dated });

  test('reports them beside the good ones, each once', async () => {
    const bad = ['10:01:20', '10:05:00.5', '10:12:00', '10:12:00'].map((time) => nonsense(time));
    const slices = await fetchAll(fakeHyCloud(series(60), { nonsense: bad, cap: 10 }), START, at('11:00'));
    expect(pointsOf(slices)).toEqual(series(60));
    expect(slices.flatMap(({ malformed }) => malformed.map(({ timeUs }) => timeUs))).toEqual(
      bad.map(({ timeUs }) => timeUs),
    );
  });

  test('leaves those out that lie just before the window', async () => {
    const slices = await fetchAll(fakeHyCloud([], { nonsense: [nonsense('09:59:59.9995')] }), START, at('11:00'));
    expect(slices.map(({ malformed }) => malformed)).toEqual([[]]);
  });

  test('gets past whole pages of them', async () => {
    const bad = series(5000).map(({ timeUs }) => ({ timeUs, dated: true }));
    const good = readings('10:00:01', '23:59:00');
    const hycloud = fakeHyCloud(good, { nonsense: bad, clocksUs: [at('23:59:59')] });
    const slices = await fetchAll(hycloud, START, START + 86_400 * US_PER_SECOND);
    expect(pointsOf(slices)).toEqual(good);
    expect(slices.flatMap(({ malformed }) => malformed)).toHaveLength(5000);
    expect(hycloud.asked.length).toBeLessThan(8);
  });

  test('gives up on a whole page of them without a time', async () => {
    const bad = series(2500).map(({ timeUs }) => ({ timeUs, dated: false }));
    const hycloud = fakeHyCloud([], { nonsense: bad });
    await expect(fetchAll(hycloud, START, at('23:00'))).rejects.toMatchObject({ failure: 'malformed' });
    expect(hycloud.asked).toHaveLength(1);
  });
});

describe('every point of the window exactly once, or an error; and it always ends:', () => {
  const gapsUs = fc.array(fc.constantFrom(0, 1, 400, 999, 1000, 1001, 15 * US_PER_SECOND), { maxLength: 60 });
  const server = fc.record({
    inclusive: fc.record({ from: fc.boolean(), to: fc.boolean() }),
    grainUs: fc.constantFrom(1, 1000),
    cap: fc.integer({ min: 1, max: 12 }),
  });
  const bounds = fc.tuple(fc.nat(60), fc.nat(60), fc.integer({ min: -1, max: 1 }), fc.integer({ min: -1, max: 1 }));

  function pointsAfter(gaps: readonly number[]): Reading[] {
    let timeUs = START;
    return gaps.map((gap, n) => reading((timeUs += gap), n));
  }

  async function expectExactlyOnce(
    points: readonly Reading[],
    [first, last, early, late]: readonly [number, number, number, number],
    quirks: Partial<Quirks>,
  ): Promise<boolean> {
    const fromUs = (points[first]?.timeUs ?? START) + early;
    const toUs = (points[last]?.timeUs ?? at('11:00')) + late;
    const hycloud = fakeHyCloud(points, quirks);
    const outcome = await fetchAll(hycloud, fromUs, toUs).catch((error: unknown) => error);
    expect(hycloud.asked.length).toBeLessThanOrEqual(points.length + 1);
    if (outcome instanceof HyCloudError) return false;
    const expected = points.filter(({ timeUs }) => timeUs > fromUs && timeUs <= toUs);
    const numbers = pointsOf(outcome as Slice[]).map(({ measuredFlowDlh }) => Number(measuredFlowDlh));
    expect(numbers.sort((a, b) => a - b)).toEqual(expected.map(({ measuredFlowDlh }) => measuredFlowDlh));
    return true;
  }

  test('whatever the times, bounds, precision and page size', async () => {
    await fc.assert(
      fc.asyncProperty(gapsUs, server, bounds, async (gaps, quirks, edges) => {
        await expectExactlyOnce(pointsAfter(gaps), edges, quirks);
      }),
      { numRuns: 500 },
    );
  });

  test('never an error where points are milliseconds apart and a page holds a few', async () => {
    const apart = fc.array(fc.constantFrom(2001, 5000, 15 * US_PER_SECOND), { maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(apart, server, bounds, async (gaps, quirks, edges) => {
        expect(await expectExactlyOnce(pointsAfter(gaps), edges, { ...quirks, cap: quirks.cap + 3 })).toBe(true);
      }),
    );
  });

  test('whatever HyCloud ignores', async () => {
    const ignores = fc.subarray(['from', 'to', 'limit', 'direction'] as const);
    const distinct = fc.array(fc.constantFrom(1, 400, 1000, 15 * US_PER_SECOND), { maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(distinct, server, bounds, ignores, async (gaps, quirks, edges, ignored) => {
        await expectExactlyOnce(pointsAfter(gaps), edges, { ...quirks, cap: quirks.cap + 1, ignores: ignored });
      }),
      { numRuns: 500 },
    );
  });
});

describe('fetchLatest', () => {
  const points = readings('10:00:00', '10:07:00', '10:14:58.535091', '10:15:00.000001');

  test('asks for one point, and has the newest of the window', async () => {
    const hycloud = fakeHyCloud(readings('10:00:00', '10:07:00', '10:14:58.535091', '10:15:13'));
    const slice = await fetchLatest(hycloud, windowOf(at('10:00'), at('10:15')));
    expect(slice?.points).toEqual(readings('10:14:58.535091'));
    expect(slice?.coveredUntilUs).toBe(at('10:15'));
    expect(hycloud.asked).toMatchObject([{ limit: 1, direction: 'descending', properties: ['measured_flow'] }]);
  });

  test('has a point exactly at the end, however HyCloud sees its bounds', async () => {
    for (const included of [true, false]) {
      const hycloud = fakeHyCloud(readings('10:15:00'), { inclusive: { from: included, to: included }, grainUs: 1000 });
      expect((await fetchLatest(hycloud, windowOf(at('10:00'), at('10:15'))))?.points).toEqual(readings('10:15:00'));
    }
  });

  test('has none where the only point lies at the start', async () => {
    const slice = await fetchLatest(fakeHyCloud(readings('10:00:00')), windowOf(at('10:00'), at('10:15')));
    expect(slice?.points).toEqual([]);
  });

  test.each([
    ['a point lies just behind the end', {}],
    ['HyCloud ignores the end', { ignores: ['to'] }],
  ] satisfies [string, Partial<Quirks>][])('is not sure where %s', async (_why, quirks) => {
    expect(await fetchLatest(fakeHyCloud(points, quirks), windowOf(at('10:00'), at('10:15')))).toBeNull();
  });

  test('is not sure where HyCloud says that it went the other way', async () => {
    const hycloud = fakeHyCloud(readings('10:07'));
    const ascending: HyCloud['getPoints'] = async (valve, query) => ({
      ...(await hycloud.getPoints(valve, query)),
      sort: 'ascending',
    });
    expect(await fetchLatest({ ...hycloud, getPoints: ascending }, windowOf(at('10:00'), at('10:15')))).toBeNull();
  });

  test('has the newest of a HyCloud that ignores the limit and says nothing', async () => {
    const hycloud = fakeHyCloud(readings('10:01', '10:02', '10:03'), { ignores: ['limit'], echo: 'absent' });
    expect((await fetchLatest(hycloud, windowOf(at('10:00'), at('10:15'))))?.points).toEqual(readings('10:03'));
  });

  test('passes on what makes no sense', async () => {
    const hycloud = fakeHyCloud([], { nonsense: [{ timeUs: at('10:14'), dated: true }] });
    const slice = await fetchLatest(hycloud, windowOf(at('10:00'), at('10:15')));
    expect(slice).toMatchObject({ points: [], malformed: [{ timeUs: at('10:14'), reason: 'nonsense' }] });
  });
});
