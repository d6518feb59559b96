/** The judge: turns one counter's readings and corrections into its curve and events. Pure: no clock, database or I/O. */
import type { Micros, Span } from '../domain/time.ts';
import { US_PER_DAY } from '../domain/time.ts';
import { budgetsOf, HistoryNeeded, lastAtOrBefore } from './budget.ts';
import type { Budgets } from './budget.ts';
import { drawCurve, NOTHING_YET, quarterOf, stretchesOf } from './curve.ts';
import type { Curve } from './curve.ts';
import type { VisibleReading } from './envelope.ts';
import { eventsOf } from './events.ts';
import type {
  Checkpoint,
  Correction,
  CounterEvent,
  CounterReading,
  Limits,
  QuarterHour,
  QuarterPart,
  ShownPower,
} from './types.ts';
import { glitchesOf, judgeReadings } from './verdicts.ts';
import type { Accepted, Verdicts } from './verdicts.ts';

export interface Input {
  /** Null: from scratch. Then `readings` are all readings of the counter. */
  checkpoint: Checkpoint | null;
  /** Every reading from `suppliedFromUs` on, in order of time, one per instant. */
  readings: readonly CounterReading[];
  /** The checkpoint's `readingsFromUs` or earlier. After `needs-history`: the time that it asked for. */
  suppliedFromUs: Micros;
  corrections: readonly Correction[];
  limits: Limits;
}

export type Judgement =
  /** The verdicts depend on older readings: call again with all readings from `readingsFromUs` on. */
  | { kind: 'needs-history'; readingsFromUs: Micros }
  | {
      kind: 'judged';
      /** They replace all stored quarters from `replacesQuartersFromUs` on. Null: all quarters of the counter. */
      quarters: QuarterHour[];
      replacesQuartersFromUs: Micros | null;
      /** They replace all stored events that end after `replacesEventsAfterUs`. Null: all events of the counter. */
      events: CounterEvent[];
      replacesEventsAfterUs: Micros | null;
      /** Null: no checkpoint is possible. The next run begins at an earlier checkpoint, or from scratch. */
      checkpoint: Checkpoint | null;
    };

/** A counter that has not risen for longer stands still: the next run does not load the readings since its last rise. */
const STANDS_STILL_AFTER_US = US_PER_DAY;
const NOTHING_SHOWN: ShownPower = { kw: 0, sinceUs: 0, untilUs: 0 };

/**
 * Judging from the newest checkpoint gives the same as judging from scratch, if all new readings are newer than the
 * checkpoint. After any other change, begin at `checkpointsBefore` that change.
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
 * The checkpoints that a run can begin at if a reading or a correction changes at `changeUs`. Begin at the newest, and
 * forget the checkpoints after it.
 *
 * Let N be the newest checkpoint before the change. Later runs may have replaced stored quarters back to N's oldest level, by
 * readings that have now changed. So a checkpoint will do if its last accepted reading lies before N's oldest level. Or if the
 * counter has stood at the checkpoint's level ever since: then no later run has replaced what lies before.
 *
 * @param checkpoints all that are known, oldest first
 * @param current the checkpoint of the last run. Null: there is none
 */
export function checkpointsBefore(
  checkpoints: readonly Checkpoint[],
  current: Checkpoint | null,
  changeUs: Micros,
): Checkpoint[] {
  const unchanged = checkpoints.filter(({ newestUs }) => newestUs < changeUs);
  const finalUntilUs = unchanged.at(-1)?.levels[0]?.sinceUs ?? -Infinity;
  const standsSinceUs = current?.redrawsRise === false ? current.levels.at(-1)?.sinceUs : undefined;
  return unchanged.filter(({ levels }) => {
    const level = levels.at(-1);
    return level !== undefined && (level.acceptedUs < finalUntilUs || level.sinceUs === standsSinceUs);
  });
}

