/** Chooses the readings to store from all points of a valve. Pure. */
import { boundaryOf } from '../domain/grid.ts';
import type { Reading } from '../domain/reading.ts';
import { US_PER_MINUTE, type Micros } from '../domain/time.ts';

/** The last point of each window so far, by boundary. Includes the window that has not ended. */
export type Samples = ReadonlyMap<Micros, Reading>;

/** The newest point is only stored if it is at least this much newer than the last boundary's reading. */
export const MIN_SPACING_US = US_PER_MINUTE;

/** Adds points, in any order, to the samples taken so far. */
export function sample(samples: Samples, points: readonly Reading[], intervalUs: number): Samples {
  const next = new Map(samples);
  for (const point of points) {
    const boundaryUs = boundaryOf(point.timeUs, intervalUs);
    const last = next.get(boundaryUs);
    if (!last || point.timeUs > last.timeUs) next.set(boundaryUs, point);
  }
  return next;
}

/**
 * The readings to store, in order of time: one per boundary that has passed, and the newest point.
 *
 * @param lastBoundaryUs the last boundary that has passed
 * @param storedBoundaryReadingUs time of the last boundary's reading, if an earlier run has stored it
 */
export function readingsToStore(
  samples: Samples,
  lastBoundaryUs: Micros,
  storedBoundaryReadingUs: Micros | null,
): Reading[] {
  const boundaryReadingUs = samples.get(lastBoundaryUs)?.timeUs ?? storedBoundaryReadingUs;
  return [...samples]
    .filter(([boundaryUs, { timeUs }]) => {
      const hasPassed = boundaryUs <= lastBoundaryUs;
      return hasPassed || boundaryReadingUs === null || timeUs - boundaryReadingUs >= MIN_SPACING_US;
    })
    .map(([, reading]) => reading)
    .sort((a, b) => a.timeUs - b.timeUs);
}
