/** The budget: how much a counter can have risen since a level was reached. Whether a reading follows the level. */
import type { Micros } from '../domain/time.ts';
import { US_PER_DAY, US_PER_HOUR } from '../domain/time.ts';
import { envelopes, FINAL_AFTER_US, historyStart, windowStart } from './envelope.ts';
import { isOutage, lastAtOrBefore, readingAt, TOLERANCE_KWH, type VisibleReading } from './readings.ts';
import { MICRO_PER_KWH, type Level, type Limits, type ShownPower } from '../domain/energy.ts';

const BUDGET_LASTS_US = 7 * US_PER_DAY;
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
  /** A power that the last 7 days show, for the next run to begin with. Greater if `follows` has needed the envelope. */
  shown: () => ShownPower;
}

/**
 * Answers whether readings follow, in two ways. Most rises are allowed by a lower bound of the envelope that needs no older
 * readings: the power at both ends of each step, and a power that the last 7 days show. Such a yes is final. The envelope
 * itself is only computed for other rises: it needs the readings of 7.5 days before the budget begins (400.5 across an outage).
 */
export function budgetsOf(
  readings: readonly VisibleReading[],
  suppliedFromUs: Micros,
  shownBefore: ShownPower,
  limits: Limits,
): Budgets {
  const newestUs = readings.at(-1)?.timeUs ?? 0;
  const { lowerSums, shown } = sumLowerBounds(readings, shownBefore, limits);
  let envelopeSums: EnvelopeSums | undefined;

  return { follows, shown: () => greaterShown(shown, envelopeSums?.newest) };

  function follows(level: Level, i: number): Answer {
    const reading = readingAt(readings, i);
    const riseKwh = reading.kwh - level.kwh;
    if (riseKwh < -TOLERANCE_KWH) return { follows: false, final: true };
    if (riseKwh <= TOLERANCE_KWH) return { follows: true, final: true };

    const fromUs = budgetStart(level, reading.timeUs);
    const mostMicroKwh = energyMicroKwh(limits.maxPowerKw, reading.timeUs - fromUs);
    // 1 kWh of margin: the sums below are rounded up step by step, and may exceed this one.
    if (riseKwh > budgetKwh(mostMicroKwh) + 1) return { follows: false, final: true };

    const startIndex = lastAtOrBefore(readings, fromUs);
    const allows = (sums: Float64Array) => riseKwh <= budgetKwh(sumBetween(sums, startIndex, fromUs, i));
    if (allows(lowerSums)) return { follows: true, final: true };

    demandHistory(level, fromUs, startIndex, i);
    envelopeSums ??= sumEnvelopes(readings, limits);
    if (allows(envelopeSums.certain)) return { follows: true, final: true };
    return { follows: allows(envelopeSums.soFar), final: newestUs >= reading.timeUs + FINAL_AFTER_US };
  }

  /** What running sums add from `fromUs` to reading i. `startIndex`: the last reading at or before `fromUs`, or -1. */
  function sumBetween(sums: Float64Array, startIndex: number, fromUs: Micros, i: number): number {
    const fromFirst = (sums[i] ?? 0) - (sums[Math.max(startIndex, 0)] ?? 0);
    const [from, to] = [readings[startIndex], readings[startIndex + 1]];
    if (from === undefined || to === undefined || from.timeUs === fromUs) return fromFirst;
    const firstStep = (sums[startIndex + 1] ?? 0) - (sums[startIndex] ?? 0);
    return fromFirst - Math.floor(firstStep * ((fromUs - from.timeUs) / (to.timeUs - from.timeUs)));
  }

  /** @throws HistoryNeeded if an envelope between `fromUs` and reading i needs readings older than those supplied */
  function demandHistory(level: Level, fromUs: Micros, startIndex: number, i: number): void {
    if (suppliedFromUs === -Infinity) return;
    // If all readings since before `fromUs` are supplied and none is at or before it, `fromUs` lies in an outage. The reading
    // before the outage is needed too. It is not older than the level, for the level began at a reading.
    const isInOutage = startIndex < 0 && suppliedFromUs <= fromUs;
    let neededUs = isInOutage ? level.sinceUs : fromUs;
    for (let k = Math.max(startIndex, 0) + 1; k <= i; k++) {
      const [from, to] = [readingAt(readings, k - 1), readingAt(readings, k)];
      neededUs = Math.min(neededUs, historyStart(from.timeUs, to.timeUs, limits));
    }
    if (neededUs < suppliedFromUs) throw new HistoryNeeded(neededUs);
  }
}

