/** The sentences of the definition, one by one. Readings are 15 minutes apart. */
import { expect, test } from 'vitest';
import { US_PER_HOUR, US_PER_MINUTE } from '../../src/domain/time.ts';
import type { CounterReading } from '../../src/domain/energy.ts';
import { driver, fromScratch, START_US, totalKwh, type Judged } from './support.ts';

/** A reading every quarter of an hour. */
function every15(counters: number[], powerKw: number | null, fromHour = 0): CounterReading[] {
  return counters.map((counterKwh, i) => ({
    timeUs: START_US + fromHour * US_PER_HOUR + i * 15 * US_PER_MINUTE,
    counterKwh,
    powerKw,
  }));
}
const pick = ({ quarters, events }: Judged): Judged => ({ quarters, events });
const still = (kwh: number, hours: number) => Array<number>(hours * 4).fill(kwh);

test('a reading at most 2 kWh lower follows: the level stays, and coming back costs nothing', () => {
  const judged = fromScratch(every15([1000, ...still(998, 30), 1000, 1001], 0));
  expect(totalKwh(judged)).toBe(1);
  expect(judged.events).toEqual([]);
});

test('a rise of 2 kWh follows without any power, a rise of 3 does not', () => {
  expect(totalKwh(fromScratch(every15([...still(10, 30), 12, ...still(12, 30)], 0)))).toBe(2);
  const judged = fromScratch(every15([...still(10, 30), 13, ...still(13, 30)], 0));
  expect(totalKwh(judged)).toBe(0);
  expect(judged.events.map(({ kind }) => kind)).toEqual(['jump']);
});

test('a rise follows up to 2 kWh and 1.5 times the greatest power measured around it', () => {
  const rise = (kwh: number) =>
    totalKwh(fromScratch(every15([...still(10, 30), 12, 12 + kwh, ...still(12 + kwh, 30)], 8)));
  expect(rise(5)).toBe(7);
  // A jump: only the power of its two ends, 8 kW for a quarter of an hour.
  expect(rise(6)).toBe(4);
});

test('a counter that goes on counting is believed even where the power sensor shows 0', () => {
  const counters = Array.from({ length: 400 }, (_, i) => 1000 + Math.floor(i * 2.5));
  expect(totalKwh(fromScratch(every15(counters, 0)))).toBe(997);
});

test('an accepted spike that falls back is taken back', () => {
  const judged = fromScratch(every15([...still(100, 30), 104, ...still(100, 30)], 10));
  expect(totalKwh(judged)).toBe(0);
  expect(judged.events).toMatchObject([
    { kind: 'glitch', fromKwh: 100, toKwh: 100, strayKwh: 104, countedMicroKwh: 0 },
  ]);
});

test('a fall with less than 24 hours of readings after it is undecided, and its buckets are provisional', () => {
  const judged = fromScratch(every15([...still(500, 2), ...still(0, 24)], 10));
  expect(judged.events).toMatchObject([{ kind: 'undecided', fromKwh: 500, toKwh: 0, strayKwh: 0 }]);
  expect(judged.quarters.slice(0, 7).every(({ quality }) => quality === 'measured')).toBe(true);
  expect(judged.quarters.slice(7).every(({ quality }) => quality === 'provisional')).toBe(true);
});

test('24 hours later it is a reset, across which the lesser of the powers at its ends adds energy', () => {
  const judged = fromScratch(every15([...still(500, 2), ...still(0, 24), 0], 10));
  expect(judged.events).toMatchObject([{ kind: 'reset', fromKwh: 500, toKwh: 0, countedMicroKwh: 2_500_000 }]);
  expect(judged.quarters[7]).toMatchObject({ microKwh: 2_500_000, quality: 'reset' });
});

test('across an outage a break adds nothing', () => {
  const judged = fromScratch([...every15(still(500, 2), 10), ...every15(still(90_000, 30), 10, 8)]);
  expect(judged.events).toMatchObject([{ kind: 'jump', countedMicroKwh: 0 }]);
});

test('zeros for 6 days, then back: a glitch that costs nothing', () => {
  const judged = fromScratch(every15([...still(500, 2), ...still(0, 144), ...still(501, 2)], 10));
  expect(totalKwh(judged)).toBe(1);
  expect(judged.events).toMatchObject([{ kind: 'glitch', strayKwh: 0, countedMicroKwh: 1_000_000 }]);
});

