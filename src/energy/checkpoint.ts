/** What a run of the judge takes from a checkpoint, and the checkpoint that it leaves for the next run. */
import { US_PER_DAY, type Micros, type Span } from '../domain/time.ts';
import { quarterStart } from './buckets.ts';
import { NOTHING_YET, type Curve, type CurveStart } from './curve.ts';
import type { Checkpoint, Level, QuarterPart, ShownPower } from '../domain/energy.ts';
import { glitchesOf, isBreak, type Accepted, type Verdicts, type Walk } from './verdicts.ts';

/** A counter that has not risen for longer stands still: the next run does not load the readings since its last rise. */
const STANDS_STILL_AFTER_US = US_PER_DAY;

export function walkFrom(checkpoint: Checkpoint | null): Walk {
  const accepted = (checkpoint?.levels ?? []).map(({ kwh, sinceUs, acceptedUs }): Accepted => {
    return { kwh, sinceUs, acceptedUs, step: { kind: 'follows' } };
  });
  return { accepted, mayTakeBack: Math.max(0, accepted.length - 1) };
}

/**
 * Where the curve is drawn from, and what it has added before in that quarter of an hour. A rise is spread back to when the
 * level below it was reached. So only if no rise is drawn after the checkpoint, the curve goes on from the checkpoint.
 *
 * @param kept how many of the checkpoint's levels are still accepted
 * @param first the newest of these; from scratch, the first accepted reading
 * @param recent `first`, and all readings accepted after it
 */
export function startOfDrawing(
  checkpoint: Checkpoint | null,
  kept: number,
  first: Accepted,
  recent: readonly Accepted[],
): CurveStart {
  const level = checkpoint?.levels[kept - 1];
  if (checkpoint === null || level === undefined) return { fromUs: first.sinceUs, part: NOTHING_YET };
  const isTakenBack = kept < checkpoint.levels.length;
  return isTakenBack || checkpoint.redrawsRise || isLeftByRise(level, recent)
    ? { fromUs: level.sinceUs, part: level.quarterAtRise }
    : { fromUs: level.acceptedUs, part: checkpoint.quarterAtEnd };
}

/** Whether the next level after this one is reached by a rise. False: by a break, or there is none yet. */
function isLeftByRise({ sinceUs }: Level, accepted: readonly Accepted[]): boolean {
  const next = accepted.find((later) => later.sinceUs > sinceUs);
  return next !== undefined && !isBreak(next.step);
}

/** The checkpoint's glitches up to `first`, and those of the readings accepted after it. */
export function glitchesAround(checkpoint: Checkpoint | null, recent: readonly Accepted[], first: Accepted): Span[] {
  return mergeAdjacent([...clipUntil(checkpoint?.glitches ?? [], first.acceptedUs), ...glitchesOf(recent)]);
}

/** The checkpoint at the last settled reading. Null: none is possible. `before`: the checkpoint that this run began at. */
export function checkpointAfter(
  before: Checkpoint | null,
  { settled, accepted }: Verdicts,
  newestUs: Micros,
  shown: ShownPower,
  curve: Curve,
  glitches: readonly Span[],
): Checkpoint | null {
  const [oldest, end] = [settled.accepted[0], settled.accepted.at(-1)];
  if (oldest === undefined || end === undefined) return null;
  // A settled reading was taken back by verdicts that are not settled. They may yet change, so the curve is not final
  // either with this reading or without it, and no checkpoint is possible.
  if (!accepted.some(({ acceptedUs }) => acceptedUs === end.acceptedUs)) return null;
  const levels = settled.accepted.map(({ kwh, sinceUs, acceptedUs }) => {
    return { kwh, sinceUs, acceptedUs, quarterAtRise: quarterAtRise(before, curve, sinceUs) };
  });
  const redrawsRise = isLeftByRise(end, accepted);
  const standsStill = end.acceptedUs - end.sinceUs > STANDS_STILL_AFTER_US;
  return {
    newestUs,
    readingsFromUs: standsStill && !redrawsRise ? end.acceptedUs : end.sinceUs,
    levels,
    quarterAtEnd: quarterAtEnd(before, curve, end),
    redrawsRise,
    glitches: clipUntil(glitches, end.acceptedUs).filter(({ toUs }) => toUs > oldest.sinceUs),
    shown,
  };
}

function quarterAtRise(before: Checkpoint | null, curve: Curve, sinceUs: Micros): QuarterPart {
  const known = before?.levels.find((level) => level.sinceUs === sinceUs);
  return known?.quarterAtRise ?? partAt(curve, sinceUs);
}

function quarterAtEnd(before: Checkpoint | null, curve: Curve, { sinceUs, acceptedUs }: Level): QuarterPart {
  // Leave out a rise that is drawn across the end: it is not final. Without it, the curve adds nothing after `sinceUs`.
  const isQuarterOfRise = quarterStart(sinceUs) === quarterStart(acceptedUs);
  return {
    ...partAt(curve, acceptedUs),
    microKwh: isQuarterOfRise ? quarterAtRise(before, curve, sinceUs).microKwh : 0,
  };
}

function partAt(curve: Curve, timeUs: Micros): QuarterPart {
  return curve.partAt(timeUs) ?? NOTHING_YET;
}

/** The parts of the spans before an instant. */
function clipUntil(spans: readonly Span[], timeUs: Micros): Span[] {
  return spans
    .filter(({ fromUs }) => fromUs < timeUs)
    .map(({ fromUs, toUs }) => ({ fromUs, toUs: Math.min(toUs, timeUs) }));
}

/** Joins adjacent spans. Otherwise the checkpoint of a counter that always glitches would hold thousands. */
function mergeAdjacent(spans: readonly Span[]): Span[] {
  const merged: Span[] = [];
  for (const { fromUs, toUs } of spans) {
    const last = merged.at(-1);
    if (last?.toUs === fromUs) last.toUs = toUs;
    else merged.push({ fromUs, toUs });
  }
  return merged;
}
