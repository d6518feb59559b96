import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Reading } from '../../src/domain/reading.ts';
import { US_PER_MINUTE, type Micros } from '../../src/domain/time.ts';
import { readingsToStore, sample } from '../../src/polling/sample.ts';
import { at, reading, readings } from './builder.ts';

const INTERVAL = 15 * US_PER_MINUTE;

function samplesOf(...points: Reading[]) {
  return sample(new Map<Micros, Reading>(), points, INTERVAL);
}

function stored(
  points: readonly Reading[],
  lastBoundary: string,
  storedBoundaryReading: string | null = null,
): string[] {
  const storedUs = storedBoundaryReading === null ? null : at(storedBoundaryReading);
  const chosen = readingsToStore(sample(new Map<Micros, Reading>(), points, INTERVAL), at(lastBoundary), storedUs);
  return chosen.map(({ timeUs }) => new Date(timeUs / 1000).toISOString().slice(11, 23));
}

describe('sample keeps, of each window (b − interval, b],', () => {
  test('the last point', () => {
    expect([...samplesOf(...readings('10:00:01', '10:07:30', '10:14:58', '10:15:13'))]).toEqual([
      [at('10:15'), reading(at('10:14:58'))],
      [at('10:30'), reading(at('10:15:13'))],
    ]);
  });

  test('the last point, in whatever order they come', () => {
    const samples = samplesOf(...readings('10:14:58', '10:00:01', '10:07:30'));
    expect([...samples.values()]).toEqual(readings('10:14:58'));
  });

  test('a point exactly on the boundary, which belongs to the window that ends there', () => {
    expect([...samplesOf(...readings('10:15:00', '10:15:00.000001')).keys()]).toEqual([at('10:15'), at('10:30')]);
  });

  test('the first of two points of the same microsecond', () => {
    const samples = samplesOf(reading(at('10:14:58'), 1), reading(at('10:14:58'), 2));
    expect(samples.get(at('10:15'))?.measuredFlowDlh).toBe(1);
  });

  test('nothing where there is no point', () => {
    expect(samplesOf(...readings('10:14:58', '11:02:00')).size).toBe(2);
  });

  test('the same, page by page, as of all points at once', () => {
    const points = fc.array(fc.integer({ min: at('09:00'), max: at('12:00') }), { maxLength: 40 });
    fc.assert(
      fc.property(points, fc.nat(40), (times, cut) => {
        const all = times.map((timeUs) => reading(timeUs));
        const paged = sample(sample(new Map<Micros, Reading>(), all.slice(0, cut), INTERVAL), all.slice(cut), INTERVAL);
        expect(new Map(paged)).toEqual(new Map(samplesOf(...all)));
      }),
    );
  });

  test('without changing the samples that it is given', () => {
    const before = samplesOf(...readings('10:07'));
    sample(before, readings('10:14'), INTERVAL);
    expect([...before.values()]).toEqual(readings('10:07'));
  });
});

describe('what is stored', () => {
  test('is the reading of each boundary, and the newest point, by time', () => {
    const points = readings('10:20:00', '09:59:59', '10:14:58', '09:40:00', '10:18:00');
    expect(stored(points, '10:15')).toEqual(['09:40:00.000', '09:59:59.000', '10:14:58.000', '10:20:00.000']);
  });

  test('is nothing of a boundary without a point', () => {
    expect(stored(readings('09:40:00', '10:20:00'), '10:15')).toEqual(['09:40:00.000', '10:20:00.000']);
    expect(stored([], '10:15')).toEqual([]);
  });

  test.each([
    ['10:15:57.999999', []],
    ['10:15:58.000000', ['10:15:58.000']],
    ['10:15:58.000001', ['10:15:58.000']],
  ])(
    "leaves the newest point out while it is less than a minute younger than the last boundary's: %s",
    (time, newest) => {
      expect(stored(readings('10:14:58', time), '10:15')).toEqual(['10:14:58.000', ...newest]);
    },
  );

  test.each([
    ['10:15:57.999999', []],
    ['10:15:58.000000', ['10:15:58.000']],
  ])('measures from the stored reading of that boundary where this run read none: %s', (time, newest) => {
    expect(stored(readings(time), '10:15', '10:14:58')).toEqual(newest);
  });

  test('measures from what this run read where both are there', () => {
    expect(stored(readings('10:14:58', '10:15:13'), '10:15', '10:07:00')).toEqual(['10:14:58.000']);
  });

  test('has the newest point where the last boundary has no reading at all', () => {
    expect(stored(readings('09:59:59', '10:15:00.5'), '10:15')).toEqual(['09:59:59.000', '10:15:00.500']);
  });
});
