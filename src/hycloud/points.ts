/** Decodes the points of a page. A malformed point is reported; the others are kept. */
import { NO_MEASUREMENTS, PROPERTIES, type Measurements, type PropertyName, type Reading } from '../domain/reading.ts';
import { parseRfc3339, US_PER_MINUTE, type Micros } from '../domain/time.ts';

/** HyCloud stamps points itself, so no point is later than its clock. The tolerance allows for skew among its servers. */
const FUTURE_TOLERANCE_US = 5 * US_PER_MINUTE;

/** The latest time that a point can have. A later point is from the future. */
export function latestPossible(serverTimeUs: Micros): Micros {
  return serverTimeUs + FUTURE_TOLERANCE_US;
}

/** A point that makes no sense: its time (null: unknown) and what is wrong. */
export interface MalformedPoint {
  timeUs: Micros | null;
  reason: string;
}

type WirePoint = Readonly<Partial<Record<PropertyName | 'time' | 'actuator_position', unknown>>>;
type PropertyType = (typeof PROPERTIES)[PropertyName]['type'];

const TYPES: Record<PropertyType, { described: string; isValid: (value: unknown) => boolean }> = {
  int16: { described: 'an int16', isValid: (value) => isInteger(value, -(2 ** 15), 2 ** 15 - 1) },
  int32: { described: 'an int32', isValid: (value) => isInteger(value, -(2 ** 31), 2 ** 31 - 1) },
  // JSON.parse rounds integers above 2^53. No real counter in kWh gets there.
  int64: { described: 'an integer below 2^53', isValid: (value) => Number.isSafeInteger(value) },
  'text[]': { described: 'a list of texts', isValid: isListOfTexts },
};

/**
 * Decodes one point of an answer. Properties that were not asked for are ignored; absent ones are null. One malformed
 * property makes the whole point malformed.
 */
export function decodePoint(
  raw: unknown,
  properties: readonly PropertyName[],
  serverTimeUs: Micros,
): Reading | MalformedPoint {
  if (typeof raw !== 'object' || raw === null) return { timeUs: null, reason: 'a point that is not an object' };
  const wire: WirePoint = raw;
  const timeUs = typeof wire.time === 'string' ? parseRfc3339(wire.time) : null;
  if (timeUs === null) return { timeUs: null, reason: 'a point without a valid time' };
  if (timeUs > latestPossible(serverTimeUs)) {
    return { timeUs, reason: `a point from the future (${String(wire.time).slice(0, 40)})` };
  }
  const reading: Reading = { timeUs, ...NO_MEASUREMENTS };
  for (const name of properties) {
    const value = valueOf(wire, name) ?? null;
    const { field, type } = PROPERTIES[name];
    if (value !== null && !TYPES[type].isValid(value)) {
      return { timeUs, reason: `${name} is not ${TYPES[type].described}` };
    }
    // The check above makes the value fit the field; TypeScript cannot follow that.
    (reading as Record<keyof Measurements, unknown>)[field] = isListOfTexts(value) ? value.map(makeStorable) : value;
  }
  return reading;
}

/** The vendor's type listing names the answer's field `actuator_position`: accept either name. */
function valueOf(wire: WirePoint, name: PropertyName): unknown {
  return name === 'position' ? (wire.position ?? wire.actuator_position) : wire[name];
}

function isInteger(value: unknown, min: number, max: number): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max;
}

function isListOfTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

/** Replaces what PostgreSQL's text cannot hold: NUL, and half a surrogate pair. */
export function makeStorable(text: string): string {
  return text.replaceAll('\0', '\uFFFD').toWellFormed();
}
