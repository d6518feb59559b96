/** The curve: the accepted readings' kWh, spread over time and summed by quarters of an hour. */
import { isDeepStrictEqual } from 'node:util';
import {
  MICRO_PER_KWH,
  QUALITIES,
  QUARTER_HOUR_US,
  type Limits,
  type Quality,
  type QuarterHour,
  type QuarterPart,
} from '../domain/energy.ts';
import { US_PER_HOUR, US_PER_SECOND, type Micros, type Span } from '../domain/time.ts';
import { quarterStart } from './buckets.ts';
import { BUDGET_FACTOR } from './budget.ts';
import { isOutage, lastAtOrBefore, readingAt, TOLERANCE_KWH, type VisibleReading } from './readings.ts';
import { isBreak, type Accepted } from './verdicts.ts';

export const NOTHING_YET: QuarterPart = { microKwh: 0, coveredUs: 0, quality: 'measured' };

/**
 * A span between two visible readings, over which the curve adds `microKwh`. A `rise` lasts from one rise of the counter to the
 * next.
 */
export interface Stretch extends Span {
  kind: 'rise' | 'still' | 'reset' | 'jump';
  microKwh: number;
}

/** Where the curve is drawn from. */
export interface CurveStart {
  fromUs: Micros;
  /** What the curve has added before, in the quarter of an hour of `fromUs`. */
  part: QuarterPart;
}

export interface Curve {
  quarters: QuarterHour[];
  /** For a reading's time: what the curve adds in its quarter of an hour up to the reading. Undefined for other times. */
  partAt: (timeUs: Micros) => QuarterPart | undefined;
}

/** What the curve adds from `fromUs` to the newest reading. `accepted` begins with the level that held at `fromUs`. */
export function stretchesOf(accepted: readonly Accepted[], fromUs: Micros, newestUs: Micros): Stretch[] {
  const stretches: Stretch[] = [];
  let reachedUs = fromUs;
  const reach = (toUs: Micros, kind: Stretch['kind'], microKwh: number) => {
    if (toUs > reachedUs) stretches.push({ fromUs: reachedUs, toUs, kind, microKwh });
    reachedUs = toUs;
  };
  for (const [i, { step, kwh, acceptedUs }] of accepted.entries()) {
    const before = accepted[i - 1];
    if (before === undefined) continue;
    if (isBreak(step)) {
      reach(before.acceptedUs, 'still', 0);
      // A replaced counter, too, has the quality `reset` or `jump`.
      reach(acceptedUs, kwh < step.fromKwh ? 'reset' : 'jump', step.microKwh);
    } else if (kwh > before.kwh) {
      reach(acceptedUs, 'rise', (kwh - before.kwh) * MICRO_PER_KWH);
    }
  }
  reach(newestUs, 'still', 0);
  return stretches;
}

/** Spreads each stretch's kWh over quarters of an hour. The stretches are adjacent, and begin at `start`. */
export function drawCurve(
  readings: readonly VisibleReading[],
  stretches: readonly Stretch[],
  start: CurveStart,
  glitches: readonly Span[],
  decidedUntilUs: Micros,
  limits: Limits,
): Curve {
  const quarters: QuarterHour[] = [];
  const partsAtReadings = new Map([[start.fromUs, start.part]]);
  let part = { ...start.part };
  let nextGlitch = 0;

  for (const stretch of stretches) {
    let drawnMicroKwh = 0;
    for (const { fromUs, toUs, share, i } of piecesOf(readings, stretch)) {
      const [from, to] = [readingAt(readings, i - 1), readingAt(readings, i)];
      const inOutage = isOutage(from.timeUs, to.timeUs, limits);
      const totalMicroKwh = Math.floor(stretch.microKwh * share);
      part.microKwh += totalMicroKwh - drawnMicroKwh;
      drawnMicroKwh = totalMicroKwh;
      if (!inOutage) part.coveredUs += toUs - fromUs;
      part.quality = worse(part.quality, qualityOf(stretch, inOutage || to.afterExcluded, fromUs));
      if (toUs % QUARTER_HOUR_US === 0) finishQuarter(toUs);
      if (toUs === to.timeUs) partsAtReadings.set(toUs, { ...part });
    }
  }
  const endUs = stretches.at(-1)?.toUs ?? start.fromUs;
  // A single reading has no curve yet. Else the last quarter of an hour may be unfinished, also if nothing was drawn in it now.
  const hasCurve = stretches.length > 0 || !isDeepStrictEqual(start.part, NOTHING_YET);
  if (hasCurve && endUs % QUARTER_HOUR_US !== 0) finishQuarter(quarterStart(endUs) + QUARTER_HOUR_US);
  return { quarters, partAt: (timeUs) => partsAtReadings.get(timeUs) };

  function finishQuarter(endUs: Micros): void {
    const startUs = endUs - QUARTER_HOUR_US;
    const quality = endUs > decidedUntilUs ? 'provisional' : part.quality;
    const coveredSeconds = Math.floor(part.coveredUs / US_PER_SECOND);
    quarters.push({ startUs, microKwh: part.microKwh, coveredSeconds, quality });
    part = { ...NOTHING_YET };
  }

  /** The quality of the piece that begins at `fromUs`. Call in order of time: it walks through the glitches. */
  function qualityOf(stretch: Stretch, lacksReadings: boolean, fromUs: Micros): Quality {
    if (stretch.kind === 'reset' || stretch.kind === 'jump') return stretch.kind;
    if (lacksReadings) return 'estimated';
    while ((glitches[nextGlitch]?.toUs ?? Infinity) <= fromUs) nextGlitch++;
    const isInGlitch = (glitches[nextGlitch]?.fromUs ?? Infinity) <= fromUs;
    return isInGlitch ? 'estimated' : 'measured';
  }
}

