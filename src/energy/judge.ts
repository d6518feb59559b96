/** The judge: turns one counter's readings and corrections into its curve and events. Pure: no clock, database or I/O. */
import type { Micros } from '../domain/time.ts';
import { quarterStart } from './buckets.ts';
import { budgetsOf, HistoryNeeded } from './budget.ts';
import { checkpointAfter, glitchesAround, startOfDrawing, walkFrom } from './checkpoint.ts';
import { drawCurve, stretchesOf } from './curve.ts';
import { NOTHING_SHOWN } from './envelope.ts';
import { eventsOf } from './events.ts';
import { lastAtOrBefore, visibleReadings, type VisibleReading } from './readings.ts';
import type { Checkpoint, Correction, CounterEvent, CounterReading, Limits, QuarterHour } from '../domain/energy.ts';
import { judgeReadings } from './verdicts.ts';

export interface Input {
  /** Null: from scratch. Then `readings` are all readings of the counter. */
  checkpoint: Checkpoint | null;
  /**
   * Every reading from `suppliedFromUs` on, in order of time, one per instant. If those that the checkpoint counts on from are
   * gone, its levels stand in for them: the sum of the kWh stays exact, but not their spread over the time that is gone.
   */
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

/**
 * Judging from the newest checkpoint gives the same as judging from scratch, if all new readings are newer than the
 * checkpoint. After any other change, begin at one of `checkpointsBefore` that change.
 */
export function judge(input: Input): Judgement {
  try {
    return judgeFrom(input);
  } catch (error) {
    if (error instanceof HistoryNeeded) return { kind: 'needs-history', readingsFromUs: error.readingsFromUs };
    throw error;
  }
}

/** @throws HistoryNeeded */
function judgeFrom(input: Input): Judgement {
  const { checkpoint, corrections, limits } = input;
  const suppliedFromUs = checkpoint ? input.suppliedFromUs : -Infinity;
  const supplied = checkpoint ? withLastReading(input.readings, checkpoint) : input.readings;
  const readings = visibleReadings(supplied, corrections, limits);
  const start = checkpoint ? indexAfterCheckpoint(readings, checkpoint) : 0;
  const [oldest, newest] = [readings[0], readings.at(-1)];
  if (oldest === undefined || newest === undefined) return nothingVisible();

  const budgets = budgetsOf(readings, suppliedFromUs, checkpoint?.shown ?? NOTHING_SHOWN, limits);
  const replacedBefore = replacementsOf(readings, corrections);
  const verdicts = judgeReadings(readings, start, walkFrom(checkpoint), budgets, replacedBefore, limits);

  // The last reading of the checkpoint that is still accepted, and all readings accepted after it. From scratch: all accepted.
  const recent = verdicts.accepted.slice(Math.max(0, verdicts.kept - 1));
  const [first] = recent;
  if (first === undefined) throw new Error('the first visible reading is always accepted');
  const drawing = startOfDrawing(checkpoint, verdicts.kept, first, recent);
  if (drawing.fromUs < suppliedFromUs) throw new HistoryNeeded(drawing.fromUs);
  const isGone = checkpoint !== null && drawing.fromUs < oldest.timeUs;
  if (isGone) return judgeFrom({ ...input, readings: withReading(supplied, drawing.fromUs, first.kwh) });

  const glitches = glitchesAround(checkpoint, recent, first);
  const stretches = stretchesOf(recent, drawing.fromUs, newest.timeUs);
  const curve = drawCurve(readings, stretches, drawing, glitches, verdicts.decidedUntilUs, limits);
  return {
    kind: 'judged',
    quarters: curve.quarters,
    replacesQuartersFromUs: checkpoint && quarterStart(drawing.fromUs),
    events: eventsOf(readings, recent, verdicts.decidedUntilUs, limits),
    replacesEventsAfterUs: checkpoint && first.acceptedUs,
    checkpoint: checkpointAfter(checkpoint, verdicts, newest.timeUs, budgets.shown(), curve, glitches),
  };
}

/** Replaces all that is stored of the counter. With a checkpoint, `indexAfterCheckpoint` has thrown before: its reading is visible. */
function nothingVisible(): Judgement {
  return {
    kind: 'judged',
    quarters: [],
    replacesQuartersFromUs: null,
    events: [],
    replacesEventsAfterUs: null,
    checkpoint: null,
  };
}

/** The readings, with the checkpoint's last accepted one: if that reading is gone, the checkpoint still knows its level. */
function withLastReading(readings: readonly CounterReading[], { levels }: Checkpoint): readonly CounterReading[] {
  const level = levels.at(-1);
  if (level === undefined || readings.some(({ timeUs }) => timeUs === level.acceptedUs)) return readings;
  return withReading(readings, level.acceptedUs, level.kwh);
}

/** With a reading in place of one that is gone. Its power is unknown. */
function withReading(readings: readonly CounterReading[], timeUs: Micros, counterKwh: number): CounterReading[] {
  return [...readings, { timeUs, counterKwh, powerKw: null }].sort((a, b) => a.timeUs - b.timeUs);
}

/** @throws RangeError if the checkpoint's last accepted reading is not visible */
function indexAfterCheckpoint(readings: readonly VisibleReading[], { levels }: Checkpoint): number {
  const acceptedUs = levels.at(-1)?.acceptedUs ?? 0;
  const i = lastAtOrBefore(readings, acceptedUs);
  if (readings[i]?.timeUs !== acceptedUs) throw new RangeError("the checkpoint's reading is not visible");
  return i + 1;
}

/** For each reading: whether the counter was replaced after the reading before, and at or before this one. False for the first. */
function replacementsOf(readings: readonly VisibleReading[], corrections: readonly Correction[]): boolean[] {
  const replacedBefore = Array<boolean>(readings.length).fill(false);
  for (const correction of corrections) {
    if (correction.kind !== 'replaced') continue;
    const i = readings.findIndex(({ timeUs }) => timeUs >= correction.atUs);
    if (i > 0) replacedBefore[i] = true;
  }
  return replacedBefore;
}