/** The budget counts from when the level was reached, at most 7 days back; further back if no reading was accepted since. */
function budgetStart(level: Level, timeUs: Micros): Micros {
  return Math.max(level.sinceUs, Math.min(timeUs - BUDGET_LASTS_US, level.acceptedUs));
}

function budgetKwh(passedMicroKwh: number): number {
  return TOLERANCE_KWH + (BUDGET_FACTOR * passedMicroKwh) / MICRO_PER_KWH;
}

/** Rounded up to whole micro-kWh: sums of integers are exact, so it does not matter where a run begins to add. */
function energyMicroKwh(kw: number, lastsUs: Micros): number {
  return Math.ceil((kw * MICRO_PER_KWH * lastsUs) / US_PER_HOUR);
}

/**
 * Running sums of each step's energy by a lower bound of its envelope: measured power, or the power `shown`. `shown` is
 * some power of the last 7 days, not always the greatest: a lower bound may be too low, for then the envelope decides.
 */
function sumLowerBounds(readings: readonly VisibleReading[], shownBefore: ShownPower, limits: Limits) {
  const lowerSums = new Float64Array(readings.length);
  let shown = shownBefore;
  for (const [i, to] of readings.entries()) {
    const from = readings[i - 1];
    if (from !== undefined) {
      const isInWindow = shown.untilUs <= to.timeUs && shown.sinceUs >= windowStart(from.timeUs, to.timeUs, limits);
      const kw = Math.max(from.powerKw ?? 0, to.powerKw ?? 0, isInWindow ? shown.kw : 0);
      lowerSums[i] = (lowerSums[i - 1] ?? 0) + energyMicroKwh(kw, to.timeUs - from.timeUs);
    }
    const isOld = shown.sinceUs < to.timeUs - BUDGET_LASTS_US;
    if (isOld || (to.powerKw ?? 0) >= shown.kw) shown = { kw: to.powerKw ?? 0, sinceUs: to.timeUs, untilUs: to.timeUs };
  }
  return { lowerSums, shown };
}

/** Running sums of each step's energy: by its envelope so far, and by what is certain of its envelope. */
interface EnvelopeSums {
  soFar: Float64Array;
  certain: Float64Array;
  /** What is certain of the newest step that is not an outage. */
  newest: ShownPower | null;
}

function sumEnvelopes(readings: readonly VisibleReading[], limits: Limits): EnvelopeSums {
  const soFar = new Float64Array(readings.length);
  const certain = new Float64Array(readings.length);
  let newest: ShownPower | null = null;
  for (const [i, envelope] of envelopes(readings, limits).entries()) {
    if (envelope === null) continue;
    const [from, to] = [readingAt(readings, i - 1), readingAt(readings, i)];
    const lastsUs = to.timeUs - from.timeUs;
    soFar[i] = (soFar[i - 1] ?? 0) + energyMicroKwh(envelope.kw, lastsUs);
    certain[i] = (certain[i - 1] ?? 0) + energyMicroKwh(envelope.certain.kw, lastsUs);
    newest = isOutage(from.timeUs, to.timeUs, limits) ? newest : envelope.certain;
  }
  return { soFar, certain, newest };
}

function greaterShown(shown: ShownPower, other: ShownPower | null | undefined): ShownPower {
  return other && other.kw > shown.kw ? other : shown;
}
