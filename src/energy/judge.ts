/** The judge: one counter's readings and corrections in, its curve and events out. Pure: no clock, database or I/O. */
import type { Micros, Span } from '../domain/time.ts';
import { US_PER_DAY } from '../domain/time.ts';
import { budgetsOf, HistoryNeeded, lastAtOrBefore } from './budget.ts';
import type { Budgets } from './budget.ts';
import { drawCurve, NOTHING_YET, quarterOf, stretchesOf } from './curve.ts';
import type { Curve } from './curve.ts';
import type { Sighted } from './envelope.ts';
import { eventsOf } from './events.ts';
import type {
  Checkpoint,
  Correction,
  CounterEvent,
  CounterReading,
  Limits,
  QuarterHour,
  QuarterPart,
  Shown,
} from './types.ts';
import { glitchesOf, judgeReadings } from './verdicts.ts';
import type { Accepted, Verdicts } from './verdicts.ts';

export interface Input {
  /** Null: from scratch. Then `readings` are all there are. */
  checkpoint: Checkpoint | null;
  /** Every reading from `suppliedFromUs` on, in order of time, one per instant. */
  readings: readonly CounterReading[];
  /** At most the checkpoint's `readingsFromUs`, or what an earlier answer asked for. */
  suppliedFromUs: Micros;
  corrections: readonly Correction[];
  limits: Limits;
}

export type Judgement =
  /** Call again with the readings from here on: the answer depends on older ones. */
  | { kind: 'needs-history'; readingsFromUs: Micros }
  | {
      kind: 'judged';
      /** Replace all stored quarters from `replacesQuartersFromUs` on. Null: all there are. */
      quarters: QuarterHour[];
      replacesQuartersFromUs: Micros | null;
      /** Replace all stored events that end after `replacesEventsAfterUs`. Null: all there are. */
      events: CounterEvent[];
      replacesEventsAfterUs: Micros | null;
      /** Null: the next run is from scratch. Forget earlier checkpoints then. */
      checkpoint: Checkpoint | null;
    };

/** A level reached longer ago than this stands still: a run does not load the readings since, unless it rises again. */
const STANDS_STILL_AFTER_US = US_PER_DAY;
const NOTHING_SHOWN: Shown = { kw: 0, sinceUs: 0, untilUs: 0 };

/**
 * Judging on from the newest checkpoint, and judging from scratch, give the same as long as only newer readings come.
 * After any other change, begin with `checkpointBefore` that change.
 */
export function judge(input: Input): Judgement {
  try {
    return judgeFrom(input);
  } catch (error) {
    if (error instanceof HistoryNeeded) return { kind: 'needs-history', readingsFromUs: error.readingsFromUs };
    throw error;
  }
}

/**
 * Where to begin if a reading or a correction changes at `changeUs`. `checkpoints`: all that are known, oldest first.
 * Forget the later ones.
 *
 * The runs since the newest checkpoint before the change may have drawn again from the oldest of its levels. So begin with
 * a checkpoint that ends before that level.
 */
export function checkpointBefore(checkpoints: readonly Checkpoint[], changeUs: Micros): Checkpoint | null {
  const unchanged = checkpoints.findLast(({ newestUs }) => newestUs < changeUs);
  const finalUntilUs = unchanged?.levels[0]?.sinceUs ?? -Infinity;
  return checkpoints.findLast(({ levels }) => (levels.at(-1)?.acceptedUs ?? Infinity) < finalUntilUs) ?? null;
}

function judgeFrom({ checkpoint, readings: all, corrections, limits, ...input }: Input): Judgement {
  const suppliedFromUs = checkpoint ? input.suppliedFromUs : -Infinity;
  const readings = inSight(all, corrections, limits);
  const newest = readings.at(-1);
  if (newest === undefined) return nothing();

  const budgets = budgetsOf(readings, suppliedFromUs, checkpoint?.shown ?? NOTHING_SHOWN, limits);
  const standing = standingAt(checkpoint);
  const start = checkpoint ? indexAfter(readings, standing.accepted.at(-1)?.acceptedUs ?? 0) : 0;
  const verdicts = judgeReadings(readings, start, standing, budgets, replacements(readings, corrections), limits);

  const base = verdicts.accepted.slice(Math.max(0, verdicts.kept - 1));
  const [from] = base;
  if (from === undefined) return nothing();
  const begin = whereToDraw(checkpoint, verdicts, base);
  if (begin.fromUs < suppliedFromUs) throw new HistoryNeeded(begin.fromUs);

  const glitches = merge([...until(checkpoint?.glitches ?? [], from.acceptedUs), ...glitchesOf(base)]);
  const stretches = stretchesOf(base, begin.fromUs, newest.timeUs);
  const curve = drawCurve(readings, stretches, begin.part, glitches, verdicts.decidedUntilUs, limits);
  return {
    kind: 'judged',
    quarters: curve.quarters,
    // Without a new reading there is nothing to draw, and nothing to replace.
    replacesQuartersFromUs: checkpoint && (curve.quarters[0]?.startUs ?? newest.timeUs),
    events: eventsOf(readings, base, verdicts.decidedUntilUs, limits),
    replacesEventsAfterUs: checkpoint && from.acceptedUs,
    checkpoint: checkpointAfter(checkpoint, verdicts, newest.timeUs, budgets, curve, glitches),
  };
}

function nothing(): Judgement {
  return {
    kind: 'judged',
    quarters: [],
    replacesQuartersFromUs: null,
    events: [],
    replacesEventsAfterUs: null,
    checkpoint: null,
  };
}

