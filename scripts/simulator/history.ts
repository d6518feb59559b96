/** The points that a valve has sent. */
import { PROPERTIES, PROPERTY_NAMES, type PropertyName, type Reading } from '../../src/domain/reading.ts';
import { US_PER_SECOND, type Micros, type Span } from '../../src/domain/time.ts';
import { isIn, type PropertyValue, type SimulatedPoint, type Valve } from './fleet.ts';
import { valuesAt, type PointValues } from './physics.ts';
import { hash32 } from './random.ts';

export type Direction = 'ascending' | 'descending';

/** A valve sends a point every 15 s (API note). Slot k begins k · 15 s after 1970. */
const SLOT_US = 15 * US_PER_SECOND;

/** The time of a valve's point in a slot. Always the same for the same valve and slot. */
export function slotTimeUs(valve: Valve, slot: number, slotUs = SLOT_US): Micros {
  const jitterUs = Math.floor((hash32(valve.seed, slot) / 2 ** 32) * valve.jitterUs);
  return slot * slotUs + valve.phaseUs + jitterUs;
}

/** The parts of a range outside of outages, in ascending order. Both ends of the range are inclusive; each part's end is not. */
function rangesOnline(valve: Valve, fromUs: Micros, toUs: Micros): Span[] {
  let ranges: Span[] = [{ fromUs: Math.max(fromUs, valve.installedUs), toUs: toUs + 1 }];
  for (const outage of valve.outages) {
    ranges = ranges.flatMap((range) => [
      { fromUs: range.fromUs, toUs: Math.min(range.toUs, outage.fromUs) },
      { fromUs: Math.max(range.fromUs, outage.toUs), toUs: range.toUs },
    ]);
    ranges = ranges.filter((range) => range.fromUs < range.toUs);
  }
  return ranges;
}

function* slotPoints(valve: Valve, fromUs: Micros, toUs: Micros, direction: Direction): Generator<SimulatedPoint> {
  const ranges = rangesOnline(valve, fromUs, toUs);
  const step = direction === 'ascending' ? 1 : -1;
  if (step < 0) ranges.reverse();
  for (const range of ranges) {
    const first = Math.floor(range.fromUs / SLOT_US) - 1;
    const last = Math.floor(range.toUs / SLOT_US);
    for (let slot = step > 0 ? first : last; slot >= first && slot <= last; slot += step) {
      const timeUs = slotTimeUs(valve, slot);
      if (isIn(range, timeUs)) yield { timeUs };
    }
  }
}

/** All points of a range, both ends included, in order. A generator: only the points that are read are computed. */
export function* pointsIn(valve: Valve, fromUs: Micros, toUs: Micros, direction: Direction): Generator<SimulatedPoint> {
  const sign = direction === 'ascending' ? 1 : -1;
  const inOrder = (points: readonly SimulatedPoint[]): SimulatedPoint[] =>
    points.filter(({ timeUs }) => timeUs >= fromUs && timeUs <= toUs).sort((a, b) => sign * (a.timeUs - b.timeUs));
  const regular = valve.pointsInstead
    ? inOrder(valve.pointsInstead(fromUs, toUs))
    : slotPoints(valve, fromUs, toUs, direction);
  const extra = inOrder(valve.extraPoints);
  for (const point of regular) {
    while (extra[0] && sign * (extra[0].timeUs - point.timeUs) < 0) yield* extra.splice(0, 1);
    yield point;
  }
  yield* extra;
}

/** The requested properties of a point, without those that are absent. */
export function valuesOf(valve: Valve, point: SimulatedPoint, properties: readonly PropertyName[]): PointValues {
  const values = valuesAt(valve, point.timeUs, properties);
  for (const { property, as, during } of valve.absences) {
    if (during && !isIn(during, point.timeUs)) continue;
    if (as === 'absent') Reflect.deleteProperty(values, property);
    else if (property in values) values[property] = null;
  }
  for (const property of properties) {
    const value = point.values?.[property];
    if (value !== undefined) values[property] = value;
  }
  return values;
}

function readingOf(valve: Valve, point: SimulatedPoint): Reading {
  const values = valuesOf(valve, point, PROPERTY_NAMES);
  const reading: Partial<Record<keyof Reading, PropertyValue>> = { timeUs: point.timeUs };
  for (const property of PROPERTY_NAMES) {
    reading[PROPERTIES[property].field] = values[property] ?? null;
  }
  return reading as Reading;
}

/** The readings that a program may store: the points after `fromUs` up to and including `toUs` that are not malformed. */
export function* readingsIn(valve: Valve, fromUs: Micros, toUs: Micros): Generator<Reading> {
  for (const point of pointsIn(valve, fromUs + 1, toUs, 'ascending')) if (!point.raw) yield readingOf(valve, point);
}
