/** The envelope: the greatest power that a valve can be shown to have passed around a step between two readings. */
import { US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, type Micros, type Span } from '../domain/time.ts';
import { isOutage, readingAt, TOLERANCE_KWH, type VisibleReading } from './readings.ts';
import { slidingFold } from './sliding.ts';
import type { Limits, ShownPower } from '../domain/energy.ts';

/** For how long no reading may undo a step: see stayingSteps. */
const STAY_US = 12 * US_PER_HOUR;
const AHEAD_US = 24 * US_PER_HOUR;
const BACK_US = 7 * US_PER_DAY;
const BACK_ACROSS_OUTAGE_US = 400 * US_PER_DAY;
/** Without power, fewer steps that stay show nothing. */
const STEPS_TO_KNOW = 12;

/** A step's envelope is final when its window has passed, and 12 hours more: then it is known which of its steps stay. */
export const FINAL_AFTER_US = AHEAD_US + STAY_US;

export interface Envelope {
  /** The envelope by the readings so far. */
  kw: number;
  /** A lower bound that later readings can only raise: the greater of measured power and twice the third-greatest pace. */
  certain: ShownPower;
}

/** Where the window of the step between two readings begins. */
export function windowStart(fromUs: Micros, toUs: Micros, limits: Limits): Micros {
  return fromUs - (isOutage(fromUs, toUs, limits) ? BACK_ACROSS_OUTAGE_US : BACK_US);
}

/** A step's envelope needs the readings from here on: its window, and 12 hours before to see which steps stay. */
export function historyStart(fromUs: Micros, toUs: Micros, limits: Limits): Micros {
  return windowStart(fromUs, toUs, limits) - STAY_US;
}

/** The envelope of each step. `result[i]` is that of the step that ends at reading i; `result[0]` is null. */
export function envelopes(readings: readonly VisibleReading[], limits: Limits): (Envelope | null)[] {
  const stays = stayingSteps(readings);
  // Two of them: a window across an outage begins earlier than the window of the step before, but windows may not move back.
  const evidenceUsual = slidingEvidence(readings, stays);
  const evidenceAcrossOutage = slidingEvidence(readings, stays);
  return readings.map((reading, i) => {
    const before = readings[i - 1];
    if (before === undefined) return null;
    const evidence = isOutage(before.timeUs, reading.timeUs, limits) ? evidenceAcrossOutage : evidenceUsual;
    const fromUs = windowStart(before.timeUs, reading.timeUs, limits);
    return envelopeOf(evidence(fromUs, reading.timeUs + AHEAD_US), limits);
  });
}

/** What a window shows. */
interface Evidence {
  /** The greatest measured power. Null: none is known. */
  power: ShownPower | null;
  /** Null: no step stays. */
  paces: Paces | null;
}

export const NOTHING_SHOWN: ShownPower = { kw: 0, sinceUs: 0, untilUs: 0 };

/**
 * The greatest of measured power and twice the counter's own pace: its third-greatest, or its mean without the two greatest.
 * One or two wild steps prove nothing: each may be a glitch or a jump. A counter that goes on counting is believed, even if
 * the power sensor shows too little. Without power and with fewer than 12 steps that stay, nothing is known: `maxPowerKw`.
 */
function envelopeOf({ power, paces }: Evidence, limits: Limits): Envelope {
  const measured = power ?? NOTHING_SHOWN;
  const greatest = paces?.greatest ?? [];
  const thirdPace = {
    kw: 2 * Math.max(0, greatest[2]?.kw ?? 0),
    sinceUs: Math.min(...greatest.map((step) => step.fromUs)),
    untilUs: Math.max(...greatest.map((step) => step.toUs)),
  };
  const certain = thirdPace.kw > measured.kw ? thirdPace : measured;
  const isKnown = power !== null || (paces?.steps ?? 0) >= STEPS_TO_KNOW;
  const kw = isKnown ? Math.max(certain.kw, 2 * meanPaceKw(paces)) : limits.maxPowerKw;
  return {
    kw: Math.min(kw, limits.maxPowerKw),
    certain: { ...certain, kw: Math.min(certain.kw, limits.maxPowerKw) },
  };
}

/** One step of the counter, and how fast it rises. */
interface Pace extends Span {
  kw: number;
  riseKwh: number;
  lastsUs: Micros;
}

