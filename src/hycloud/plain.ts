import { PROPERTIES, type PropertyName, type Reading } from '../domain/reading.ts';
import { parseRfc3339, type Micros } from '../domain/time.ts';
import { createPointDecoder, latestOf, type Point } from './points.ts';

/**
 * Pages as HyCloud writes them: points of a time and numbers, one like the other. Their bytes are matched, and only
 * points that somebody reads are parsed: a backfill goes through two million a valve and year, and keeps one in sixty.
 */

/** What stands before the first point: ASCII without braces and backslashes, which may mean anything. */
const HEAD = /^\{[^{}\\\x80-\xff]*"points": ?\[(?=\{)/;
/** And after the last. */
const TAIL = /^\][ \t\n\r]*\}[ \t\n\r]*$/;
const HEAD_LENGTH = 4096;
const TAIL_LENGTH = 16;
/** Small enough for V8 to keep it among its young: ten times as fast. */
const PIECE_LENGTH = 65_536;

const TIME = String.raw`"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|\+00:00)"`;
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
  points: Point[];
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
  const decode = createPointDecoder(properties, serverTimeUs);
  const latestUs = latestOf(serverTimeUs);
  const points: Point[] = [];
  let at = head.length;
  let taken: number;
  do {
    const piece = latin1(body, at, PIECE_LENGTH);
    taken = 0;
    for (pattern.lastIndex = 0; pattern.test(piece); taken = pattern.lastIndex) {
      const timeAt = piece.indexOf('"', taken + '{"time":'.length) + 1;
      const timeUs = parseRfc3339(piece, timeAt, piece.indexOf('"', timeAt));
      if (timeUs === null || timeUs > latestUs) return null;
      const offset = at + taken;
      points.push({ timeUs, read: () => readPoint(body, offset, decode) });
    }
    at += taken;
  } while (taken > 0);
  const isWhole = body.length - at <= TAIL_LENGTH && TAIL.test(latin1(body, at, TAIL_LENGTH));
  return isWhole ? { envelope: `${head}]}`, points } : null;
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

function readPoint(body: Buffer, offset: number, decode: ReturnType<typeof createPointDecoder>): Reading {
  const reading = decode(JSON.parse(body.toString('latin1', offset, body.indexOf('}', offset) + 1)));
  if ('reason' in reading) throw new Error(`a plain point, but ${reading.reason}`);
  return reading;
}
