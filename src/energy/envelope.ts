/** The envelope: the greatest power that a valve can be shown to have passed around a step between two readings. */
import type { Micros } from '../domain/time.ts';
import { US_PER_DAY, US_PER_HOUR, US_PER_MINUTE } from '../domain/time.ts';
import { slidingFold } from './sliding.ts';
import type { Limits, ShownPower } from './types.ts';

/** A reading that no correction excludes. Its power is absolute and cut at `maxPowerKw`. */
export interface VisibleReading {
  timeUs: Micros;
  kwh: number;
  powerKw: number | null;
  /** Excluded readings lie between this reading and the one before. */
  afterExcluded: boolean;
}

export const TOLERANCE_KWH = 2;
const STAY_US = 12 * US_PER_HOUR;
const AHEAD_US = 24 * US_PER_HOUR;
const BACK_US = 7 * US_PER_DAY;
const BACK_ACROSS_OUTAGE_US = 400 * US_PER_DAY;
const STEPS_TO_KNOW = 12;

/** A step's envelope is final when its window has passed, and 12 hours more: then it is known which of its steps stay. */
export const FINAL_AFTER_US = AHEAD_US + STAY_US;

export interface Envelope {
  /** The envelope by the readings so far. */
  kw: number;
  /** A lower bound that later readings can only raise: the greater of measured power and twice the third-greatest pace. */
  certain: ShownPower;
}

export function isOutage(fromUs: Micros, toUs: Micros, limits: Limits): boolean {
  return toUs - fromUs > 1.5 * limits.intervalUs;
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
  const near = slidingEvidence(readings, stays);
  const far = slidingEvidence(readings, stays);
  return readings.map((reading, i) => {
    const before = readings[i - 1];
    if (before === undefined) return null;
    const evidence = isOutage(before.timeUs, reading.timeUs, limits) ? far : near;
    const fromUs = windowStart(before.timeUs, reading.timeUs, limits);
    return envelopeOf(evidence(fromUs, reading.timeUs + AHEAD_US), limits);
  });
}

interface Evidence {
  power: Power | null;
  paces: Paces | null;
}
interface Power {
  kw: number | null;
  timeUs: Micros;
}

/**
 * The greatest of measured power and twice the counter's own pace: its third-greatest, or its mean without the two greatest.
 * One or two wild steps prove nothing: each may be a glitch or a jump. A counter that goes on counting is believed, even if
 * the power sensor shows too little. Without power and with fewer than 12 steps, nothing is known: `maxPowerKw`.
 */
function envelopeOf({ power, paces }: Evidence, limits: Limits): Envelope {
  const measured = { kw: power?.kw ?? 0, sinceUs: power?.timeUs ?? 0, untilUs: power?.timeUs ?? 0 };
  const greatest = paces?.greatest ?? [];
  const oftenPassed = {
    kw: 2 * Math.max(0, greatest[2]?.kw ?? 0),
    sinceUs: Math.min(...greatest.map((step) => step.fromUs)),
    untilUs: Math.max(...greatest.map((step) => step.toUs)),
  };
  const certain = oftenPassed.kw > measured.kw ? oftenPassed : measured;
  const known = (power !== null && power.kw !== null) || (paces?.steps ?? 0) >= STEPS_TO_KNOW;
  const kw = known ? Math.max(certain.kw, 2 * meanPaceKw(paces)) : limits.maxPowerKw;
  return {
    kw: Math.min(kw, limits.maxPowerKw),
    certain: { ...certain, kw: Math.min(certain.kw, limits.maxPowerKw) },
  };
}

/** One step of the counter, and how fast it rises. */
interface Pace {
  kw: number;
  riseKwh: number;
  lastsUs: Micros;
  fromUs: Micros;
  toUs: Micros;
}

/** Sums over the steps that stay in a window, for the third-greatest pace and for the mean without the two greatest. */
interface Paces {
  steps: number;
  riseKwh: number;
  lastsUs: Micros;
  /** The three greatest, greatest first; of equals, the earliest. */
  greatest: readonly Pace[];
}

const NO_PACES: Paces = { steps: 0, riseKwh: 0, lastsUs: 0, greatest: [] };

/** One kWh less: the counter rounds to whole kWh. */
function paceKw(riseKwh: number, lastsUs: Micros): number {
  return (riseKwh - 1) / (Math.max(lastsUs, US_PER_MINUTE) / US_PER_HOUR);
}

