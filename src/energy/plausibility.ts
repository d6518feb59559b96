/** Compares the counters of a valve with its measured power, and names the likely cause of a difference. Pure. */
import { US_PER_DAY, US_PER_HOUR, type Micros, type Span } from '../domain/time.ts';
import type { StoredReading } from '../database/counter-readings.ts';
import { isOutage } from './readings.ts';
import {
  MICRO_PER_KWH,
  QUARTER_HOUR_US,
  REGIMES,
  type CounterEvent,
  type Limits,
  type QuarterHour,
  type Regime,
} from '../domain/energy.ts';

/** What the judge made of one counter of the valve. */
export interface JudgedCounter {
  regime: Regime;
  quarters: readonly QuarterHour[];
  events: readonly CounterEvent[];
}

export type Finding =
  /** A reset or a jump to a value that the counter has not shown before. `more`: at how many other times a counter broke. */
  | { kind: 'swapped'; regime: Regime; event: CounterEvent; more: number }
  /** The counter returns to earlier values. `event` null: each fall is too small to be a reset, but there are many. */
  | { kind: 'restored'; regime: Regime; event: CounterEvent; more: number }
  | { kind: 'restored'; event: null }
  /** The counter counts `factor` times the measured energy: 10, 100, 1000, or a fraction of 1. */
  | { kind: 'unit'; factor: number }
  /** Power is measured, but no counter is read. */
  | { kind: 'no-counter' }
  /** Power is measured, but the counters do not rise. */
  | { kind: 'stands-still' }
  /** The counters rise, but no power is measured. */
  | { kind: 'no-power' }
  /** Measured power integrates to this share of the counted kWh. */
  | { kind: 'power'; share: number };

export interface Comparison {
  /** What the curves of both regimes add in the compared span. */
  countedKwh: number;
  /** The integral of measured power. Null: fewer than two samples. */
  powerKwh: number | null;
  /** The two may differ by so much: rounding to whole kWh, the sensor's error, and power between samples. */
  toleranceKwh: number;
  finding: Finding | null;
}

/** A counter's unfinished kWh at both ends of the compared span. */
const ROUNDING_KWH = 2;
/** The error of a power sensor. */
const SENSOR_SHARE = 0.1;
/** The error of the integral may be so many standard deviations: PowerIntegral.sigmaKwh. */
const SIGMAS = 3;
/** What a counter in another unit counts per kWh: in Wh, 1000; in MWh, 0.001. */
const UNIT_FACTORS = [1000, 100, 10, 0.1, 0.01, 0.001];
/** With less energy, a wrong unit looks like a counter that stands still or flickers. */
const MIN_KWH_FOR_UNIT = ROUNDING_KWH + 1;
/** Fewer jumps may match a factor by chance. */
const MIN_JUMPS_FOR_UNIT = 5;

/**
 * Compares within the part of the span that has readings and no undecided ones.
 *
 * @param readings without those that a correction excludes: the curves have no kWh after the last other one
 * @param oldest the valve's first such reading ever. A counter that returns to a value since then was restored, not swapped.
 */
export function comparePower(
  readings: readonly StoredReading[],
  counters: readonly JudgedCounter[],
  span: Span,
  limits: Limits,
  oldest: StoredReading | undefined,
): Comparison {
  const history = oldest ? [oldest, ...readings] : readings;
  const within = decidedPart(readings, counters, span);
  const countedKwh = counters.reduce((sum, { quarters }) => sum + countedIn(quarters, within), 0);
  const power = integratePower(readings, within, limits);
  if (power === null) {
    return { countedKwh, powerKwh: null, toleranceKwh: 0, finding: findBreak(history, counters, within) };
  }
  const unseenKwh = SIGMAS * power.sigmaKwh + power.unknownKwh;
  const compared = { countedKwh, powerKwh: power.kwh, unseenKwh, greatestKw: power.greatestKw };
  return {
    countedKwh,
    powerKwh: power.kwh,
    toleranceKwh: toleranceKwh(countedKwh, power.kwh, unseenKwh),
    finding:
      findWrongUnit(counters, within, compared) ??
      findBreak(history, counters, within) ??
      findDifference(readings, counters, within, compared),
  };
}

