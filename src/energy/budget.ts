/** The budget: how much a counter can have risen since a level was reached. Whether a reading follows the level. */
import type { Micros } from '../domain/time.ts';
import { US_PER_DAY, US_PER_HOUR } from '../domain/time.ts';
import { envelopes, FINAL_AFTER_US, historyStart, isOutage, TOLERANCE_KWH, windowStart } from './envelope.ts';
import type { VisibleReading } from './envelope.ts';
import type { Level, Limits, ShownPower } from './types.ts';

export const MICRO = 1_000_000;
const COUNTS_FOR_US = 7 * US_PER_DAY;
/** Budget in kWh = TOLERANCE_KWH + BUDGET_FACTOR × envelope × time. */
export const BUDGET_FACTOR = 1.5;

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
  shown: () => ShownPower;
}

/**
 * Answers whether readings follow, in two ways. Most rises are allowed by power that is known without older readings: the
 * power at both ends of each step, and the greatest power shown lately. The envelope is at least that, so such a yes is
 * final. Only for other rises is the envelope computed, which needs the readings of 7.5 days before the budget begins (400
 * across an outage).
 */
export function budgetsOf(
  readings: readonly VisibleReading[],
  suppliedFromUs: Micros,
  shownBefore: ShownPower,
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
    // 1 kWh of margin: the exact sums below are rounded up step by step, and may exceed this one.
    if (riseKwh > budgetKwh(mostMicroKwh) + 1) return { follows: false, final: true };
    const first = lastAtOrBefore(readings, fromUs);
    if (riseKwh <= budgetKwh(between(atLeast, first, fromUs, i))) return { follows: true, final: true };

    demandHistory(level, fromUs, first, i);
    exact ??= exactEnergy(readings, limits);
    if (riseKwh <= budgetKwh(between(exact.certain, first, fromUs, i))) return { follows: true, final: true };
    return {
      follows: riseKwh <= budgetKwh(between(exact.passed, first, fromUs, i)),
      final: newestUs >= reading.timeUs + FINAL_AFTER_US,
    };
  }

  /** What a running sum adds from `fromUs` to reading i. `first`: index of the last reading at or before `fromUs`, or -1. */
  function between(sum: Float64Array, first: number, fromUs: Micros, i: number): number {
    const all = (sum[i] ?? 0) - (sum[Math.max(first, 0)] ?? 0);
    const [from, to] = [readings[first], readings[first + 1]];
    if (from === undefined || to === undefined || from.timeUs === fromUs) return all;
    const step = (sum[first + 1] ?? 0) - (sum[first] ?? 0);
    return all - Math.floor(step * ((fromUs - from.timeUs) / (to.timeUs - from.timeUs)));
  }

  /** @throws HistoryNeeded if an envelope between `fromUs` and reading i needs readings older than those supplied */
  function demandHistory(level: Level, fromUs: Micros, first: number, i: number): void {
    if (suppliedFromUs === -Infinity) return;
    // If no supplied reading is at or before `fromUs`, it lies in an outage. The reading before the outage is needed too. That
    // one is not older than the level's first reading.
    let neededUs = first < 0 && suppliedFromUs <= fromUs ? level.sinceUs : fromUs;
    for (let k = Math.max(first, 0) + 1; k <= i; k++) {
      const [from, to] = [readingAt(readings, k - 1), readingAt(readings, k)];
      neededUs = Math.min(neededUs, historyStart(from.timeUs, to.timeUs, limits));
    }
    if (neededUs < suppliedFromUs) throw new HistoryNeeded(neededUs);
  }
}

/** The budget counts from when the level was reached, at most 7 days back; further back if no reading was accepted since. */
function countsFrom(level: Level, timeUs: Micros): Micros {
  return Math.max(level.sinceUs, Math.min(timeUs - COUNTS_FOR_US, level.acceptedUs));
}

function budgetKwh(passedMicroKwh: number): number {
  return TOLERANCE_KWH + (BUDGET_FACTOR * passedMicroKwh) / MICRO;
}

/** Rounded up to whole 10⁻⁶ kWh: sums of integers are exact, so it does not matter where a run begins to add. */
function energyMicroKwh(kw: number, lastsUs: Micros): number {
  return Math.ceil((kw * MICRO * lastsUs) / US_PER_HOUR);
}

/** Running sums of a lower bound of each step's energy; and the greatest power shown lately, at the newest reading. */
function energyAtHand(readings: readonly VisibleReading[], shownBefore: ShownPower, limits: Limits) {
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

function shownBy({ powerKw, timeUs }: VisibleReading): ShownPower {
  return { kw: powerKw ?? 0, sinceUs: timeUs, untilUs: timeUs };
}

/** Running sums over the readings, by the envelope and by its lower bound. */
interface Exact {
  passed: Float64Array;
  certain: Float64Array;
  /** The lower bound of the newest step that is not an outage. */
  newest: ShownPower | null;
}

function exactEnergy(readings: readonly VisibleReading[], limits: Limits): Exact {
  const passed = new Float64Array(readings.length);
  const certain = new Float64Array(readings.length);
  let newest: ShownPower | null = null;
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

function latestShown(exact: Exact | undefined, shown: ShownPower): ShownPower {
  return exact?.newest && exact.newest.kw > shown.kw ? exact.newest : shown;
}

function readingAt(readings: readonly VisibleReading[], i: number): VisibleReading {
  const reading = readings[i];
  if (reading === undefined) throw new RangeError(`no reading ${i}`);
  return reading;
}

/** Index of the last reading at or before an instant. -1: every reading is later. */
export function lastAtOrBefore(readings: readonly VisibleReading[], timeUs: Micros): number {
  let [low, high] = [0, readings.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (readingAt(readings, middle).timeUs <= timeUs) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
