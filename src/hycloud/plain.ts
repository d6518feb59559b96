import { PROPERTIES, type PropertyName, type Reading } from '../domain/reading.ts';
import { parseRfc3339, US_PER_SECOND, type Micros } from '../domain/time.ts';
import { decodePoint, inPlace, pointShape, type Points, type PointShape } from './points.ts';

/**
 * Pages as HyCloud writes them: points of a time and numbers, one like the other. Their bytes are matched, and only
 * points that somebody reads are parsed: a backfill goes through two million a valve and year, and keeps one in sixty.
 *
 * What is done with every point is done in functions of this file, not in some that are made for a page: once those are
 * collected, V8 drops their compiled code, and compiles it again for the next page (a tenth of a backfill).
 */

/** What stands before the first point: ASCII without braces and backslashes, which may mean anything. */
const HEAD = /^\{[^{}\\\x80-\xff]*"points": ?\[(?=\{)/;
/** And after the last. */
const TAIL = /^\][ \t\n\r]*\}[ \t\n\r]*$/;
const HEAD_LENGTH = 4096;
const TAIL_LENGTH = 16;
/** Small enough for V8 to keep it among its young: ten times as fast. */
const PIECE_LENGTH = 65_536;

/** Every one that it matches is a time, if its day is a day. */
const TIME = String.raw`"\d{4}-\d\d-\d\d[T ](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|\+00:00)"`;
/** Of every type less than it can hold, so that nothing has to be checked. */
const VALUES = {
  int16: String.raw`(?:-?(?:0|[1-9]\d{0,3}|[12]\d{4})|null)`,
  int32: String.raw`(?:-?(?:0|[1-9]\d{0,8}|1\d{9})|null)`,
  int64: String.raw`(?:-?(?:0|[1-9]\d{0,14})|null)`,
  'text[]': String.raw`\[(?:"\w*"(?:, ?"\w*")*)?\]`,
} as const;

/** A page of points: its text without them, and them. */
export interface PlainPage {
  /** JSON, `points` being empty */
  envelope: string;
  points: Points;
}

/**
 * Reads a page of plain points. null: it is not one, so that JSON.parse has to say what it is. What is read here,
 * JSON.parse and a decoder would read the same.
 */
export function readPlainPage(
  body: Buffer,
  properties: readonly PropertyName[],
  serverTimeUs: Micros,
): PlainPage | null {
  const head = HEAD.exec(latin1(body, 0, HEAD_LENGTH))?.[0];
  if (head === undefined) return null;
  const pattern = patternOf(latin1(body, head.length, HEAD_LENGTH), properties);
  if (!pattern) return null;
  const offsets = offsetsOf(body, head.length, pattern);
  const endAt = offsets.pop() ?? 0;
  if (body.length - endAt > TAIL_LENGTH || !TAIL.test(latin1(body, endAt, TAIL_LENGTH))) return null;
  const shape = pointShape(properties, serverTimeUs);
  const times = timesOf(body, offsets);
  if (!isUntil(shape.latestUs, times)) return null;
  const read = (place: number): Reading => readPoint(body, inPlace(offsets, place), shape);
  return { envelope: `${head}]}`, points: { times, read } };
}

/** Where the points begin, and behind the last what is no point does. */
function offsetsOf(body: Buffer, from: number, pattern: RegExp): number[] {
  const offsets = [from];
  let at = from;
  let taken: number;
  do {
    const piece = latin1(body, at, PIECE_LENGTH);
    taken = 0;
    for (pattern.lastIndex = 0; pattern.test(piece); taken = pattern.lastIndex) offsets.push(at + pattern.lastIndex);
    at += taken;
  } while (taken > 0);
  return offsets;
}

function latin1(body: Buffer, from: number, length: number): string {
  return body.toString('latin1', from, from + length);
}

/** A point with its comma, its properties in the order in which the first point has them; some may be absent. */
function patternOf(text: string, properties: readonly PropertyName[]): RegExp | null {
  const types = new Map<string, string>(properties.map((name) => [name, VALUES[PROPERTIES[name].type]]));
  if (types.has('position')) types.set('actuator_position', VALUES[PROPERTIES.position.type]);
  const first = /^\{[^{}]*\}/.exec(text)?.[0] ?? '';
  const [time, ...names] = [...first.matchAll(/"(\w+)":/g)].map(([, name]) => name ?? '');
  if (time !== 'time' || !names.every((name) => types.has(name))) return null;
  const ordered = [...new Set([...names, ...types.keys()])];
  const members = ordered.map((name) => `(?:, ?"${name}": ?${types.get(name) ?? ''})?`);
  return new RegExp(String.raw`\{"time": ?${TIME}${members.join('')}\}(?:, ?(?=\{)|(?=\]))`, 'y');
}

const [DIGIT_0, DIGIT_9, QUOTE, DOT] = [0x30, 0x39, 0x22, 0x2e];

/**
 * When points were that the pattern matched: what it has checked is not checked again. NaN of a day that there is not. A
 * regular expression, or a Date, would take as long as parsing the whole point.
 */
function timesOf(body: Buffer, offsets: readonly number[]): Micros[] {
  const times: Micros[] = [];
  let [lastDay, dayUs] = [NaN, NaN];
  for (const offset of offsets) {
    const keyEnd = offset + '{"time":'.length;
    const at = body[keyEnd] === QUOTE ? keyEnd + 1 : keyEnd + 2;
    const day =
      (twoDigits(body, at) * 100 + twoDigits(body, at + 2)) * 10_000 +
      twoDigits(body, at + 5) * 100 +
      twoDigits(body, at + 8);
    if (day !== lastDay) {
      lastDay = day;
      dayUs = parseRfc3339(`${latin1(body, at, '2026-03-01'.length)}T00:00:00Z`) ?? NaN;
    }
    const minutes = twoDigits(body, at + 11) * 60 + twoDigits(body, at + 14);
    const seconds = minutes * 60 + twoDigits(body, at + 17);
    times.push(dayUs + seconds * US_PER_SECOND + (body[at + 19] === DOT ? fractionUs(body, at + 20) : 0));
  }
  return times;
}

/** Whether all times are known, and none is later. */
function isUntil(latestUs: Micros, times: readonly Micros[]): boolean {
  for (const timeUs of times) if (!(timeUs <= latestUs)) return false;
  return true;
}

function twoDigits(body: Buffer, at: number): number {
  return ((body[at] ?? 0) - DIGIT_0) * 10 + (body[at + 1] ?? 0) - DIGIT_0;
}

function fractionUs(body: Buffer, from: number): Micros {
  let us = 0;
  for (let [at, unitUs] = [from, US_PER_SECOND / 10]; unitUs >= 1; at += 1, unitUs /= 10) {
    const character = body[at] ?? 0;
    if (character < DIGIT_0 || character > DIGIT_9) break;
    us += (character - DIGIT_0) * unitUs;
  }
  return us;
}

function readPoint(body: Buffer, offset: number, shape: PointShape): Reading {
  const reading = decodePoint(shape, JSON.parse(body.toString('latin1', offset, body.indexOf('}', offset) + 1)));
  if ('reason' in reading) throw new Error(`a plain point, but ${reading.reason}`);
  return reading;
}
