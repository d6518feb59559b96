import { describe, expect, test } from 'vitest';
import { US_PER_MINUTE } from '../../src/domain/time.ts';
import { boundaryOf, floorToGrid, nextBoundary } from '../../src/domain/grid.ts';
import { at } from '../polling/builder.ts';

describe('an instant on the grid of 15 minutes', () => {
  test.each([
    // instant, at or before, holds it in (b − 15 min, b], after
    ['10:15:00.000000', '10:15', '10:15', '10:30'],
    ['10:15:00.000001', '10:15', '10:30', '10:30'],
    ['10:14:59.999999', '10:00', '10:15', '10:15'],
    ['10:22:00.000000', '10:15', '10:30', '10:30'],
    ['00:00:00.000000', '00:00', '00:00', '00:15'],
  ])('%s', (time, floor, boundary, next) => {
    const intervalUs = 15 * US_PER_MINUTE;
    expect(floorToGrid(at(time), intervalUs)).toBe(at(floor));
    expect(boundaryOf(at(time), intervalUs)).toBe(at(boundary));
    expect(nextBoundary(at(time), intervalUs)).toBe(at(next));
  });
});

test.each([
  [1, '10:37'],
  [5, '10:35'],
  [20, '10:20'],
  [60, '10:00'],
])('every %i minutes, the boundary before 10:37:12 is %s', (minutes, boundary) => {
  expect(floorToGrid(at('10:37:12'), minutes * US_PER_MINUTE)).toBe(at(boundary));
});

test('instants before the epoch lie on the same grid', () => {
  const intervalUs = 15 * US_PER_MINUTE;
  expect(floorToGrid(-1, intervalUs)).toBe(-900_000_000);
  expect(boundaryOf(-1, intervalUs)).toBe(-0);
  expect(nextBoundary(-1, intervalUs)).toBe(0);
});
