import type { Micros } from '../../src/domain/time.ts';
import type { Json } from './json.ts';
import type { PointsQuery } from './query.ts';

export interface SimulatedRequest {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  /** the valve whose points are asked for */
  valveId: string | null;
}

/**
 * Everything that can go wrong with an answer. Several at once act together; of two that exclude each other, the first
 * one wins.
 */
export type Fault =
  /** the answer comes late */
  | { kind: 'delay'; ms: number }
  /** another answer: a problem as HyCloud words it, a proxy's HTML, or nothing */
  | { kind: 'status'; status: number; body?: 'problem' | 'html' | 'empty'; headers?: Record<string, string> }
  | { kind: 'body'; text: string; contentType?: string }
  | { kind: 'redirect'; location: string; status?: 301 | 302 | 307 | 308 }
  /** the whole history up to now, 10 000 points, or descending; `lying` echoes what was asked all the same */
  | { kind: 'ignore'; parameters: ('from' | 'to' | 'limit' | 'direction')[]; echo: 'honest' | 'lying' }
  | { kind: 'capLimit'; limit: number; echo: 'honest' | 'lying' }
  /** points as they will be, up to this much after now */
  | { kind: 'future'; aheadUs: Micros }
  | { kind: 'shuffle' }
  | { kind: 'double' }
  | { kind: 'numbersAsStrings' }
  /** any change of the parsed answer, of this or any other endpoint */
  | { kind: 'transform'; transform: (answer: never) => Json }
  /** the `Date` header: none, any text, or so many microseconds ahead */
  | { kind: 'date'; date: null | string | number }
  /** the connection is cut: instead of an answer, or in the middle of its body */
  | { kind: 'reset'; when: 'before' | 'midBody' }
  /** a complete HTTP answer whose JSON ends in the middle */
  | { kind: 'truncate' }
  /** no headers, ever */
  | { kind: 'silence' }
  /** headers, then a blank from time to time for ever */
  | { kind: 'drip'; everyMs?: number }
  | { kind: 'endless' }
  /** a small body that unpacks to so many megabytes */
  | { kind: 'gzipBomb'; megabytes?: number };

type FaultOf<K extends Fault['kind']> = Extract<Fault, { kind: K }>;

/** A fault with the requests that it meets. Without `match`, all of them. */
export interface FaultRule {
  match?: ((request: SimulatedRequest) => boolean) | { path?: RegExp; valveId?: string };
  /** how many matching requests are spared first */
  after?: number;
  /** how many are hit then; without, all */
  times?: number;
  fault: Fault;
}

export interface Faults {
  /** Returns the function that takes the rule away. */
  add(rule: FaultRule): () => void;
  clear(): void;
  /** What strikes this request; it counts against the rules' `after` and `times`. */
  strike(request: SimulatedRequest): Fault[];
}

function matches({ match }: FaultRule, request: SimulatedRequest): boolean {
  if (match === undefined) return true;
  if (typeof match === 'function') return match(request);
  return (match.path?.test(request.path) ?? true) && (match.valveId ?? request.valveId) === request.valveId;
}

export function createFaults(): Faults {
  const rules = new Set<{ rule: FaultRule; seen: number }>();
  return {
    add: (rule) => {
      const entry = { rule, seen: 0 };
      rules.add(entry);
      return () => void rules.delete(entry);
    },
    clear: () => rules.clear(),
    strike: (request) => {
      const struck: Fault[] = [];
      for (const entry of rules) {
        if (!matches(entry.rule, request)) continue;
        const { after = 0, times = Infinity, fault } = entry.rule;
        const turn = entry.seen++ - after;
        if (turn >= 0 && turn < times) struck.push(fault);
      }
      return struck;
    },
  };
}

export function faultOf<K extends Fault['kind']>(faults: readonly Fault[], kind: K): FaultOf<K> | undefined {
  return faults.find((fault): fault is FaultOf<K> => fault.kind === kind);
}

const IGNORANT_LIMIT = 10_000;

/** What is served in place of what was asked, and what the answer claims to have served. */
export function misreadQuery(faults: readonly Fault[], asked: PointsQuery, nowUs: Micros): [PointsQuery, PointsQuery] {
  const served = { ...asked };
  let echoed = asked;
  for (const fault of faults) {
    if (fault.kind === 'future') served.toUs = Math.max(served.toUs, nowUs) + fault.aheadUs;
    if (fault.kind === 'capLimit') served.limit = Math.min(served.limit, fault.limit);
    if (fault.kind === 'ignore') {
      for (const parameter of fault.parameters) {
        if (parameter === 'from') served.fromUs = 0;
        else if (parameter === 'to') served.toUs = nowUs;
        else if (parameter === 'limit') served.limit = IGNORANT_LIMIT;
        else served.direction = 'descending';
      }
    }
    if ('echo' in fault && fault.echo === 'honest') echoed = served;
  }
  return [served, echoed];
}

/** Deals the points out like cards, so that neighbours are parted; the same way every time. */
function shuffled(points: readonly Json[]): Json[] {
  const hands = [2, 0, 1].map((hand) => points.filter((_point, index) => index % 3 === hand));
  return hands.flat().toReversed();
}

function withStrings(value: Json): Json {
  if (typeof value === 'number') return String(value);
  if (Array.isArray(value)) return value.map(withStrings);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withStrings(inner ?? null)]));
}

function withPoints(answer: Json, change: (points: readonly Json[]) => Json[]): Json {
  if (answer === null || typeof answer !== 'object' || !('points' in answer)) return answer;
  const { points } = answer as { points: readonly Json[] };
  return { ...answer, points: change(points) };
}

/** Whether the client never sees a status. */
export function isUnanswered(faults: readonly Fault[]): boolean {
  return faultOf(faults, 'silence') !== undefined || faultOf(faults, 'reset')?.when === 'before';
}

/** The answer as the faults leave it. */
export function distortAnswer(faults: readonly Fault[], answer: Json): Json {
  return faults.reduce((body, fault): Json => {
    if (fault.kind === 'shuffle') return withPoints(body, shuffled);
    if (fault.kind === 'double') return withPoints(body, (points) => points.flatMap((point) => [point, point]));
    if (fault.kind === 'numbersAsStrings') return withPoints(body, (points) => points.map(withStrings));
    if (fault.kind === 'transform') return fault.transform(body as never);
    return body;
  }, answer);
}

/** The `Date` header: whole seconds (RFC 9110, IMF-fixdate). */
export function dateHeader(faults: readonly Fault[], nowUs: Micros): string | null {
  const { date } = faultOf(faults, 'date') ?? { date: 0 };
  return typeof date === 'number' ? new Date((nowUs + date) / 1000).toUTCString() : date;
}

/** The text of an answer, as the faults leave it. */
export function distortText(faults: readonly Fault[], body: Json): string {
  const text = JSON.stringify(body);
  return faultOf(faults, 'truncate') ? text.slice(0, Math.ceil(text.length / 2)) : text;
}