function worse(a: Quality, b: Quality): Quality {
  return QUALITIES.indexOf(a) <= QUALITIES.indexOf(b) ? a : b;
}

/** A part of a stretch that lies within one step between readings and within one quarter of an hour. */
interface Piece extends Span {
  /** Index of the reading that ends the step. */
  i: number;
  /** The share of the stretch's energy from its beginning to the end of this piece. The last piece has 1. */
  share: number;
}

/**
 * A rise is spread in proportion to measured power (trapezoid). It is spread evenly if power is unknown somewhere in it, or
 * too small to explain it. Other stretches are spread evenly.
 */
function piecesOf(readings: readonly VisibleReading[], stretch: Stretch): Piece[] {
  const spans = cutAtEdges(readings, stretch);
  const energies = spans.map((span) => energyKwUs(readings, span));
  const kwh = energies.reduce((sum, energy) => sum + energy, 0) / US_PER_HOUR;
  // False for NaN: power is unknown somewhere.
  const explains = kwh > 0 && stretch.microKwh / MICRO_PER_KWH <= BUDGET_FACTOR * kwh + TOLERANCE_KWH;
  const weights = stretch.kind === 'rise' && explains ? energies : spans.map(({ fromUs, toUs }) => toUs - fromUs);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let reached = 0;
  return spans.map((span, k) => {
    reached += weights[k] ?? 0;
    return { ...span, share: reached / total };
  });
}

/** Cuts a stretch at readings and quarters of an hour. */
function cutAtEdges(readings: readonly VisibleReading[], stretch: Stretch): Omit<Piece, 'share'>[] {
  const spans = [];
  let fromUs = stretch.fromUs;
  for (let i = lastAtOrBefore(readings, fromUs) + 1; fromUs < stretch.toUs; i++) {
    const stepToUs = readingAt(readings, i).timeUs;
    while (fromUs < stepToUs) {
      const toUs = Math.min(stepToUs, quarterStart(fromUs) + QUARTER_HOUR_US);
      spans.push({ fromUs, toUs, i });
      fromUs = toUs;
    }
  }
  return spans;
}

/** The integral of power over a part of the step that ends at reading i, in kW × µs. NaN: power is unknown. */
function energyKwUs(readings: readonly VisibleReading[], { fromUs, toUs, i }: Omit<Piece, 'share'>): number {
  const [from, to] = [readings[i - 1], readings[i]];
  if (typeof from?.powerKw !== 'number' || typeof to?.powerKw !== 'number') return NaN;
  const { timeUs: startUs, powerKw: startKw } = from;
  const slope = (to.powerKw - from.powerKw) / (to.timeUs - from.timeUs);
  // Never below 0: rounding could make it so.
  const kwAt = (timeUs: Micros) => Math.max(0, startKw + slope * (timeUs - startUs));
  return ((kwAt(fromUs) + kwAt(toUs)) / 2) * (toUs - fromUs);
}
