import { parse as parseLossless } from 'lossless-json';
import { PROPERTIES, PROPERTY_NAMES, type PropertyName, type Reading } from '../domain/reading.ts';
import { parseRfc3339, US_PER_MINUTE, type Micros } from '../domain/time.ts';

/** HyCloud stamps points itself, so none can be later than its clock; this much is left to the clocks of its servers. */
const FUTURE_TOLERANCE_US = 5 * US_PER_MINUTE;

/** Beyond it, a point is from the future. */
export function latestOf(serverTimeUs: Micros): Micros {
  return serverTimeUs + FUTURE_TOLERANCE_US;
}

const RANGES = {
  int16: [-(2 ** 15), 2 ** 15 - 1],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
} as const;

/** The points of a page, in its order, by columns: an object for each of thousands would cost more than all else. */
export interface Points {
  times: readonly Micros[];
  /** of the point in this place; of a plain page it is made only now */
  read: (place: number) => Reading;
}

export function pointsOf(readings: readonly Reading[]): Points {
  return { times: readings.map(({ timeUs }) => timeUs), read: (place) => inPlace(readings, place) };
}

/** @throws RangeError where there is none, for a defect */
export function inPlace<T>(items: readonly T[], place: number): T {
  const item = items[place];
  if (item === undefined) throw new RangeError(`there is no place ${place} among ${items.length}`);
  return item;
}

/** A point that makes no sense: when it was (null: that cannot be known), and what is wrong with it. */
export interface MalformedPoint {
  timeUs: Micros | null;
  reason: string;
}

/** Digits of 2^53; no number of fewer is rounded. */
const LONG_NUMBER = 16;

/** 2000 points of every property; the slower parser is also one that a hostile text makes take much memory. */
const MAX_LOSSLESS_LENGTH = 1.2e6;

/** JSON with int64 intact: JSON.parse rounds beyond 2^53, so numbers that long go through a slower parser. */
export function parseJson(body: string): unknown {
  if (!hasLongNumber(body)) return JSON.parse(body);
  if (body.length > MAX_LOSSLESS_LENGTH) throw new Error('too many numbers of too many digits');
  return parseLossless(body, null, { parseNumber });
}

function parseNumber(text: string): number | bigint {
  const value = Number(text);
  return Number.isSafeInteger(value) || !/^-?\d{1,19}$/.test(text) ? value : BigInt(text);
}

/** Whether 16 digits stand in a row somewhere: then one of them at a 16th, 32nd, 48th … place, the only ones looked at. */
function hasLongNumber(text: string): boolean {
  for (let at = LONG_NUMBER - 1; at < text.length; at += LONG_NUMBER) {
    if (!isDigit(text, at)) continue;
    let [from, end] = [at, at + 1];
    while (isDigit(text, from - 1)) from -= 1;
    while (isDigit(text, end)) end += 1;
    if (end - from >= LONG_NUMBER) return true;
  }
  return false;
}

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 0x30 && code <= 0x39;
}

/** Whether a JSON text may hold more values than that: cheap, where parsing them need not be. */
export function mayHoldMore(json: string, values: number): boolean {
  let count = 1;
  for (const sign of [',', '[', '{']) {
    for (let at = json.indexOf(sign); at >= 0; at = json.indexOf(sign, at + 1)) {
      count += 1;
      if (count > values) return true;
    }
  }
  return false;
}

type WirePoint = Readonly<Partial<Record<PropertyName | 'time' | 'actuator_position', unknown>>>;

/** What the points of a page are decoded by. */
export interface PointShape {
  typed: readonly { name: PropertyName; type: PropertyType }[];
  isAsked: Readonly<Record<PropertyName, boolean>>;
  latestUs: Micros;
}

export function pointShape(properties: readonly PropertyName[], serverTimeUs: Micros): PointShape {
  return {
    typed: properties.map((name) => ({ name, type: PROPERTIES[name].type })),
    isAsked: Object.fromEntries(
      PROPERTY_NAMES.map((name) => [name, properties.includes(name)]),
    ) as PointShape['isAsked'],
    latestUs: latestOf(serverTimeUs),
  };
}