function judgeFrom({ checkpoint, readings: all, corrections, limits, ...input }: Input): Judgement {
  const suppliedFromUs = checkpoint ? input.suppliedFromUs : -Infinity;
  const readings = visibleReadings(all, corrections, limits);
  const newest = readings.at(-1);
  if (newest === undefined) return nothing();

  const budgets = budgetsOf(readings, suppliedFromUs, checkpoint?.shown ?? NOTHING_SHOWN, limits);
  const standing = standingOf(checkpoint);
  const start = checkpoint ? indexAfter(readings, standing.accepted.at(-1)?.acceptedUs ?? 0) : 0;
  const verdicts = judgeReadings(readings, start, standing, budgets, replacements(readings, corrections), limits);

  // The last reading of the checkpoint that is still accepted, and all readings accepted after it.
  const recent = verdicts.accepted.slice(Math.max(0, verdicts.kept - 1));
  const [from] = recent;
  if (from === undefined) return nothing();
  const begin = startOfDrawing(checkpoint, verdicts, recent);
  if (begin.fromUs < suppliedFromUs) throw new HistoryNeeded(begin.fromUs);

  const glitches = mergeAdjacent([...clipUntil(checkpoint?.glitches ?? [], from.acceptedUs), ...glitchesOf(recent)]);
  const stretches = stretchesOf(recent, begin.fromUs, newest.timeUs);
  const curve = drawCurve(readings, stretches, begin.part, glitches, verdicts.decidedUntilUs, limits);
  return {
    kind: 'judged',
    quarters: curve.quarters,
    // Without a new reading no quarter is drawn, and none is replaced.
    replacesQuartersFromUs: checkpoint && (curve.quarters[0]?.startUs ?? newest.timeUs),
    events: eventsOf(readings, recent, verdicts.decidedUntilUs, limits),
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
function visibleReadings(
  readings: readonly CounterReading[],
  corrections: readonly Correction[],
  limits: Limits,
): VisibleReading[] {
  const excluded = corrections.filter((correction) => correction.kind === 'exclude');
  const visible: VisibleReading[] = [];
  let afterExcluded = false;
  for (const { timeUs, counterKwh, powerKw } of readings) {
    if (excluded.some(({ fromUs, toUs }) => fromUs <= timeUs && timeUs < toUs)) {
      afterExcluded = true;
      continue;
    }
    if (timeUs <= (visible.at(-1)?.timeUs ?? -Infinity)) throw new RangeError('readings must be in order of time');
    const power = powerKw === null ? null : Math.min(Math.abs(powerKw), limits.maxPowerKw);
    visible.push({ timeUs, kwh: counterKwh, powerKw: power, afterExcluded });
    afterExcluded = false;
  }
  return visible;
}

/** For each reading: whether the counter was replaced after the reading before, and not after this one. */
function replacements(readings: readonly VisibleReading[], corrections: readonly Correction[]): boolean[] {
  const replaced = Array<boolean>(readings.length).fill(false);
  for (const correction of corrections) {
    if (correction.kind !== 'replaced') continue;
    const next = lastAtOrBefore(readings, correction.atUs - 1) + 1;
    if (next < readings.length) replaced[next] = true;
  }
  return replaced;
}

function standingOf(checkpoint: Checkpoint | null): { accepted: Accepted[]; steps: number } {
  const accepted = (checkpoint?.levels ?? []).map(({ kwh, sinceUs, acceptedUs }): Accepted => {
    return { kwh, sinceUs, acceptedUs, step: { kind: 'follows' } };
  });
  return { accepted, steps: Math.max(0, accepted.length - 1) };
}

function indexAfter(readings: readonly VisibleReading[], timeUs: Micros): number {
  const i = lastAtOrBefore(readings, timeUs);
  if (readings[i]?.timeUs !== timeUs) throw new RangeError("the checkpoint's reading is not among the readings");
  return i + 1;
}

/**
 * The next rise is spread back to the last one. So the curve is drawn again from when the level was reached. If the counter
 * has not risen since the checkpoint, only the new readings are drawn.
 */
function startOfDrawing(checkpoint: Checkpoint | null, { kept }: Verdicts, recent: readonly Accepted[]) {
  const [from] = recent;
  const level = checkpoint?.levels[kept - 1];
  if (checkpoint === null || from === undefined || level === undefined) {
    return { fromUs: from?.sinceUs ?? 0, part: NOTHING_YET };
  }
  const isNewest = kept === checkpoint.levels.length;
  return isNewest && !checkpoint.redrawsRise && !risesFrom(from, recent)
    ? { fromUs: from.acceptedUs, part: checkpoint.quarterAtEnd }
    : { fromUs: from.sinceUs, part: level.quarterAtRise };
}

/** Whether the level changes after `from`, first by a rise and not by a break. */
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
  // A settled reading was taken back by verdicts that are not settled. They may yet change, so the curve is not final
  // either with this reading or without it, and no checkpoint is possible.
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
  // The next rise will be drawn from when the level was reached. Until then the curve has added nothing since.
  const microKwh = quarterOf(end.sinceUs) === quarterOf(end.acceptedUs) ? atRise.microKwh : 0;
  return {
    newestUs,
    readingsFromUs: standsStill && !redrawsRise ? end.acceptedUs : end.sinceUs,
    levels,
    quarterAtEnd: { ...part, microKwh },
    redrawsRise,
    glitches: clipUntil(glitches, end.acceptedUs).filter(({ toUs }) => toUs > oldest.sinceUs),
    shown: budgets.shown(),
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
