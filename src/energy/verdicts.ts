/** The verdicts, reading by reading: which readings are accepted, what was a glitch, where the counter breaks. */
import type { Micros, Span } from '../domain/time.ts';
import { US_PER_DAY, US_PER_HOUR } from '../domain/time.ts';
import { MICRO } from './budget.ts';
import type { Answer, Budgets } from './budget.ts';
import { isOutage, TOLERANCE_KWH } from './envelope.ts';
import type { Sighted } from './envelope.ts';
import type { Level, Limits } from './types.ts';

const DECIDES_AFTER_US = 24 * US_PER_HOUR;
const REJOINS_WITHIN_US = 7 * US_PER_DAY;
const REJOINS_WITHIN_IF_STILL_US = 60 * US_PER_DAY;
const STEPS_TO_TAKE_BACK = 4;

/** How an accepted reading comes after the accepted reading before. */
export type Step =
  { kind: 'first' | 'follows' | 'glitch' } | { kind: 'reset' | 'jump' | 'replaced'; fromKwh: number; microKwh: number };

/** An accepted reading, and the level it leaves. */
export interface Accepted extends Level {
  step: Step;
}

/** Where the walk stands. */
export interface Standing {
  accepted: readonly Accepted[];
  /** How many of the newest accepted steps may still be taken back. */
  steps: number;
}

export interface Verdicts {
  /** The accepted readings, from those the walk began with. */
  accepted: Accepted[];
  /** How many of the accepted readings that the walk began with are left. */
  kept: number;
  /** The last reading that is decided. */
  decidedUntilUs: Micros;
  /** After the last accepted reading up to which no verdict can change, and of what is not yet final. */
  settled: Standing;
}

/**
 * Judges readings `start` to the last. `replaced` says whether the counter was replaced between reading i − 1 and reading i.
 *
 * A verdict is settled when every answer it rests on is final and no rejoin can come any more. From the first verdict on
 * that is not, nothing is: the next run judges from there again.
 */