/**
 * Decodes an entry of `points`; absent properties are null. Only the properties asked for are looked at. Every reading
 * is made at once and all in one shape, and by names, not computed keys: that is ten times as fast.
 */
export function decodePoint({ typed, isAsked, latestUs }: PointShape, raw: unknown): Reading | MalformedPoint {
  if (typeof raw !== 'object' || raw === null) return { timeUs: null, reason: 'a point that is no object' };
  const wire: WirePoint = raw;
  const timeUs = typeof wire.time === 'string' ? parseRfc3339(wire.time) : null;
  if (timeUs === null) return { timeUs: null, reason: 'a point without a valid time' };
  if (timeUs > latestUs) return { timeUs, reason: `a point from the future (${String(wire.time).slice(0, 40)})` };
  for (const { name, type } of typed) {
    const value = name === 'position' ? positionOf(wire) : wire[name];
    if (!isOf(type, value)) return { timeUs, reason: `${name} is not ${describe(type)}` };
  }
  return toReading(timeUs, wire, isAsked);
}

/** A point whose properties have the types of PROPERTIES, as far as they are asked for. */
function toReading(timeUs: Micros, wire: WirePoint, isAsked: Readonly<Record<PropertyName, boolean>>): Reading {
  return {
    timeUs,
    measuredFlowDlh: isAsked.measured_flow ? toNumber(wire.measured_flow) : null,
    measuredPowerDw: isAsked.measured_power ? toNumber(wire.measured_power) : null,
    energyCounter1Kwh: isAsked.energy_counter_regime_1 ? toBigInt(wire.energy_counter_regime_1) : null,
    energyCounter2Kwh: isAsked.energy_counter_regime_2 ? toBigInt(wire.energy_counter_regime_2) : null,
    relativeFlowBp: isAsked.relative_flow ? toNumber(wire.relative_flow) : null,
    relativePowerBp: isAsked.relative_power ? toNumber(wire.relative_power) : null,
    positionBp: isAsked.position ? toNumber(positionOf(wire)) : null,
    inputSignalDv: isAsked.input_signal ? toNumber(wire.input_signal) : null,
    localTempDc: isAsked.local_temp ? toNumber(wire.local_temp) : null,
    remoteTempDc: isAsked.remote_temp ? toNumber(wire.remote_temp) : null,
    valveTimestampS: isAsked.valve_timestamp ? toBigInt(wire.valve_timestamp) : null,
    valveDst: isAsked.valve_dst ? toNumber(wire.valve_dst) : null,
    errorStatus: isAsked.error_status ? toTexts(wire.error_status) : null,
  };
}

/** The vendor's type listing names the answer's field actuator_position. */
function positionOf(wire: WirePoint): unknown {
  return wire.position ?? wire.actuator_position;
}

type PropertyType = (typeof PROPERTIES)[PropertyName]['type'];

/** Whether a value is of the type, or absent, or null. */
function isOf(type: PropertyType, value: unknown): boolean {
  if (value === undefined || value === null) return true;
  if (type === 'text[]') return Array.isArray(value) && value.every((item) => typeof item === 'string');
  if (typeof value !== 'bigint' && (typeof value !== 'number' || !Number.isInteger(value))) return false;
  if (type === 'int64' && Number.isSafeInteger(value)) return true;
  const [min, max] = RANGES[type];
  return value >= min && value <= max;
}

function toNumber(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}

function toBigInt(value: unknown): bigint | null {
  return typeof value === 'number' || typeof value === 'bigint' ? BigInt(value) : null;
}

function toTexts(value: unknown): string[] | null {
  return Array.isArray(value) ? value.map((item) => storable(String(item))) : null;
}

function describe(type: PropertyType): string {
  return type === 'text[]' ? 'a list of texts' : `an ${type}`;
}

/** PostgreSQL's text holds neither NUL nor half a surrogate pair. */
export function storable(text: string): string {
  return text.replaceAll('\0', '\uFFFD').toWellFormed();
}
