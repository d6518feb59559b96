/** The envelope's sentences in the definition, one by one. */
import { expect, test } from 'vitest';
import { US_PER_HOUR } from '../../src/domain/time.ts';
import { envelopes } from '../../src/energy/envelope.ts';
import { LIMITS, START_US } from './support.ts';

type Row = [hour: number, kwh: number, powerKw: number | null];

function envelopeEndingAt(rows: Row[], hour: number): number | undefined {
  const readings = rows.map(([at, kwh, powerKw]) => {
    return { timeUs: START_US + at * US_PER_HOUR, kwh, powerKw, afterExcluded: false };
  });
  return envelopes(readings, LIMITS)[rows.findIndex(([at]) => at === hour)]?.kw;
}

/** A reading every 15 minutes. */
function every15(hours: number, kwhAt: (hour: number) => number, powerAt: (hour: number) => number | null): Row[] {
  return Array.from({ length: hours * 4 + 1 }, (_, i) => [i / 4, kwhAt(i / 4), powerAt(i / 4)]);
}

/** A still counter that rises by some kWh at some hours. */
const rising = (rises: [hour: number, kwh: number][]) => (hour: number) =>
  rises.reduce((sum, [at, kwh]) => sum + (hour >= at ? kwh : 0), 1000);

test('the greatest power measured from 7 days before the step to 24 hours after', () => {
  const rows = every15(
    400,
    () => 1000,
    (hour) => (hour === 192 ? 50 : 1),
  );
  expect([167.75, 168, 192, 360.25, 360.5].map((hour) => envelopeEndingAt(rows, hour))).toEqual([1, 50, 50, 50, 1]);
});

test('twice the third-greatest pace: one or two wild steps prove nothing', () => {
  const two: [number, number][] = [
    [30, 50],
    [31, 60],
  ];
  const envelope = (rises: [number, number][]) =>
    envelopeEndingAt(
      every15(72, rising(rises), () => 0),
      40,
    );
  expect(envelope(two)).toBe(0);
  expect(envelope([...two, [32, 11]])).toBe(80);
});

test('twice the mean pace of all steps but the two greatest', () => {
  // Steps of 1 kWh have a pace of 0. 48 of 96 have stayed for 12 hours: 46 kWh less 1 in 11.5 hours.
  const rows = every15(
    24,
    (hour) => hour * 4,
    () => null,
  );
  expect(envelopeEndingAt(rows, 10)).toBeCloseTo(90 / 11.5, 9);
});

test('a step counts if it stays for 12 hours, and none before it was higher', () => {
  const heldFor = (hours: number) => {
    const isHigh = (hour: number) => [20, 60, 100].some((from) => hour >= from && hour < from + hours);
    return envelopeEndingAt(
      every15(
        160,
        (hour) => (isHigh(hour) ? 1050 : 1000),
        () => 0,
      ),
      80,
    );
  };
  expect(heldFor(12)).toBe(0);
  expect(heldFor(12.25)).toBe(392);

  // The counter was higher within the 12 hours before each of these rises.
  const dips = (hours: number) => {
    const isLow = (hour: number) => [20, 60, 100].some((from) => hour >= from && hour < from + hours);
    return envelopeEndingAt(
      every15(
        160,
        (hour) => (isLow(hour) ? 950 : 1000),
        () => 0,
      ),
      100,
    );
  };
  expect(dips(12)).toBe(0);
  expect(dips(12.25)).toBe(392);
});

test('max_power_kw where the window has neither power nor 12 steps that stay', () => {
  const still = (hours: number, powerKw: number | null) =>
    envelopeEndingAt(
      every15(
        hours,
        () => 1000,
        () => powerKw,
      ),
      1,
    );
  expect(still(14.75, null)).toBe(1500);
  expect(still(15, null)).toBe(0);
  expect(still(14.75, 0)).toBe(0);
});

test('never above max_power_kw', () => {
  const rows = every15(
    48,
    (hour) => hour * 4000,
    () => 10,
  );
  expect(envelopeEndingAt(rows, 20)).toBe(1500);
});

test('across an outage the window begins 400 days before', () => {
  const day = 24;
  const rows: Row[] = [
    [0, 1000, 30],
    [0.25, 1000, 30],
    [399 * day, 1000, 0],
    [399 * day + 0.25, 1000, 0],
    [400 * day, 1000, 0],
    [400 * day + 0.25, 1000, 0],
    [400 * day + 0.5, 1000, 0],
    [401 * day, 1000, 0],
  ];
  expect(rows.slice(1).map(([hour]) => envelopeEndingAt(rows, hour))).toEqual([30, 30, 0, 30, 0, 0, 0]);
});
