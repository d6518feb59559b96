/** The points that a valve has sent. */
import { PROPERTIES, PROPERTY_NAMES, type PropertyName, type Reading } from '../../src/domain/reading.ts';
import type { Micros, Span } from '../../src/domain/time.ts';
import { isIn, type PropertyValue, type SimulatedPoint, type Valve } from './fleet.ts';
import { valuesAt, type PointValues } from './physics.ts';
import { hash32 } from './random.ts';

export type Direction = 'ascending' | 'descending';

/** The time of a valve's point in a slot: slot k begins k · everyUs after 1970. Always the same for the same valve and slot. */
function slotTimeUs(valve: Valve, slot: number): Micros {
  const jitterUs = Math.floor((hash32(valve.seed, slot) / 2 ** 32) * valve.jitterUs);
  return slot * valve.everyUs + valve.phaseUs + jitterUs;
}

/** The parts of a range in which a valve is online, in ascending order. The range includes `toUs`; a part excludes its `toUs`. */
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

/** The regular points of a range, both ends included, in order. */
function* regularPoints(valve: Valve, fromUs: Micros, toUs: Micros, direction: Direction): Generator<SimulatedPoint> {
  const ranges = rangesOnline(valve, fromUs, toUs);
  const step = direction === 'ascending' ? 1 : -1;
  if (step < 0) ranges.reverse();
  for (const range of ranges) {
    const first = Math.floor(range.fromUs / valve.everyUs);
    const last = Math.floor(range.toUs / valve.everyUs);
    for (let slot = step > 0 ? first : last; slot >= first && slot <= last; slot += step) {
      const timeUs = slotTimeUs(valve, slot);
      if (isIn(range, timeUs)) yield { timeUs };
    }
  }
}

/** All points of a range, both ends included, in order. A generator: only the points that are read are computed. */
export function* pointsIn(valve: Valve, fromUs: Micros, toUs: Micros, direction: Direction): Generator<SimulatedPoint> {
  const sign = direction === 'ascending' ? 1 : -1;
  const extra = valve.extraPoints
    .filter(({ timeUs }) => timeUs >= fromUs && timeUs <= toUs)
    .sort((a, b) => sign * (a.timeUs - b.timeUs));
  let nextExtra = extra.shift();
  for (const point of regularPoints(valve, fromUs, toUs, direction)) {
    while (nextExtra && sign * (nextExtra.timeUs - point.timeUs) < 0) {
      yield nextExtra;
      nextExtra = extra.shift();
    }
    yield point;
  }
  if (nextExtra) yield nextExtra;
  yield* extra;
}

/** The values of the requested properties. An absent property has no key; null is sent as null. */
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
  for (const point of pointsIn(valve, fromUs + 1, toUs, 'ascending')) {
    if (!point.raw) yield readingOf(valve, point); // `raw` makes a point malformed
  }
}
