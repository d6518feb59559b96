/** The verdicts, reading by reading: which are accepted, which are glitches, and where the counter breaks. */
import type { Micros, Span } from '../domain/time.ts';
import { US_PER_DAY, US_PER_HOUR } from '../domain/time.ts';
import { MICRO } from './budget.ts';
import type { Answer, Budgets } from './budget.ts';
import { isOutage, TOLERANCE_KWH } from './envelope.ts';
import type { VisibleReading } from './envelope.ts';
import type { Level, Limits } from './types.ts';

const DECIDES_AFTER_US = 24 * US_PER_HOUR;
const REJOINS_WITHIN_US = 7 * US_PER_DAY;
const REJOINS_WITHIN_IF_STILL_US = 60 * US_PER_DAY;
const STEPS_TO_TAKE_BACK = 4;

/** What lies between an accepted reading and the accepted reading before. */
export type Step =
  { kind: 'first' | 'follows' | 'glitch' } | { kind: 'reset' | 'jump' | 'replaced'; fromKwh: number; microKwh: number };

/** An accepted reading, and the level after it. */
export interface Accepted extends Level {
  step: Step;
}

/** The state of the walk through the readings. */
export interface Standing {
  accepted: readonly Accepted[];
  /** How many of the newest accepted steps may still be taken back. */
  steps: number;
}

export interface Verdicts {
  /** The accepted readings, with those that the walk began with. */
  accepted: Accepted[];
  /** How many of the accepted readings that the walk began with are left. */
  kept: number;
  /** The last decided reading. The readings after it are undecided. */
  decidedUntilUs: Micros;
  /** The state after the last reading up to which no later reading can change a verdict. The next run goes on from here. */
  settled: Standing;
}

/**
 * Judges readings `start` to the last. `replaced[i]`: the counter was replaced between reading i − 1 and reading i.
 *
 * A verdict is settled if all budgets it depends on are final and no rejoin can come any more. After the first verdict that
 * is not settled, none is: the next run judges again from there.
 */
export function judgeReadings(
  readings: readonly VisibleReading[],
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

  /** Returns the index of the accepted reading: i, or a later one after a glitch. Null: undecided. */
  function judgeReading(i: number): number | null {
    const level = accepted.at(-1);
    if (level === undefined) {
      accept(i, { kind: 'first' });
      return i;
    }
    // No break if the counter is the same before and after, as an unused counter at 0 is.
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

  /** Notes whether the answer is final, for `settled`. */
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

  /** Begins a new level at reading i. Energy across the break: the lesser power of its two ends; nothing across an outage. */
  function breakAt(i: number, level: Level, kind: 'reset' | 'jump' | 'replaced'): void {
    const [from, to] = [at(i - 1), at(i)];
    const lastsUs = to.timeUs - from.timeUs;
    const kw = isOutage(from.timeUs, to.timeUs, limits) ? 0 : Math.min(from.powerKw ?? 0, to.powerKw ?? 0);
    const microKwh = Math.floor((kw * MICRO * lastsUs) / US_PER_HOUR);
    const step = { kind, fromKwh: level.kwh, microKwh };
    accepted.push({ kwh: to.kwh, sinceUs: to.timeUs, acceptedUs: to.timeUs, step });
    steps = 0;
  }

  /**
   * Looks in the last accepted steps for one that explains the fall to reading i: it alone rose by at least half of the
   * fall, and reading i follows the level before it. Takes back that step and all later ones: they were a glitch.
   */
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

  /**
   * The first later reading that returns to the level in one step. The readings from i up to there were a glitch. A gradual
   * return does not count: a counter that restarted at 0 also counts past its old value. But a counter that stood still
   * after a fall may return by any step. The return may come within 7 days, or 60 if the counter stood still.
   *
   * `mayCome`: the time to return has not passed yet.
   */
  function findRejoin(i: number, level: Level, fell: boolean): { at: number | null; mayCome: boolean } {
    let [lowest, highest] = [at(i).kwh, at(i).kwh];
    for (let j = i + 1; j < readings.length; j++) {
      if (replaced[j] === true) return { at: null, mayCome: false };
      const stoodStill = highest - lowest <= TOLERANCE_KWH;
      const withinUs = stoodStill ? REJOINS_WITHIN_IF_STILL_US : REJOINS_WITHIN_US;
      if (timeOf(j) - timeOf(i) > withinUs) return { at: null, mayCome: false };
      if (follows(level, j) && ((fell && stoodStill) || comesByJump(j))) return { at: j, mayCome: true };
      lowest = Math.min(lowest, at(j).kwh);
      highest = Math.max(highest, at(j).kwh);
    }
    return { at: null, mayCome: true };
  }

  /** Whether reading j does not follow the reading right before it, or an outage lies between these two. */
  function comesByJump(j: number): boolean {
    const { kwh, timeUs } = at(j - 1);
    return isOutage(timeUs, timeOf(j), limits) || !follows({ kwh, sinceUs: timeUs, acceptedUs: timeUs }, j);
  }

  function at(i: number): VisibleReading {
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
