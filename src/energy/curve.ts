/** The curve: the accepted readings' kWh, spread over time and summed by quarters of an hour. */
import type { Micros, Span } from '../domain/time.ts';
import { US_PER_HOUR, US_PER_SECOND } from '../domain/time.ts';
import { QUARTER_HOUR_US } from './buckets.ts';
import { BUDGET_FACTOR, lastAtOrBefore, MICRO } from './budget.ts';
import { isOutage, TOLERANCE_KWH } from './envelope.ts';
import type { VisibleReading } from './envelope.ts';
import { QUALITIES } from './types.ts';
import type { Limits, Quality, QuarterHour, QuarterPart } from './types.ts';
import type { Accepted } from './verdicts.ts';

export const NOTHING_YET: QuarterPart = { microKwh: 0, coveredUs: 0, quality: 'measured' };

/** A span over which the curve adds `microKwh`. A `rise` lasts from one rise of the counter to the next. */
export interface Stretch extends Span {
  kind: 'rise' | 'still' | 'reset' | 'jump';
  microKwh: number;
}

export interface Curve {
  quarters: QuarterHour[];
  /** For a reading's time: what the curve adds in its quarter of an hour up to the reading. Undefined for other times. */
  partAt: (timeUs: Micros) => QuarterPart | undefined;
}

export function quarterOf(timeUs: Micros): Micros {
  return Math.floor(timeUs / QUARTER_HOUR_US) * QUARTER_HOUR_US;
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
    if ('fromKwh' in step) {
      reach(before.acceptedUs, 'still', 0);
      reach(acceptedUs, kwh < step.fromKwh ? 'reset' : 'jump', step.microKwh);
    } else if (kwh > before.kwh) {
      reach(acceptedUs, 'rise', (kwh - before.kwh) * MICRO);
    }
  }
  reach(newestUs, 'still', 0);
  return stretches;
}

/**
 * Spreads each stretch's kWh over quarters of an hour. The stretches are adjacent. `start` is what the curve has added
 * before the first stretch, in the quarter of an hour in which that stretch begins.
 */
export function drawCurve(
  readings: readonly VisibleReading[],
  stretches: readonly Stretch[],
  start: QuarterPart,
  glitches: readonly Span[],
  decidedUntilUs: Micros,
  limits: Limits,
): Curve {
  const parts = new Map<Micros, QuarterPart>();
  const quarters: QuarterHour[] = [];
  let part = { ...start };
  let glitch = 0;

  for (const stretch of stretches) {
    const first = lastAtOrBefore(readings, stretch.fromUs);
    if (parts.size === 0) parts.set(stretch.fromUs, start);
    const pieces = piecesOf(readings, first, stretch);
    let drawnMicroKwh = 0;
    for (const piece of pieces) {
      const { fromUs, toUs, share, i } = piece;
      const totalMicroKwh = Math.floor(stretch.microKwh * share);
      part.microKwh += totalMicroKwh - drawnMicroKwh;
      drawnMicroKwh = totalMicroKwh;
      const step = stepTo(i);
      if (!step.isOutage) part.coveredUs += toUs - fromUs;
      part.quality = worse(part.quality, qualityOf(stretch, step, fromUs));
      if (toUs % QUARTER_HOUR_US === 0) finish(toUs - QUARTER_HOUR_US, toUs);
      if (toUs === step.toUs) parts.set(toUs, { ...part });
    }
  }
  const endUs = stretches.at(-1)?.toUs ?? 0;
  if (endUs % QUARTER_HOUR_US !== 0) finish(quarterOf(endUs), quarterOf(endUs) + QUARTER_HOUR_US);
  return { quarters, partAt: (timeUs) => parts.get(timeUs) };

  function finish(startUs: Micros, endUs: Micros): void {
    const quality = endUs > decidedUntilUs ? 'provisional' : part.quality;
    const coveredSeconds = Math.floor(part.coveredUs / US_PER_SECOND);
    quarters.push({ startUs, microKwh: part.microKwh, coveredSeconds, quality });
    part = { ...NOTHING_YET };
  }

  function stepTo(i: number) {
    const [from, to] = [readings[i - 1], readings[i]];
    if (from === undefined || to === undefined) throw new RangeError(`no step to reading ${i}`);
    return {
      toUs: to.timeUs,
      isOutage: isOutage(from.timeUs, to.timeUs, limits),
      afterExcluded: to.afterExcluded,
    };
  }

  function qualityOf(stretch: Stretch, step: ReturnType<typeof stepTo>, fromUs: Micros): Quality {
    if (stretch.kind === 'reset' || stretch.kind === 'jump') return stretch.kind;
    if (step.isOutage || step.afterExcluded) return 'estimated';
    while ((glitches[glitch]?.toUs ?? Infinity) <= fromUs) glitch++;
    return (glitches[glitch]?.fromUs ?? Infinity) <= fromUs ? 'estimated' : 'measured';
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
function piecesOf(readings: readonly VisibleReading[], first: number, stretch: Stretch): Piece[] {
  const spans = cut(readings, first, stretch);
  const energies = spans.map((span) => energyKwUs(readings, span));
  const kwh = energies.reduce((sum, energy) => sum + energy, 0) / US_PER_HOUR;
  // False for NaN: power is unknown somewhere.
  const explains = kwh > 0 && stretch.microKwh / MICRO <= BUDGET_FACTOR * kwh + TOLERANCE_KWH;
  const weights = stretch.kind === 'rise' && explains ? energies : spans.map(({ fromUs, toUs }) => toUs - fromUs);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let reached = 0;
  return spans.map((span, k) => {
    reached += weights[k] ?? 0;
    return { ...span, share: reached / total };
  });
}

/** Cuts a stretch at readings and quarters of an hour. `first`: the last reading at or before its beginning. */
function cut(readings: readonly VisibleReading[], first: number, stretch: Stretch): (Span & { i: number })[] {
  const spans = [];
  let fromUs = stretch.fromUs;
  for (let i = first + 1; fromUs < stretch.toUs; i++) {
    const stepToUs = readings[i]?.timeUs ?? stretch.toUs;
    while (fromUs < stepToUs) {
      const toUs = Math.min(stepToUs, quarterOf(fromUs) + QUARTER_HOUR_US);
      spans.push({ fromUs, toUs, i });
      fromUs = toUs;
    }
  }
  return spans;
}

/** The integral of power over a part of the step that ends at reading i, in kW × µs. NaN: power is unknown. */
function energyKwUs(readings: readonly VisibleReading[], { fromUs, toUs, i }: Span & { i: number }): number {
  const [from, to] = [readings[i - 1], readings[i]];
  if (typeof from?.powerKw !== 'number' || typeof to?.powerKw !== 'number') return NaN;
  const { timeUs: startUs, powerKw: startKw } = from;
  const slope = (to.powerKw - from.powerKw) / (to.timeUs - from.timeUs);
  const kwAt = (timeUs: Micros) => Math.max(0, startKw + slope * (timeUs - startUs));
  return ((kwAt(fromUs) + kwAt(toUs)) / 2) * (toUs - fromUs);
}