interface Compared {
  countedKwh: number;
  powerKwh: number;
  /** Energy that may have passed between samples of power. */
  unseenKwh: number;
  greatestKw: number;
}

function toleranceKwh(countedKwh: number, powerKwh: number, unseenKwh: number): number {
  return ROUNDING_KWH + SENSOR_SHARE * Math.max(countedKwh, powerKwh) + unseenKwh;
}

function agree(countedKwh: number, powerKwh: number, unseenKwh: number): boolean {
  return Math.abs(countedKwh - powerKwh) <= toleranceKwh(countedKwh, powerKwh, unseenKwh);
}

/**
 * The part of the span with readings and decided kWh, in whole quarters of an hour. Empty if nothing is decided. A
 * counter that has had no reading for a day may stay undecided for ever, so it does not count.
 */
function decidedPart(readings: readonly StoredReading[], counters: readonly JudgedCounter[], span: Span): Span {
  const oldestUs = readings[0]?.timeUs ?? Infinity;
  const newestUs = readings.at(-1)?.timeUs ?? -Infinity;
  const undecided = counters
    .flatMap(({ events }) => events)
    .filter(({ kind, toUs }) => kind === 'undecided' && toUs > newestUs - US_PER_DAY);
  const fromUs = Math.ceil(Math.max(span.fromUs, oldestUs) / QUARTER_HOUR_US) * QUARTER_HOUR_US;
  const endUs = Math.min(span.toUs, newestUs, ...undecided.map((event) => event.fromUs));
  return { fromUs, toUs: Math.max(fromUs, Math.floor(endUs / QUARTER_HOUR_US) * QUARTER_HOUR_US) };
}

function countedIn(quarters: readonly QuarterHour[], { fromUs, toUs }: Span): number {
  const inside = quarters.filter(({ startUs }) => startUs >= fromUs && startUs < toUs);
  return inside.reduce((sum, { microKwh }) => sum + microKwh, 0) / MICRO_PER_KWH;
}

interface PowerIntegral {
  kwh: number;
  /** Standard deviation of the integral. Each step's error is estimated as half of the difference of its two samples. */
  sigmaKwh: number;
  /** At most this much passed in outages: at the greatest power all the time. */
  unknownKwh: number;
  greatestKw: number;
}

/** Straight lines between the samples, across outages too. Null: fewer than two samples. */
function integratePower(readings: readonly StoredReading[], within: Span, limits: Limits): PowerIntegral | null {
  const samples = readings.flatMap(({ timeUs, powerKw }) =>
    powerKw === null ? [] : [{ timeUs, kw: Math.min(Math.abs(powerKw), limits.maxPowerKw) }],
  );
  let [kwh, variance, unknownHours, greatestKw, steps] = [0, 0, 0, 0, 0];
  for (const [i, to] of samples.entries()) {
    const from = samples[i - 1];
    if (from === undefined || to.timeUs <= within.fromUs || from.timeUs >= within.toUs) continue;
    const slope = (to.kw - from.kw) / (to.timeUs - from.timeUs);
    const [startUs, endUs] = [Math.max(from.timeUs, within.fromUs), Math.min(to.timeUs, within.toUs)];
    const hours = (endUs - startUs) / US_PER_HOUR;
    kwh += (from.kw + slope * ((startUs + endUs) / 2 - from.timeUs)) * hours;
    if (isOutage(from.timeUs, to.timeUs, limits)) unknownHours += hours;
    else variance += (((to.kw - from.kw) / 2) * hours) ** 2;
    greatestKw = Math.max(greatestKw, from.kw, to.kw);
    steps++;
  }
  if (steps === 0) return null;
  return { kwh, sigmaKwh: Math.sqrt(variance), unknownKwh: unknownHours * greatestKw, greatestKw };
}

/** Resets and jumps. Not the breaks that an operator has entered: these are of kind `replaced`. */
function breaksIn({ events }: JudgedCounter, { fromUs, toUs }: Span): CounterEvent[] {
  return events.filter(
    (event) => (event.kind === 'reset' || event.kind === 'jump') && event.toUs > fromUs && event.fromUs < toUs,
  );
}

