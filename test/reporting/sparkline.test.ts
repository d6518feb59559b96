import { describe, expect, test } from 'vitest';
import { inCells, sparkline } from '../../src/reporting/sparkline.ts';

describe('a sparkline', () => {
  test.each([
    [[], ''],
    [[0, 1, 2, 3, 4, 5, 6, 7], '▁▂▃▄▅▆▇█'],
    [[7, null, 0], '█·▁'],
    [[null, null], '··'],
    [[0, 0], '▁▁'],
    [[5, 5], '██'],
    [[100, 103], '██'],
    [[0.1, 1000], '▁█'],
    [[-7, 0], '▁█'],
    [[-4, 3], '▁█'],
    [[Number.MAX_SAFE_INTEGER, 0], '█▁'],
  ])('of %j is "%s"', (values, line) => {
    expect(sparkline(values)).toBe(line);
  });
});

describe('cells', () => {
  test.each([
    [[], 4, []],
    [[1, 2, 3, 4], 4, [1, 2, 3, 4]],
    [[1, 3, 5, 7, 9, 11], 3, [2, 6, 10]],
    [[1, 3, 5, 7, 9], 4, [2, 6, 9]],
    [[1, null, null, null, 9], 4, [1, null, 9]],
    [Array.from({ length: 33 }, () => 1), 32, Array.from({ length: 17 }, () => 1)],
  ])('of %j, at most %i', (values, maxCells, cells) => {
    expect(inCells(values, maxCells)).toEqual(cells);
  });
});
