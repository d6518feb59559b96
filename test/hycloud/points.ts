import { expect } from 'vitest';
import type { Reading } from '../../src/domain/reading.ts';
import type { Points } from '../../src/hycloud/points.ts';

/** Every reading of a page, whose times are those of the page. */
export function readAll({ times, read }: Points): readonly Reading[] {
  const readings = [...times.keys()].reverse().map(read).reverse();
  expect(readings.map(({ timeUs }) => timeUs)).toEqual(times);
  return readings;
}
