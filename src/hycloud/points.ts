import { parse as parseLossless } from 'lossless-json';
import { NO_MEASUREMENTS, PROPERTIES, type PropertyName, type Reading } from '../domain/reading.ts';
import { parseRfc3339, US_PER_MINUTE, type Micros } from '../domain/time.ts';

/** HyCloud stamps points itself, so none can be later than its clock; this much is left to the clocks of its servers. */
const FUTURE_TOLERANCE_US = 5 * US_PER_MINUTE;

const RANGES = {
  int16: [-(2 ** 15), 2 ** 15 - 1],
  int32: [-(2 ** 31), 2 ** 31 - 1],
} as const;
const INT64 = [-(2n ** 63n), 2n ** 63n - 1n] as const;

/** A point that makes no sense: when it was (null: that cannot be known), and what is wrong with it. */
export interface MalformedPoint {
  timeUs: Micros | null;
  reason: string;
}

/** 2000 points of every property; the slower parser is also one that a hostile text makes take much memory. */
const MAX_LOSSLESS_LENGTH = 1.2e6;

/** JSON with int64 intact: JSON.parse rounds beyond 2^53, so numbers that long go through a slower parser. */
export function parseJson(body: string): unknown {
  if (!/\d{16}/.test(body)) return JSON.parse(body);
  if (body.length > MAX_LOSSLESS_LENGTH) throw new Error('too many numbers of too many digits');
  return parseLossless(body, null, { parseNumber });
}

function parseNumber(text: string): number | bigint {
  const value = Number(text);
  return Number.isSafeInteger(value) || !/^-?\d{1,19}$/.test(text) ? value : BigInt(text);
}

/** How many values a JSON text holds, at most: cheap, where parsing them need not be. */
export function countValues(json: string): number {
  let count = 1;
  for (let index = 0; index < json.length; index += 1) {
    const code = json.charCodeAt(index);
    if (code === COMMA || code === BRACKET || code === BRACE) count += 1;
  }
  return count;
}

const [COMMA, BRACKET, BRACE] = [0x2c, 0x5b, 0x7b];

/** One entry of `points`; absent properties are null. Only the properties asked for are looked at. */
export function decodePoint(
  raw: unknown,
  properties: readonly PropertyName[],
  serverTimeUs: Micros,
): Reading | MalformedPoint {
  if (typeof raw !== 'object' || raw === null) return { timeUs: null, reason: 'a point that is no object' };
  const wire = raw as Record<string, unknown>;
  const time = wire['time'];
  const timeUs = typeof time === 'string' ? parseRfc3339(time) : null;
  if (timeUs === null) return { timeUs: null, reason: 'a point without a valid time' };
  if (timeUs > serverTimeUs + FUTURE_TOLERANCE_US)
    return { timeUs, reason: `a point from the future (${String(time).slice(0, 40)})` };
  const reading: Reading = { ...NO_MEASUREMENTS, timeUs };
  for (const name of properties) {
    // The vendor's type listing names the answer's field actuator_position.
    const value = wire[name] ?? (name === 'position' ? wire['actuator_position'] : undefined);
    if (value === undefined || value === null) continue;
    const { field, type } = PROPERTIES[name];
    const decoded = decodeValue(value, type);
    if (decoded === null) return { timeUs, reason: `${name} is not ${describe(type)}` };
    // decodeValue gives what PROPERTIES promises of the field; TypeScript does not follow that.
    (reading as unknown as Record<string, unknown>)[field] = decoded;
  }
  return reading;
}

type PropertyType = (typeof PROPERTIES)[PropertyName]['type'];

function decodeValue(value: unknown, type: PropertyType): number | bigint | string[] | null {
  if (type === 'text[]') return decodeTexts(value);
  if (type === 'int64') {
    const whole = typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : value;
    return typeof whole === 'bigint' && whole >= INT64[0] && whole <= INT64[1] ? whole : null;
  }
  const [min, max] = RANGES[type];
  return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max ? value : null;
}

function decodeTexts(value: unknown): string[] | null {
  if (!Array.isArray(value) || !value.every((item): item is string => typeof item === 'string')) return null;
  return value.map(storable);
}

function describe(type: PropertyType): string {
  return type === 'text[]' ? 'a list of texts' : `an ${type}`;
}

/** PostgreSQL's text holds neither NUL nor half a surrogate pair. */
export function storable(text: string): string {
  return text.replaceAll('\0', '\uFFFD').toWellFormed();
}
