/**
 * "What kWh means" (README), once more: slow, in exact arithmetic, with the whole history of a register in memory.
 * Written from that text, not from the SQL, to be held against it.
 */

export interface CounterReading {
  /** microseconds since 1970 */
  at: bigint;
  /** kWh; null where the valve sent none */
  kwh: bigint | null;
}

type Point = CounterReading & { kwh: bigint };

interface Piece {
  from: bigint;
  to: bigint;
  kwh: bigint;
  how: 'counted' | 'reset' | 'implausible' | 'undecided';
}

/** From the first reading to the last, without a hole. */
export type Curve = readonly Piece[];

export type Quality = 'missing' | 'provisional' | 'reset' | 'implausible' | 'estimated' | 'measured';

export interface Bucket {
  /** an exact fraction; null where there is no curve */
  kwh: Fraction | null;
  coverage: number;
  quality: Quality;
}

export interface Fraction {
  numerator: bigint;
  denominator: bigint;
}

const HOUR = 3_600_000_000n;
const DAY = 24n * HOUR;

function isPossible(kwh: bigint, duration: bigint, maxPowerKw: bigint): boolean {
  return kwh <= 1n || kwh * HOUR <= maxPowerKw * duration;
}

export function odometerCurve(readings: readonly CounterReading[], maxPowerKw = 1500n): Curve {
  const points = readings
    .filter((reading): reading is Point => reading.kwh !== null && reading.kwh >= 0n)
    .sort((a, b) => (a.at < b.at ? -1 : 1));
  const [first, ...rest] = points;
  const end = points.at(-1);
  if (!first || !end) return [];

  const possible = (a: Point, b: Point) => isPossible(b.kwh - a.kwh, b.at - a.at, maxPowerKw);
  const pieces: Piece[] = [];
  let last = first;
  let ahead = rest;
  const keep = (point: Point, kwh: bigint, how: Piece['how']) => {
    pieces.push({ from: last.at, to: point.at, kwh, how });
    last = point;
  };

  for (let next = ahead[0]; next !== undefined; next = ahead[0]) {
    const change = next.kwh - last.kwh;
    if (change < 0n && change >= -2n) {
      ahead = ahead.slice(1);
      continue;
    }
    if (change >= 0n && possible(last, next)) {
      keep(next, change, 'counted');
      ahead = ahead.slice(1);
      continue;
    }

    const fate = change < 0n ? fateOfFall(last, ahead, possible) : fateOfRise(last, ahead, possible);
    if (fate === 'undecided') break;
    if (typeof fate === 'number') {
      ahead = ahead.slice(fate);
      continue;
    }
    if (change < 0n) {
      keep(next, isPossible(next.kwh, next.at - last.at, maxPowerKw) ? next.kwh : 0n, 'reset');
    } else if (
      last.kwh === 0n &&
      pieces.every(({ how, kwh }) => how === 'counted' && kwh === 0n) &&
      next.at - first.at <= DAY
    ) {
      // zeros before the first value: a glitch at that end
      pieces.length = 0;
      last = next;
    } else {
      keep(next, change, 'implausible');
    }
    ahead = ahead.slice(1);
  }
  if (last.at < end.at) keep(end, 0n, 'undecided');
  return pieces;
}

/** How many readings the glitch has; or that it stays; or that nobody knows yet. */
type Fate = number | 'stays' | 'undecided';
type Possible = (a: Point, b: Point) => boolean;

function fateOfFall(old: Point, ahead: readonly Point[], possible: Possible): Fate {
  const lookAhead = withinADay(ahead);
  const back = lookAhead.findIndex((point) => point.kwh >= old.kwh - 2n);
  if (back === -1) return settled(ahead, lookAhead, possible);
  const [before, comeBack] = [lookAhead[back - 1], lookAhead[back]];
  return before && comeBack && !possible(before, comeBack) ? back : 'stays';
}

function fateOfRise(old: Point, ahead: readonly Point[], possible: Possible): Fate {
  const lookAhead = withinADay(ahead);
  const back = lookAhead.findIndex((point, index) => {
    const before = lookAhead[index - 1];
    return before !== undefined && point.kwh < before.kwh - 2n && possible(old, point);
  });
  return back === -1 ? settled(ahead, lookAhead, possible) : back;
}

function withinADay(ahead: readonly Point[]): Point[] {
  return ahead.filter((point) => point.at - (ahead[0]?.at ?? 0n) <= DAY);
}

/** Nothing came back: for good once a day has passed, or the counter counts on. */
function settled(ahead: readonly Point[], lookAhead: readonly Point[], possible: Possible): Fate {
  const [first, last] = [ahead[0], ahead.at(-1)];
  if (first && last && last.at - first.at >= DAY) return 'stays';
  const countsOn = lookAhead.some((point, index) => {
    const before = lookAhead[index - 1];
    return before !== undefined && point.kwh > before.kwh && possible(before, point);
  });
  return countsOn ? 'stays' : 'undecided';
}

export function bucketOf(pieces: Curve, start: bigint, end: bigint, intervalMinutes = 15n): Bucket {
  const overlapping = pieces.filter((piece) => piece.from < end && piece.to > start);
  const curveEnd = pieces.at(-1);
  if (overlapping.length === 0 || !curveEnd) return { kwh: null, coverage: 0, quality: 'missing' };

  let kwh: Fraction = { numerator: 0n, denominator: 1n };
  let covered = 0n;
  for (const piece of overlapping) {
    const shared = min(piece.to, end) - max(piece.from, start);
    const length = piece.to - piece.from;
    kwh = plus(kwh, { numerator: piece.kwh * shared, denominator: length });
    // 1.5 intervals, doubled to stay whole
    if (2n * length <= 3n * intervalMinutes * (HOUR / 60n) && piece.how !== 'undecided') covered += shared;
  }
  const hows = new Set(overlapping.map(({ how }) => how));
  const quality =
    curveEnd.to < end || hows.has('undecided')
      ? 'provisional'
      : hows.has('reset')
        ? 'reset'
        : hows.has('implausible')
          ? 'implausible'
          : covered < end - start
            ? 'estimated'
            : 'measured';
  return { kwh, coverage: Number(covered) / Number(end - start), quality };
}

function plus(a: Fraction, b: Fraction): Fraction {
  return {
    numerator: a.numerator * b.denominator + b.numerator * a.denominator,
    denominator: a.denominator * b.denominator,
  };
}

const min = (a: bigint, b: bigint) => (a < b ? a : b);
const max = (a: bigint, b: bigint) => (a > b ? a : b);
