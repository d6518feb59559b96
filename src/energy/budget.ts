/** The budget between two readings, and whether a reading follows a level. */
import type { Micros } from '../domain/time.ts';
import { US_PER_DAY, US_PER_HOUR } from '../domain/time.ts';
import { envelopes, FINAL_AFTER_US, historyStart, isOutage, TOLERANCE_KWH, windowStart } from './envelope.ts';
import type { Sighted } from './envelope.ts';
import type { Level, Limits, Shown } from './types.ts';

export const MICRO = 1_000_000;
const COUNTS_FOR_US = 7 * US_PER_DAY;
const TIMES_ENVELOPE = 1.5;

/** The readings supplied do not reach back far enough to judge: they must begin at `readingsFromUs`. */
export class HistoryNeeded extends Error {
  readonly readingsFromUs: Micros;
  constructor(readingsFromUs: Micros) {
    super('the readings supplied do not reach back far enough');
    this.readingsFromUs = readingsFromUs;
  }
}

/** `final`: no reading that is yet to come can change the answer. */
export interface Answer {
  follows: boolean;
  final: boolean;
}

export interface Budgets {
  /** Whether reading i follows the level. */
  follows: (level: Level, i: number) => Answer;
  /** The greatest power shown lately, for the next run to begin with. */
  shown: () => Shown;
}

/**
 * Most readings follow by powers at hand: those at both ends of each step, and the greatest one shown lately. These are
 * in the window of the envelope, and more readings only raise it, so a yes by them is certain and final. Only where they
 * do not allow the rise is the envelope itself asked for, which needs the readings of 8 days before, or 400.
 */
export function budgetsOf(
  readings: readonly Sighted[],
  suppliedFromUs: Micros,
  shownBefore: Shown,
  limits: Limits,
): Budgets {
  const newestUs = readings.at(-1)?.timeUs ?? 0;
  const { atLeast, shown } = energyAtHand(readings, shownBefore, limits);
  let exact: Exact | undefined;

  return { follows, shown: () => latestShown(exact, shown) };

  function follows(level: Level, i: number): Answer {
    const reading = readingAt(readings, i);
    const riseKwh = reading.kwh - level.kwh;
    if (riseKwh < -TOLERANCE_KWH) return { follows: false, final: true };
    if (riseKwh <= TOLERANCE_KWH) return { follows: true, final: true };

    const fromUs = countsFrom(level, reading.timeUs);
    const mostMicroKwh = energyMicroKwh(limits.maxPowerKw, reading.timeUs - fromUs);
    // One kWh more: each step's energy is rounded up.
    if (riseKwh > budgetKwh(mostMicroKwh) + 1) return { follows: false, final: true };
    const first = lastAtOrBefore(readings, fromUs);
    if (riseKwh <= budgetKwh(between(atLeast, first, fromUs, i))) return { follows: true, final: true };

    exact ??= exactEnergy(readings, limits);
    demandHistory(fromUs, Math.max(first, 0), i);
    if (riseKwh <= budgetKwh(between(exact.certain, first, fromUs, i))) return { follows: true, final: true };
    return {
      follows: riseKwh <= budgetKwh(between(exact.passed, first, fromUs, i)),
      final: newestUs >= reading.timeUs + FINAL_AFTER_US,
    };
  }

  /** The energy of a running sum from an instant to reading i. `first` is the last reading at or before that instant. */
  function between(sum: Float64Array, first: number, fromUs: Micros, i: number): number {
    const all = (sum[i] ?? 0) - (sum[Math.max(first, 0)] ?? 0);
    const [from, to] = [readings[first], readings[first + 1]];
    if (from === undefined || to === undefined || from.timeUs === fromUs) return all;
    const step = (sum[first + 1] ?? 0) - (sum[first] ?? 0);
    return all - Math.floor(step * ((fromUs - from.timeUs) / (to.timeUs - from.timeUs)));
  }

  function demandHistory(fromUs: Micros, first: number, i: number): void {
    if (suppliedFromUs === -Infinity) return;
    let neededUs = fromUs;
    for (let k = first + 1; k <= i; k++) {
      const [from, to] = [readingAt(readings, k - 1), readingAt(readings, k)];
      neededUs = Math.min(neededUs, historyStart(from.timeUs, to.timeUs, limits));
    }
    if (neededUs < suppliedFromUs) throw new HistoryNeeded(neededUs);
  }
}