test('energy across an outage is spread evenly over it and marked estimated', () => {
  const judged = fromScratch([...every15([500, 500], null), ...every15([504, 504], null, 2.25)]);
  expect(totalKwh(judged)).toBe(4);
  expect(judged.events).toMatchObject([{ kind: 'gap', countedMicroKwh: 4_000_000 }]);
  expect(judged.quarters[3]).toMatchObject({ quality: 'estimated', coveredSeconds: 0 });
});

test('from rise to rise the kWh follow the measured power', () => {
  const readings = every15([7, 7, 7, 7, 8], 0);
  for (const [i, powerKw] of [0, 0, 2, 2, 0].entries()) Object.assign(readings[i] ?? {}, { powerKw });
  expect(fromScratch(readings).quarters.map(({ microKwh }) => microKwh)).toEqual([0, 250_000, 500_000, 250_000]);
});

test('excluded readings are out of sight, and the quarters across are estimated', () => {
  const readings = every15([500, 500, 900, 900, 501, 501], 10);
  const fromUs = START_US + 30 * US_PER_MINUTE;
  const judged = fromScratch(readings, [{ kind: 'exclude', fromUs, toUs: fromUs + 30 * US_PER_MINUTE }]);
  expect(totalKwh(judged)).toBe(1);
  expect(judged.events).toMatchObject([{ kind: 'excluded', fromKwh: 500, toKwh: 501, countedMicroKwh: 1_000_000 }]);
  expect(judged.quarters.map(({ quality }) => quality)).toEqual([
    'measured',
    'estimated',
    'estimated',
    'estimated',
    'measured',
  ]);
});

test('at a replacement only power adds energy, even where the reading would follow', () => {
  const atUs = START_US + 20 * US_PER_MINUTE;
  const judged = fromScratch(every15([500, 500, 502, 502], 2), [{ kind: 'replaced', atUs }]);
  expect(totalKwh(judged)).toBe(0.5);
  expect(judged.events).toMatchObject([{ kind: 'replaced', fromKwh: 500, toKwh: 502, countedMicroKwh: 500_000 }]);
});

test('a counter that stands still has nothing to break when its valve is replaced', () => {
  const atUs = START_US + 30 * US_PER_MINUTE;
  const judged = fromScratch(every15([0, 0, 0, 0, 0], 8), [{ kind: 'replaced', atUs }]);
  expect(judged.events).toEqual([]);
  expect(totalKwh(judged)).toBe(0);
});

test('in step, a running valve needs only a few readings', () => {
  const run = driver();
  for (const reading of every15(
    Array.from({ length: 1000 }, (_, i) => Math.floor(i * 2.5)),
    10,
  ))
    run.add([reading]);
  expect(Math.max(...run.loads)).toBeLessThanOrEqual(3);
});

test('in step, a counter that stands still for months needs only its last reading and the new one', () => {
  const run = driver();
  run.add(every15(still(1000, 24 * 60), 0));
  run.loads.length = 0;
  run.add(every15([1000], 0, 24 * 60));
  run.add(every15([1000], 0, 24 * 60 + 0.25));
  expect(run.loads).toEqual([2, 2]);
});

test('only the last four accepted steps are taken back', () => {
  const spike = (readings: number) =>
    fromScratch(every15([...still(100, 30), ...Array<number>(readings).fill(104), ...still(100, 30)], 10));
  expect(totalKwh(spike(4))).toBe(0);
  expect(spike(4).events.map(({ kind }) => kind)).toEqual(['glitch']);
  // 4 kWh, and 10 kW for a quarter of an hour across the reset.
  expect(totalKwh(spike(5))).toBe(6.5);
  expect(spike(5).events.map(({ kind }) => kind)).toEqual(['reset']);
});

test('a step is taken back only if it rose by at least half of the fall', () => {
  const kinds = (spikeKwh: number) =>
    fromScratch(every15([...still(100, 30), spikeKwh, ...still(98, 30)], 10)).events.map(({ kind }) => kind);
  expect(kinds(102)).toEqual(['glitch']);
  expect(kinds(101)).toEqual(['reset']);
});

test('a counter that stood still may rejoin up to 60 days later', () => {
  const zeros = (days: number) =>
    fromScratch(every15([...still(500, 2), ...still(0, days * 24), ...still(501, 30)], 1)).events.map(
      ({ kind }) => kind,
    );
  expect(zeros(60)).toEqual(['glitch']);
  expect(zeros(60.25)).toEqual(['reset', 'jump']);
});