export function judgeReadings(
  readings: readonly Sighted[],
  start: number,
  standing: Standing,
  budgets: Budgets,
  replaced: readonly boolean[],
  limits: Limits,
): Verdicts {
  const accepted = [...standing.accepted];
  let { steps } = standing;
  let kept = accepted.length;
  let settled: Standing = standing;
  let allFinal = true as boolean;
  let i = start;

  for (; i < readings.length; i++) {
    const next = judgeReading(i);
    if (next === null) break;
    i = next;
    if (allFinal) settled = { accepted: accepted.slice(-1 - steps), steps };
  }
  return { accepted, kept, decidedUntilUs: timeOf(i - 1), settled };

  /** The reading that was accepted in the end, or null: undecided. */
  function judgeReading(i: number): number | null {
    const level = accepted.at(-1);
    if (level === undefined) {
      accept(i, { kind: 'first' });
      return i;
    }
    // A counter that shows the same before and after, such as an unused one at 0, has nothing to break.
    if (replaced[i] === true && at(i).kwh !== level.kwh) {
      breakAt(i, level, 'replaced');
      return i;
    }
    if (follows(level, i)) {
      accept(i, { kind: 'follows' });
      return i;
    }
    const fellKwh = level.kwh - at(i).kwh;
    if (fellKwh > TOLERANCE_KWH && takeBack(i, fellKwh)) {
      accept(i, { kind: 'glitch' });
      return i;
    }
    const rejoin = findRejoin(i, level, fellKwh > TOLERANCE_KWH);
    if (rejoin.at !== null) {
      accept(rejoin.at, { kind: 'glitch' });
      return rejoin.at;
    }
    if (rejoin.mayCome) {
      allFinal = false;
      if (newestUs() - timeOf(i) < DECIDES_AFTER_US) return null;
    }
    breakAt(i, level, fellKwh > 0 ? 'reset' : 'jump');
    return i;
  }

  function follows(level: Level, i: number): boolean {
    return noted(budgets.follows(level, i));
  }

  function noted(answer: Answer): boolean {
    allFinal &&= answer.final;
    return answer.follows;
  }

  function accept(i: number, step: Step): void {
    const before = accepted.at(-1);
    const { kwh, timeUs } = at(i);
    const isRise = before === undefined || kwh > before.kwh;
    accepted.push({
      kwh: isRise ? kwh : before.kwh,
      sinceUs: isRise ? timeUs : before.sinceUs,
      acceptedUs: timeUs,
      step,
    });
    steps = before === undefined ? 0 : Math.min(STEPS_TO_TAKE_BACK, steps + 1);
  }

  /** A new segment begins at reading i. Across a break only power adds energy: the lesser of the two ends. */
  function breakAt(i: number, level: Level, kind: 'reset' | 'jump' | 'replaced'): void {
    const [from, to] = [at(i - 1), at(i)];
    const lastsUs = to.timeUs - from.timeUs;
    const kw = isOutage(from.timeUs, to.timeUs, limits) ? 0 : Math.min(from.powerKw ?? 0, to.powerKw ?? 0);
    const microKwh = Math.floor((kw * MICRO * lastsUs) / US_PER_HOUR);
    const step = { kind, fromKwh: level.kwh, microKwh };
    accepted.push({ kwh: to.kwh, sinceUs: to.timeUs, acceptedUs: to.timeUs, step });
    steps = 0;
  }

  /** Takes back the accepted step that explains the fall to reading i, and everything since. */
  function takeBack(i: number, fellKwh: number): boolean {
    for (let back = 1; back <= steps; back++) {
      const [before, after] = [accepted.at(-1 - back), accepted.at(-back)];
      if (before === undefined || after === undefined) return false;
      if (after.kwh - before.kwh >= fellKwh / 2 && follows(before, i)) {
        accepted.length -= back;
        steps -= back;
        kept = Math.min(kept, accepted.length);
        return true;
      }
    }
    return false;
  }

  /** The first later reading that follows the level by a jump. */
  function findRejoin(i: number, level: Level, fell: boolean): { at: number | null; mayCome: boolean } {
    let [lowest, highest] = [at(i).kwh, at(i).kwh];
    for (let j = i + 1; j < readings.length; j++) {
      if (replaced[j] === true) return { at: null, mayCome: false };
      const stoodStill = highest - lowest <= TOLERANCE_KWH;
      const withinUs = stoodStill ? REJOINS_WITHIN_IF_STILL_US : REJOINS_WITHIN_US;
      if (timeOf(j) - timeOf(i) > withinUs) return { at: null, mayCome: false };
      if (follows(level, j) && ((fell && stoodStill) || isJump(j))) return { at: j, mayCome: true };
      lowest = Math.min(lowest, at(j).kwh);
      highest = Math.max(highest, at(j).kwh);
    }
    return { at: null, mayCome: true };
  }

  /** Reading j does not follow the reading right before it, or an outage lies between these two. */
  function isJump(j: number): boolean {
    const { kwh, timeUs } = at(j - 1);
    return isOutage(timeUs, timeOf(j), limits) || !follows({ kwh, sinceUs: timeUs, acceptedUs: timeUs }, j);
  }

  function at(i: number): Sighted {
    const reading = readings[i];
    if (reading === undefined) throw new RangeError(`no reading ${i}`);
    return reading;
  }

  function timeOf(i: number): Micros {
    return at(i).timeUs;
  }

  function newestUs(): Micros {
    return timeOf(readings.length - 1);
  }
}

/** The spans between accepted readings where a glitch was left out. */
export function glitchesOf(accepted: readonly Accepted[]): Span[] {
  return accepted.flatMap(({ step, acceptedUs }, i) => {
    const before = accepted[i - 1];
    return step.kind === 'glitch' && before ? [{ fromUs: before.acceptedUs, toUs: acceptedUs }] : [];
  });
}