/** For a level reached more than 7 days ago, the last 7 days count, and all of the time since the last accepted reading. */
function countsFrom(level: Level, timeUs: Micros): Micros {
  return Math.max(level.sinceUs, Math.min(timeUs - COUNTS_FOR_US, level.acceptedUs));
}

function budgetKwh(passedMicroKwh: number): number {
  return TOLERANCE_KWH + (TIMES_ENVELOPE * passedMicroKwh) / MICRO;
}

/** Rounded up to whole 10⁻⁶ kWh: sums of integers are exact, so it does not matter where a run begins to add. */
function energyMicroKwh(kw: number, lastsUs: Micros): number {
  return Math.ceil((kw * MICRO * lastsUs) / US_PER_HOUR);
}

/** Running sums of each step's energy, from the powers at hand; and the greatest power shown lately, up to the newest reading. */
function energyAtHand(readings: readonly Sighted[], shownBefore: Shown, limits: Limits) {
  const atLeast = new Float64Array(readings.length);
  let shown = shownBefore;
  for (const [i, to] of readings.entries()) {
    const from = readings[i - 1];
    if (from !== undefined) {
      const inWindow = shown.untilUs <= to.timeUs && shown.sinceUs >= windowStart(from.timeUs, to.timeUs, limits);
      const kw = Math.max(from.powerKw ?? 0, to.powerKw ?? 0, inWindow ? shown.kw : 0);
      atLeast[i] = (atLeast[i - 1] ?? 0) + energyMicroKwh(kw, to.timeUs - from.timeUs);
    }
    const isOld = shown.sinceUs < to.timeUs - COUNTS_FOR_US;
    if (isOld || (to.powerKw ?? 0) >= shown.kw) shown = shownBy(to);
  }
  return { atLeast, shown };
}

function shownBy({ powerKw, timeUs }: Sighted): Shown {
  return { kw: powerKw ?? 0, sinceUs: timeUs, untilUs: timeUs };
}

interface Exact {
  passed: Float64Array;
  certain: Float64Array;
  newest: Shown | null;
}

function exactEnergy(readings: readonly Sighted[], limits: Limits): Exact {
  const passed = new Float64Array(readings.length);
  const certain = new Float64Array(readings.length);
  let newest: Shown | null = null;
  for (const [i, envelope] of envelopes(readings, limits).entries()) {
    if (envelope === null) continue;
    const [from, to] = [readingAt(readings, i - 1), readingAt(readings, i)];
    const lastsUs = to.timeUs - from.timeUs;
    passed[i] = (passed[i - 1] ?? 0) + energyMicroKwh(envelope.kw, lastsUs);
    certain[i] = (certain[i - 1] ?? 0) + energyMicroKwh(envelope.certain.kw, lastsUs);
    newest = isOutage(from.timeUs, to.timeUs, limits) ? newest : envelope.certain;
  }
  return { passed, certain, newest };
}

function latestShown(exact: Exact | undefined, shown: Shown): Shown {
  return exact?.newest && exact.newest.kw > shown.kw ? exact.newest : shown;
}

function readingAt(readings: readonly Sighted[], i: number): Sighted {
  const reading = readings[i];
  if (reading === undefined) throw new RangeError(`no reading ${i}`);
  return reading;
}

/** -1 if every reading is later. */
export function lastAtOrBefore(readings: readonly Sighted[], timeUs: Micros): number {
  let [low, high] = [0, readings.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (readingAt(readings, middle).timeUs <= timeUs) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