/** The readings that are not excluded. */
function inSight(readings: readonly CounterReading[], corrections: readonly Correction[], limits: Limits): Sighted[] {
  const excluded = corrections.filter((correction) => correction.kind === 'exclude');
  const sighted: Sighted[] = [];
  let afterExcluded = false;
  for (const { timeUs, counterKwh, powerKw } of readings) {
    if (excluded.some(({ fromUs, toUs }) => fromUs <= timeUs && timeUs < toUs)) {
      afterExcluded = true;
      continue;
    }
    if (timeUs <= (sighted.at(-1)?.timeUs ?? -Infinity)) throw new RangeError('readings must be in order of time');
    const power = powerKw === null ? null : Math.min(Math.abs(powerKw), limits.maxPowerKw);
    sighted.push({ timeUs, kwh: counterKwh, powerKw: power, afterExcluded });
    afterExcluded = false;
  }
  return sighted;
}

/** For each reading: whether the counter was replaced between the reading before and this one. */
function replacements(readings: readonly Sighted[], corrections: readonly Correction[]): boolean[] {
  const replaced = Array<boolean>(readings.length).fill(false);
  for (const correction of corrections) {
    if (correction.kind !== 'replaced') continue;
    const next = lastAtOrBefore(readings, correction.atUs - 1) + 1;
    if (next < readings.length) replaced[next] = true;
  }
  return replaced;
}

function standingAt(checkpoint: Checkpoint | null): { accepted: Accepted[]; steps: number } {
  const accepted = (checkpoint?.levels ?? []).map(({ kwh, sinceUs, acceptedUs }): Accepted => {
    return { kwh, sinceUs, acceptedUs, step: { kind: 'follows' } };
  });
  return { accepted, steps: Math.max(0, accepted.length - 1) };
}

function indexAfter(readings: readonly Sighted[], timeUs: Micros): number {
  const i = lastAtOrBefore(readings, timeUs);
  if (readings[i]?.timeUs !== timeUs) throw new RangeError("the checkpoint's reading is not among the readings");
  return i + 1;
}

/**
 * The curve is drawn again from the last rise that stays, for the next rise is spread from there. If the counter has not
 * risen since the checkpoint, only what is new is drawn.
 */
function whereToDraw(checkpoint: Checkpoint | null, { kept }: Verdicts, base: readonly Accepted[]) {
  const [from] = base;
  const level = checkpoint?.levels[kept - 1];
  if (checkpoint === null || from === undefined || level === undefined) {
    return { fromUs: from?.sinceUs ?? 0, part: NOTHING_YET };
  }
  const isNewest = kept === checkpoint.levels.length;
  return isNewest && !checkpoint.redrawsRise && !risesFrom(from, base)
    ? { fromUs: from.acceptedUs, part: checkpoint.quarterAtEnd }
    : { fromUs: from.sinceUs, part: level.quarterAtRise };
}

/** Whether the next change of the level after `from` is a rise, and no break. */
function risesFrom(from: Accepted, accepted: readonly Accepted[]): boolean {
  const change = accepted.find(({ sinceUs }) => sinceUs > from.sinceUs);
  return change !== undefined && !('fromKwh' in change.step);
}

function checkpointAfter(
  checkpoint: Checkpoint | null,
  { settled, accepted }: Verdicts,
  newestUs: Micros,
  budgets: Budgets,
  curve: Curve,
  glitches: readonly Span[],
): Checkpoint | null {
  const [oldest, end] = [settled.accepted[0], settled.accepted.at(-1)];
  if (oldest === undefined || end === undefined) return checkpoint;
  // A step was taken back for now: neither with it nor without it is the curve final, so no checkpoint can be.
  if (!accepted.some(({ acceptedUs }) => acceptedUs === end.acceptedUs)) return null;
  const redrawsRise = risesFrom(end, accepted);
  const levels = settled.accepted.map(({ kwh, sinceUs, acceptedUs }) => {
    const known = checkpoint?.levels.find((level) => level.sinceUs === sinceUs)?.quarterAtRise;
    return { kwh, sinceUs, acceptedUs, quarterAtRise: known ?? partAt(curve, sinceUs) };
  });
  const standsStill = end.acceptedUs - end.sinceUs > STANDS_STILL_AFTER_US;
  const wasEnd = checkpoint?.levels.at(-1)?.acceptedUs === end.acceptedUs;
  const part = wasEnd ? checkpoint.quarterAtEnd : partAt(curve, end.acceptedUs);
  const atRise = levels.at(-1)?.quarterAtRise ?? NOTHING_YET;
  const stillSince = quarterOf(end.sinceUs) === quarterOf(end.acceptedUs) ? atRise.microKwh : 0;
  return {
    newestUs,
    readingsFromUs: standsStill && !redrawsRise ? end.acceptedUs : end.sinceUs,
    levels,
    // Not yet drawn with the next rise: until then the curve stands still.
    quarterAtEnd: { ...part, microKwh: stillSince },
    redrawsRise,
    glitches: until(glitches, end.acceptedUs).filter(({ toUs }) => toUs > oldest.sinceUs),
    shown: budgets.shown(),
  };
}

function partAt(curve: Curve, timeUs: Micros): QuarterPart {
  return curve.partAt(timeUs) ?? NOTHING_YET;
}

/** What of the spans lies before an instant. */
function until(spans: readonly Span[], timeUs: Micros): Span[] {
  return spans
    .filter(({ fromUs }) => fromUs < timeUs)
    .map(({ fromUs, toUs }) => ({ fromUs, toUs: Math.min(toUs, timeUs) }));
}

/** Joins spans that follow on each other: a counter that glitches all the time needs one span, not thousands. */
function merge(spans: readonly Span[]): Span[] {
  const merged: Span[] = [];
  for (const { fromUs, toUs } of spans) {
    const last = merged.at(-1);
    if (last?.toUs === fromUs) last.toUs = toUs;
    else merged.push({ fromUs, toUs });
  }
  return merged;
}