test('a counter that counted in between may rejoin up to 7 days later', () => {
  const counting = (days: number) => {
    const between = Array.from({ length: days * 96 }, (_, i) => Math.floor(i / 32));
    const readings = every15([...still(500, 2), ...between, ...still(501, 30)], 10);
    return fromScratch(readings).events.map(({ kind }) => kind);
  };
  expect(counting(7)).toEqual(['glitch']);
  expect(counting(7.25)).toEqual(['reset', 'jump']);
});

test('counting back up past the old value is not a rejoin', () => {
  const counters = [...still(20, 2), ...Array.from({ length: 200 }, (_, i) => Math.floor(i / 2))];
  expect(fromScratch(every15(counters, 2)).events.map(({ kind }) => kind)).toEqual(['reset']);
});

test('of a level reached more than 7 days ago, the last 7 days count', () => {
  const caughtUp = (kwh: number) =>
    fromScratch(every15([...still(1000, 20 * 24), ...still(1000 + kwh, 40)], 1)).events.map(({ kind }) => kind);
  // 2 kWh and 1.5 times 1 kW in 168 hours.
  expect(caughtUp(254)).toEqual([]);
  expect(caughtUp(255)).toEqual(['jump']);
});

test('but all of the time since the last accepted reading counts', () => {
  const acrossOutage = (kwh: number) =>
    fromScratch([...every15([1000], 1), ...every15(still(1000 + kwh, 40), 1, 20 * 24)]).events;
  // 2 kWh and 1.5 times 1 kW in 480 hours.
  expect(acrossOutage(722)).toMatchObject([{ kind: 'gap', countedMicroKwh: 722_000_000 }]);
  expect(acrossOutage(723)).toMatchObject([{ kind: 'jump', countedMicroKwh: 0 }]);
});

test('a run that begins after an outage knows its beginning', () => {
  // The energy that may have passed in the last 7 days of the outage allows the rise.
  const [before, after] = [every15(still(500, 23), null), every15([506, 506], 10, 240.25)];
  const run = driver();
  run.add([...before, ...every15([500], null, 240)]);
  run.add(after);
  expect(totalKwh(run.judged())).toBe(6);
  expect(run.judged()).toEqual(pick(fromScratch([...before, ...every15([500], null, 240), ...after])));
});

test('an exclusion settles what was undecided, a replacement too', () => {
  const readings = every15([500, 500, 900, 901, 902, 903], 4);
  const atUs = START_US + 30 * US_PER_MINUTE;
  expect(fromScratch(readings).events.map(({ kind }) => kind)).toEqual(['undecided']);

  const replaced = fromScratch(readings, [{ kind: 'replaced', atUs }]);
  expect(replaced.events).toMatchObject([{ kind: 'replaced', fromKwh: 500, toKwh: 900, countedMicroKwh: 1_000_000 }]);
  expect(totalKwh(replaced)).toBe(4);

  const excluded = fromScratch(readings, [{ kind: 'exclude', fromUs: atUs, toUs: Infinity }]);
  expect(excluded.events).toEqual([]);
  expect(totalKwh(excluded)).toBe(0);
  expect(excluded.quarters).toHaveLength(1);
});

test('a rise that was believed as long as nothing was known is drawn back once power is known', () => {
  const readings = [
    ...every15([...still(100, 3), 400], null),
    ...every15([400, 400], 0, 3.25),
    ...every15(still(400, 30), 0, 3.75),
  ];
  const run = driver();
  run.add(readings.slice(0, 12));
  run.add(readings.slice(12, 13));
  expect(totalKwh(run.judged())).toBe(300);
  for (const reading of readings.slice(13)) run.add([reading]);
  expect(run.judged()).toEqual({ quarters: fromScratch(readings).quarters, events: fromScratch(readings).events });
  expect(totalKwh(run.judged())).toBe(0);
});

test.each([
  ['one of three', [7, 22, 37]],
  ['one of two', [7, 22]],
  ['after one on an edge of a quarter of an hour', [7, 15, 22]],
])(
  'excluding the newest reading of a counter that stands still judges its quarter of an hour again: %s',
  (_what, minutes) => {
    const readings = minutes.map((minute) => ({
      timeUs: START_US + minute * US_PER_MINUTE,
      counterKwh: 500,
      powerKw: 0,
    }));
    const newestUs = readings.at(-1)?.timeUs ?? NaN;
    const exclusion = { kind: 'exclude', fromUs: newestUs, toUs: newestUs + 1 } as const;
    const run = driver();
    for (const reading of readings) run.add([reading]);
    run.correct([exclusion]);
    expect(run.judged()).toEqual(pick(fromScratch(readings, [exclusion])));
  },
);
