import { describe, expect, test } from 'vitest';
import { thin, thinMarks } from '../../../src/reporting/report/thin.ts';

/** As many readings as one asks for, a second apart. */
function seconds(length: number): number[] {
  return Array.from({ length }, (_, index) => index * 1_000_000);
}

test.each([
  ['no readings', [], [[]], []],
  ['one reading', [7], [[1]], [0]],
  ['as many as may be kept', [1, 2, 3], [[1, 1, 1]], [0, 1, 2]],
])('%s: all are kept', (_, timesUs, series, kept) => {
  expect(thin(timesUs, series, 3)).toEqual(kept);
});

describe('more readings than may be kept', () => {
  const flat = seconds(1000).map(() => 5);

  test('a peak and a trough of each series are kept, with the first and last', () => {
    const power = flat.with(400, 9).with(700, 1);
    const flow = flat.with(123, 0).with(900, 6);
    const kept = thin(seconds(1000), [power, flow], 10);
    expect(kept.length).toBeLessThanOrEqual(10);
    expect(kept).toEqual(expect.arrayContaining([0, 123, 400, 700, 900, 999]));
    expect(kept).toEqual(kept.toSorted((a, b) => a - b));
  });

  test('every slot keeps its own', () => {
    // Of the two halves, the first rises and the second falls.
    const values = seconds(1000).map((_, index) => (index < 500 ? index : 1000 - index));
    expect(thin(seconds(1000), [values], 5)).toEqual([0, 499, 500, 999]);
  });

  test('of equal readings, the first stands for all', () => {
    expect(thin(seconds(1000), [flat], 2)).toEqual([0, 999]);
    expect(thin(seconds(1000), [flat], 3)).toEqual([0, 500, 999]);
    expect(thin(seconds(1000), [flat], 4)).toEqual([0, 334, 667, 999]);
  });

  test('nulls are neither least nor greatest; the first of each slot is kept', () => {
    const values = seconds(1000).map((_, index) => (index === 300 ? -4 : index === 301 ? 4 : null));
    expect(thin(seconds(1000), [values], 5)).toEqual([0, 300, 301, 500, 999]);
  });

  test('a series without any value asks for none', () => {
    expect(thin(seconds(1000), [seconds(1000).map(() => null), flat.with(450, 6)], 5)).toEqual([0, 334, 450, 667, 999]);
  });

  test('a gap of the readings takes no slots from them', () => {
    // Two bursts, a year apart: each is a slot, and its least and greatest reading stay.
    const timesUs = [...seconds(500), ...seconds(500).map((timeUs) => timeUs + 31_536_000_000_000)];
    const values = timesUs.map((_, index) => (index === 77 || index === 888 ? 9 : 5));
    expect(thin(timesUs, [values], 6)).toEqual([0, 77, 500, 888, 999]);
  });
});

test('a month of quarters and four series that move as they like stays small', () => {
  const series = [1, 2, 3, 4].map((seed) => seconds(2880).map((_, n) => (n * n * 7919 * seed) % 1009));
  const kept = thin(seconds(2880), series, 1000);
  expect(kept.length).toBeGreaterThan(600);
  expect(kept.length).toBeLessThanOrEqual(1000);
});

test('of thousands of marks, each slot keeps its longest', () => {
  const span = { fromUs: 0, toUs: 200_000 };
  const marks = Array.from({ length: 2000 }, (_, n) => ({ fromUs: n * 100, toUs: n * 100 + (n % 10 === 3 ? 90 : 10) }));
  const kept = thinMarks(marks, span);
  expect(kept).toEqual(marks.filter((_, n) => n % 10 === 3));
  expect(thinMarks(kept, span)).toEqual(kept);
});