/** The mean pace of all steps but the two fastest. 0: fewer than three steps. */
function meanPaceKw(paces: Paces | null): number {
  const [first, second] = paces?.greatest ?? [];
  if (paces === null || first === undefined || second === undefined || paces.steps < 3) return 0;
  const rise = paces.riseKwh - first.riseKwh - second.riseKwh;
  return Math.max(0, paceKw(rise, paces.lastsUs - first.lastsUs - second.lastsUs));
}

function combinePaces(older: Paces, newer: Paces): Paces {
  if (older.steps === 0) return newer;
  if (newer.steps === 0) return older;
  return {
    steps: older.steps + newer.steps,
    riseKwh: older.riseKwh + newer.riseKwh,
    lastsUs: older.lastsUs + newer.lastsUs,
    greatest: greatestThree(older.greatest, newer.greatest),
  };
}

function greatestThree(older: readonly Pace[], newer: readonly Pace[]): Pace[] {
  const greatest: Pace[] = [];
  let [i, j] = [0, 0];
  while (greatest.length < 3) {
    const [a, b] = [older[i], newer[j]];
    if (a !== undefined && (b === undefined || a.kw >= b.kw)) {
      greatest.push(a);
      i++;
    } else if (b !== undefined) {
      greatest.push(b);
      j++;
    } else break;
  }
  return greatest;
}

function greaterPower(older: Power, newer: Power): Power {
  return (newer.kw ?? -1) >= (older.kw ?? -1) ? newer : older;
}

/** Returns a function: the evidence of a window. Neither end of the window may move back from one call to the next. */
function slidingEvidence(readings: readonly VisibleReading[], stays: readonly boolean[]) {
  const powers = slidingFold(greaterPower);
  const paces = slidingFold(combinePaces);
  let [first, end] = [0, 0];
  return (fromUs: Micros, toUs: Micros): Evidence => {
    for (let next = readings[end]; next !== undefined && next.timeUs <= toUs; next = readings[++end]) {
      powers.add({ kw: next.powerKw, timeUs: next.timeUs });
      // Step `end` begins at reading `end - 1`, and is dropped together with that reading, below. Steps that do not stay
      // are added as NO_PACES, so that each reading has one entry to drop.
      if (end > 0) paces.add(stays[end] === true ? pacesOfStep(readings, end) : NO_PACES);
    }
    for (let oldest = readings[first]; oldest !== undefined && oldest.timeUs < fromUs; oldest = readings[++first]) {
      powers.drop();
      paces.drop();
    }
    return { power: powers.value(), paces: paces.value() };
  };
}

function pacesOfStep(readings: readonly VisibleReading[], i: number): Paces {
  const [from, to] = [readings[i - 1], readings[i]];
  if (from === undefined || to === undefined) return NO_PACES;
  const [riseKwh, lastsUs] = [to.kwh - from.kwh, to.timeUs - from.timeUs];
  const pace = { kw: paceKw(riseKwh, lastsUs), riseKwh, lastsUs, fromUs: from.timeUs, toUs: to.timeUs };
  return { steps: 1, riseKwh, lastsUs, greatest: [pace] };
}

/**
 * Whether the step that ends at each reading stays: no reading of the 12 hours before it is higher (by more than 2 kWh),
 * none of the 12 hours after it is lower, and these 12 hours have passed.
 */
function stayingSteps(readings: readonly VisibleReading[]): boolean[] {
  const highestBefore = slidingFold(Math.max);
  const lowestAfter = slidingFold(Math.min);
  const newestUs = readings.at(-1)?.timeUs ?? 0;
  let [firstBefore, endAfter] = [0, 0];
  return readings.map((to, i) => {
    lowestAfterUpTo(to.timeUs + STAY_US);
    const from = readings[i - 1];
    let stays = false;
    if (from !== undefined) {
      highestBefore.add(from.kwh);
      for (let oldest = readings[firstBefore]; oldest !== undefined && oldest.timeUs < from.timeUs - STAY_US;) {
        highestBefore.drop();
        oldest = readings[++firstBefore];
      }
      stays =
        (highestBefore.value() ?? 0) <= Math.min(from.kwh, to.kwh) + TOLERANCE_KWH &&
        (lowestAfter.value() ?? 0) >= Math.max(from.kwh, to.kwh) - TOLERANCE_KWH &&
        newestUs >= to.timeUs + STAY_US;
    }
    lowestAfter.drop();
    return stays;
  });

  function lowestAfterUpTo(timeUs: Micros): void {
    for (let next = readings[endAfter]; next !== undefined && next.timeUs <= timeUs; next = readings[++endAfter]) {
      lowestAfter.add(next.kwh);
    }
  }
}