/** Sums over those steps of a window that stay: for the third-greatest pace, and for the mean without the two greatest. */
interface Paces {
  steps: number;
  riseKwh: number;
  lastsUs: Micros;
  /** The three greatest, greatest first; of equals, the earliest. */
  greatest: readonly Pace[];
}

/** The pace of a rise in kW. One kWh less: the counter rounds to whole kWh. Over at least a minute: a shorter time proves little. */
function paceKw(riseKwh: number, lastsUs: Micros): number {
  return (riseKwh - 1) / (Math.max(lastsUs, US_PER_MINUTE) / US_PER_HOUR);
}

/** The mean pace of all steps but the two fastest. 0: fewer than three steps. */
function meanPaceKw(paces: Paces | null): number {
  const [first, second, third] = paces?.greatest ?? [];
  if (!paces || !first || !second || !third) return 0;
  const rise = paces.riseKwh - first.riseKwh - second.riseKwh;
  return Math.max(0, paceKw(rise, paces.lastsUs - first.lastsUs - second.lastsUs));
}

function combinePaces(older: Paces, newer: Paces): Paces {
  return {
    steps: older.steps + newer.steps,
    riseKwh: older.riseKwh + newer.riseKwh,
    lastsUs: older.lastsUs + newer.lastsUs,
    // The sort is stable: of equals, the earlier stays first.
    greatest: [...older.greatest, ...newer.greatest].sort((a, b) => b.kw - a.kw).slice(0, 3),
  };
}

function greaterPower(older: ShownPower, newer: ShownPower): ShownPower {
  return newer.kw >= older.kw ? newer : older;
}

/** Returns a function: the evidence of a window. Neither end of the window may move back from one call to the next. */
function slidingEvidence(readings: readonly VisibleReading[], stays: readonly boolean[]) {
  const powers = readings.flatMap(({ timeUs, powerKw }) => {
    if (powerKw === null) return [];
    return [{ fromUs: timeUs, toUs: timeUs, value: { kw: powerKw, sinceUs: timeUs, untilUs: timeUs } }];
  });
  const powerIn = slidingFold(powers, greaterPower);
  const stayingPaces = readings.flatMap((_, i) => (stays[i] === true ? pacesOfStep(readings, i) : []));
  const pacesIn = slidingFold(stayingPaces, combinePaces);
  return (fromUs: Micros, toUs: Micros): Evidence => ({ power: powerIn(fromUs, toUs), paces: pacesIn(fromUs, toUs) });
}

function pacesOfStep(readings: readonly VisibleReading[], i: number): Span & { value: Paces } {
  const [from, to] = [readingAt(readings, i - 1), readingAt(readings, i)];
  const [riseKwh, lastsUs] = [to.kwh - from.kwh, to.timeUs - from.timeUs];
  const span = { fromUs: from.timeUs, toUs: to.timeUs };
  const pace = { kw: paceKw(riseKwh, lastsUs), riseKwh, lastsUs, ...span };
  return { ...span, value: { steps: 1, riseKwh, lastsUs, greatest: [pace] } };
}

/**
 * Whether the step that ends at each reading stays: no reading of the 12 hours before it is higher (by more than 2 kWh),
 * none of the 12 hours after it is lower, and these 12 hours have passed.
 */
function stayingSteps(readings: readonly VisibleReading[]): boolean[] {
  const counters = readings.map(({ timeUs, kwh }) => ({ fromUs: timeUs, toUs: timeUs, value: kwh }));
  const highestIn = slidingFold(counters, Math.max);
  const lowestIn = slidingFold(counters, Math.min);
  const newestUs = readings.at(-1)?.timeUs ?? 0;
  return readings.map((to, i) => {
    const from = readings[i - 1];
    if (from === undefined) return false;
    const highestBefore = highestIn(from.timeUs - STAY_US, from.timeUs) ?? from.kwh;
    const lowestAfter = lowestIn(to.timeUs, to.timeUs + STAY_US) ?? to.kwh;
    return (
      highestBefore <= Math.min(from.kwh, to.kwh) + TOLERANCE_KWH &&
      lowestAfter >= Math.max(from.kwh, to.kwh) - TOLERANCE_KWH &&
      newestUs >= to.timeUs + STAY_US
    );
  });
}