/** Null: no unit factor explains the difference, or more than one does, or the counter breaks otherwise than a wrong unit does. */
function findWrongUnit(counters: readonly JudgedCounter[], within: Span, compared: Compared): Finding | null {
  const { powerKwh, unseenKwh } = compared;
  const breaks = counters.flatMap((counter) => breaksIn(counter, within));
  const jumps = breaks.filter(({ kind }) => kind === 'jump');
  if (breaks.length > 0 && jumps.length < MIN_JUMPS_FOR_UNIT) return null;
  // A counter in Wh rises faster than any valve can. The judge takes its steps for jumps and counts power instead, so
  // add what the counter itself showed.
  const uncounted = jumps.map(
    ({ fromKwh, toKwh, countedMicroKwh }) => toKwh - fromKwh - countedMicroKwh / MICRO_PER_KWH,
  );
  const shownKwh = uncounted.reduce((sum, kwh) => sum + kwh, compared.countedKwh);
  if (agree(shownKwh, powerKwh, unseenKwh) || Math.min(shownKwh, powerKwh) < MIN_KWH_FOR_UNIT) return null;
  const fitting = UNIT_FACTORS.filter((factor) => agree(shownKwh, powerKwh * factor, unseenKwh * factor));
  return fitting.length === 1 ? { kind: 'unit', factor: fitting[0] ?? 1 } : null;
}

/** The most important break: the first to a new value (swapped), else the first to an earlier value (restored). */
function findBreak(
  history: readonly StoredReading[],
  counters: readonly JudgedCounter[],
  within: Span,
): Finding | null {
  const breaks = counters.flatMap((counter) => {
    return breaksIn(counter, within).map((event) => ({ regime: counter.regime, event }));
  });
  const [first] = breaks;
  if (first === undefined) return null;
  const more = new Set(breaks.map(({ event }) => event.toUs)).size - 1;
  const swapped = breaks.find(({ regime, event }) => !returnsToEarlier(event, regime, history));
  return swapped ? { kind: 'swapped', ...swapped, more } : { kind: 'restored', ...first, more };
}

/** Whether the counter after a break lies between its lowest and highest value before. A 0 before is taken for a glitch. */
function returnsToEarlier({ fromUs, toKwh }: CounterEvent, regime: Regime, history: readonly StoredReading[]): boolean {
  const hasShown = (matches: (kwh: number) => boolean) =>
    history.some(
      ({ timeUs, counters: { [regime]: kwh } }) => timeUs <= fromUs && kwh !== null && kwh !== 0 && matches(kwh),
    );
  return hasShown((kwh) => kwh <= toKwh) && hasShown((kwh) => kwh >= toKwh);
}

function findDifference(
  readings: readonly StoredReading[],
  counters: readonly JudgedCounter[],
  within: Span,
  { countedKwh, powerKwh, unseenKwh, greatestKw }: Compared,
): Finding | null {
  if (agree(countedKwh, powerKwh, unseenKwh)) return null;
  if (counters.length === 0) return { kind: 'no-counter' };
  const lostKwh = powerKwh - countedKwh;
  if (lostKwh > 0 && risenIn(readings, within, greatestKw) - countedKwh >= lostKwh / 2) {
    return { kind: 'restored', event: null };
  }
  if (countedKwh <= ROUNDING_KWH) return { kind: 'stands-still' };
  if (powerKwh <= ROUNDING_KWH) return { kind: 'no-power' };
  return { kind: 'power', share: powerKwh / countedKwh };
}

/** The sum of all rises from reading to reading, without the falls. Each rise is cut at what the greatest power allows. */
function risenIn(readings: readonly StoredReading[], { fromUs, toUs }: Span, greatestKw: number): number {
  let risenKwh = 0;
  for (const regime of REGIMES) {
    let before: { timeUs: Micros; kwh: number } | null = null;
    for (const { timeUs, counters } of readings) {
      const kwh = counters[regime];
      if (kwh === null) continue;
      if (before !== null && before.timeUs >= fromUs && timeUs <= toUs) {
        const most = ROUNDING_KWH + (greatestKw * (timeUs - before.timeUs)) / US_PER_HOUR;
        risenKwh += Math.max(0, Math.min(kwh - before.kwh, most));
      }
      before = { timeUs, kwh };
    }
  }
  return risenKwh;
}
