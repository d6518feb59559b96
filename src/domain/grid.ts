/** The grid: a reading is stored for each of its boundaries, one interval apart. */
import type { Micros } from './time.ts';

/** The boundary at or before this instant. The grid counts from the epoch: every 15 minutes are :00, :15, :30, :45 in every zone. */
export function floorToGrid(timeUs: Micros, intervalUs: number): Micros {
  return Math.floor(timeUs / intervalUs) * intervalUs;
}

/** The boundary `b` whose window (b − interval, b] holds this instant. */
export function boundaryOf(timeUs: Micros, intervalUs: number): Micros {
  return Math.ceil(timeUs / intervalUs) * intervalUs;
}

/** The first boundary after this instant. */
export function nextBoundary(timeUs: Micros, intervalUs: number): Micros {
  return floorToGrid(timeUs, intervalUs) + intervalUs;
}
