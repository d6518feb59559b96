/** Faults of the simulated HyCloud's answers. */
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
 * A fault of an answer. Several faults act together. Of two of a kind, the first wins. For kinds that exclude each other, see
 * `replyTo` and transport.ts.
 */
export type Fault =
  /** the answer comes late */
  | { kind: 'delay'; ms: number }
  /** another answer: a problem in HyCloud's JSON, a proxy's HTML, or an empty body */
  | { kind: 'status'; status: number; body?: 'problem' | 'html' | 'empty'; headers?: Record<string, string> }
  | { kind: 'body'; text: string; contentType?: string }
  | { kind: 'redirect'; location: string; status?: 301 | 302 | 307 | 308 }
  /** ignores parameters. `lying`: the answer claims to have used them */
  | { kind: 'ignore'; parameters: ('from' | 'to' | 'limit' | 'direction')[]; echo: 'honest' | 'lying' }
  | { kind: 'capLimit'; limit: number; echo: 'honest' | 'lying' }
  /** includes points of the future, up to `aheadUs` after now */
  | { kind: 'future'; aheadUs: Micros }
  | { kind: 'shuffle' }
  | { kind: 'double' }
  | { kind: 'numbersAsStrings' }
  /** any change of the parsed answer, of this or any other endpoint */
  | { kind: 'transform'; transform: (answer: never) => Json }
  /** the `Date` header: none (null), any text, or a number of microseconds ahead of the clock */
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
  /** a small body that unpacks to this size */
  | { kind: 'gzipBomb'; megabytes?: number };

export type FaultOf<K extends Fault['kind']> = Extract<Fault, { kind: K }>;

/** A fault, and the requests that get it. Without `match`: all requests. */
export interface FaultRule {
  match?: ((request: SimulatedRequest) => boolean) | { path?: RegExp; valveId?: string };
  /** how many matching requests are answered correctly first; default 0 */
  after?: number;
  /** how many requests then get the fault; default: all */
  times?: number;
  fault: Fault;
}

export interface Faults {
  /** Returns a function that removes the rule. */
  add(rule: FaultRule): () => void;
  clear(): void;
  /** The faults of this request. Counts the request for the rules' `after` and `times`. */
  take(request: SimulatedRequest): Fault[];
}

function matches({ match }: FaultRule, request: SimulatedRequest): boolean {
  if (match === undefined) return true;
  if (typeof match === 'function') return match(request);
  return (match.path?.test(request.path) ?? true) && (match.valveId ?? request.valveId) === request.valveId;
}

export function createFaults(): Faults {
  const rules = new Set<{ rule: FaultRule; matchedRequests: number }>();
  return {
    add: (rule) => {
      const entry = { rule, matchedRequests: 0 };
      rules.add(entry);
      return () => void rules.delete(entry);
    },
    clear: () => rules.clear(),
    take: (request) => {
      const faults: Fault[] = [];
      for (const entry of rules) {
        if (!matches(entry.rule, request)) continue;
        const { after = 0, times = Infinity, fault } = entry.rule;
        const earlier = entry.matchedRequests++;
        if (earlier >= after && earlier < after + times) faults.push(fault);
      }
      return faults;
    },
  };
}

/** The first fault of this kind. */
export function faultOf<K extends Fault['kind']>(faults: readonly Fault[], kind: K): FaultOf<K> | undefined {
  return faults.find((fault): fault is FaultOf<K> => fault.kind === kind);
}

/** How many points an answer holds at most if a fault ignores `limit`. */
const IGNORANT_LIMIT = 10_000;

/** The query that is served instead, and the query that the answer claims to have served. */
export function misreadQuery(
  faults: readonly Fault[],
  asked: PointsQuery,
  nowUs: Micros,
): { served: PointsQuery; echoed: PointsQuery } {
  const served = { ...asked };
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
  }
  // If faults disagree, the answer is honest.
  const isHonest = faults.some((fault) => 'echo' in fault && fault.echo === 'honest');
  return { served, echoed: isHonest ? served : asked };
}

/** Every third point from the end on, then the others in the same way: neighbours are separated, always in the same order. */
function shuffle(points: readonly Json[]): Json[] {
  const thirds = [2, 0, 1].map((remainder) => points.filter((_point, index) => index % 3 === remainder));
  return thirds.flat().toReversed();
}

/** The same value, with texts in place of numbers. */
function numbersToStrings(value: Json): Json {
  if (typeof value === 'number') return String(value);
  if (Array.isArray(value)) return value.map(numbersToStrings);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, numbersToStrings(inner ?? null)]));
}

/** Changes the points of an answer. An answer without points stays as it is. */
function changePoints(answer: Json, change: (points: readonly Json[]) => Json[]): Json {
  if (answer === null || typeof answer !== 'object' || !('points' in answer)) return answer;
  const { points } = answer as { points: readonly Json[] };
  return { ...answer, points: change(points) };
}

/** Whether the client gets no status, because the connection is cut before or stays silent. */
export function isUnanswered(faults: readonly Fault[]): boolean {
  return faultOf(faults, 'silence') !== undefined || faultOf(faults, 'reset')?.when === 'before';
}

/** Applies the faults to the parsed answer. */
export function distortAnswer(faults: readonly Fault[], answer: Json): Json {
  return faults.reduce((body, fault): Json => {
    if (fault.kind === 'shuffle') return changePoints(body, shuffle);
    if (fault.kind === 'double') return changePoints(body, (points) => points.flatMap((point) => [point, point]));
    if (fault.kind === 'numbersAsStrings') return changePoints(body, (points) => points.map(numbersToStrings));
    if (fault.kind === 'transform') return fault.transform(body as never);
    return body;
  }, answer);
}

/** The `Date` header: whole seconds (RFC 9110, IMF-fixdate). Null: none is sent. */
export function dateHeader(faults: readonly Fault[], nowUs: Micros): string | null {
  const { date } = faultOf(faults, 'date') ?? { date: 0 }; // 0: exactly the clock
  return typeof date === 'number' ? new Date((nowUs + date) / 1000).toUTCString() : date;
}

/** Applies the faults to the text of the answer. */
export function distortText(faults: readonly Fault[], body: Json): string {
  const text = JSON.stringify(body);
  return faultOf(faults, 'truncate') ? text.slice(0, Math.ceil(text.length / 2)) : text;
}
