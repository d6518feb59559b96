/** The verdicts, reading by reading: which are accepted, which are glitches, and where the counter breaks. */
import type { Micros, Span } from '../domain/time.ts';
import { US_PER_DAY, US_PER_HOUR } from '../domain/time.ts';
import type { Budgets } from './budget.ts';
import { isOutage, readingAt, TOLERANCE_KWH, type VisibleReading } from './readings.ts';
import { MICRO_PER_KWH, type Level, type Limits } from '../domain/energy.ts';

/** A reading that may be a glitch or a break is decided when readings of this time follow. */
const DECIDES_AFTER_US = 24 * US_PER_HOUR;
/** After this time, a counter that does not follow cannot rejoin its level any more. */
const REJOINS_WITHIN_US = 7 * US_PER_DAY;
const REJOINS_WITHIN_IF_STILL_US = 60 * US_PER_DAY;
const MAX_TAKEN_BACK = 4;

/** What lies between an accepted reading and the accepted reading before. */
export type Step = { kind: 'first' | 'follows' | 'glitch' } | Break;

/** A new level begins. `fromKwh`: the level before. `microKwh`: what the curve adds across the break. */
export interface Break {
  kind: 'reset' | 'jump' | 'replaced';
  fromKwh: number;
  microKwh: number;
}

export function isBreak(step: Step): step is Break {
  return 'fromKwh' in step;
}

/** An accepted reading, and the level after it. */
export interface Accepted extends Level {
  step: Step;
}

/** The state of the walk through the readings. */
export interface Walk {
  accepted: readonly Accepted[];
  /** How many of the newest accepted steps may still be taken back. */
  mayTakeBack: number;
}

export interface Verdicts {
  /** The accepted readings, with those that the walk began with. */
  accepted: Accepted[];
  /** How many of the accepted readings that the walk began with are left. */
  kept: number;
  /** The last decided reading. The readings after it are undecided. */
  decidedUntilUs: Micros;
  /** The state after the last reading up to which no later reading can change a verdict. The next run goes on from here. */
  settled: Walk;
}

/**
 * Judges readings `start` to the last. `replacedBefore[i]`: the counter was replaced between readings i − 1 and i.
 *
 * A verdict is settled if all budgets it depends on are final and no rejoin can come any more. After the first verdict that
 * is not settled, none is: the next run judges again from there.
 */
export function judgeReadings(
  readings: readonly VisibleReading[],
  start: number,
  begin: Walk,
  budgets: Budgets,
  replacedBefore: readonly boolean[],
  limits: Limits,
): Verdicts {
  const accepted = [...begin.accepted];
  let { mayTakeBack } = begin;
  let kept = accepted.length;
  let settled = begin;
  let allFinal = true as boolean; // as boolean: TypeScript does not see that the functions below change it
  let i = start;

  while (i < readings.length) {
    const acceptedIndex = judgeReading(i);
    if (acceptedIndex === null) break;
    i = acceptedIndex + 1;
    if (allFinal) settled = { accepted: accepted.slice(-1 - mayTakeBack), mayTakeBack };
  }
  return { accepted, kept, decidedUntilUs: timeOf(i - 1), settled };

  /**
   * Accepts reading i if it follows the level. Else, if earlier readings were a glitch that ends with it; or if it begins a
   * glitch, accepts the later reading that ends the glitch. Else it is a break, unless it may yet turn out to be a glitch.
   *
   * @returns the index of the accepted reading. Null: undecided
   */
  function judgeReading(i: number): number | null {
    const level = accepted.at(-1);
    if (level === undefined) {
      accept(i, { kind: 'first' });
      return i;
    }
    // No break if the counter is the same before and after, as an unused counter at 0 is.
    if (replacedBefore[i] === true && reading(i).kwh !== level.kwh) {
      breakAt(i, level, 'replaced');
      return i;
    }
    if (follows(level, i)) {
      accept(i, { kind: 'follows' });
      return i;
    }
    const fellKwh = level.kwh - reading(i).kwh;
    const fell = fellKwh > TOLERANCE_KWH;
    if (fell && takeBack(i, fellKwh)) {
      accept(i, { kind: 'glitch' });
      return i;
    }
    const rejoin = findRejoin(i, level, fell);
    if (typeof rejoin === 'number') {
      accept(rejoin, { kind: 'glitch' });
      return rejoin;
    }
    if (rejoin === 'may-come') {
      allFinal = false;
      if (newestUs() - timeOf(i) < DECIDES_AFTER_US) return null;
    }
    breakAt(i, level, fell ? 'reset' : 'jump');
    return i;
  }

  /** Also keeps in `allFinal` whether a later reading can change the answer. */
  function follows(level: Level, i: number): boolean {
    const answer = budgets.follows(level, i);
    allFinal &&= answer.final;
    return answer.follows;
  }

  function accept(i: number, step: Step): void {
    const before = accepted.at(-1);
    const { kwh, timeUs } = reading(i);
    const isRise = before === undefined || kwh > before.kwh;
    accepted.push({
      kwh: isRise ? kwh : before.kwh,
      sinceUs: isRise ? timeUs : before.sinceUs,
      acceptedUs: timeUs,
      step,
    });
    mayTakeBack = before === undefined ? 0 : Math.min(MAX_TAKEN_BACK, mayTakeBack + 1);
  }

  /**
   * Begins a new level at reading i. Energy across the break: the lesser power of its two ends; nothing if a power is unknown,
   * or across an outage.
   */
  function breakAt(i: number, level: Level, kind: 'reset' | 'jump' | 'replaced'): void {
    const [from, to] = [reading(i - 1), reading(i)];
    const lastsUs = to.timeUs - from.timeUs;
    const kw = isOutage(from.timeUs, to.timeUs, limits) ? 0 : Math.min(from.powerKw ?? 0, to.powerKw ?? 0);
    const microKwh = Math.floor((kw * MICRO_PER_KWH * lastsUs) / US_PER_HOUR);
    const step = { kind, fromKwh: level.kwh, microKwh };
    accepted.push({ kwh: to.kwh, sinceUs: to.timeUs, acceptedUs: to.timeUs, step });
    mayTakeBack = 0;
  }

  /**
   * Looks in the last accepted steps for one that explains the fall to reading i: it alone rose by at least half of the
   * fall, and reading i follows the level before it. Takes back that step and all later ones: they were a glitch.
   */
  function takeBack(i: number, fellKwh: number): boolean {
    for (let back = 1; back <= mayTakeBack; back++) {
      const [before, after] = [accepted.at(-1 - back), accepted.at(-back)];
      if (before === undefined || after === undefined) return false;
      if (after.kwh - before.kwh >= fellKwh / 2 && follows(before, i)) {
        accepted.length -= back;
        mayTakeBack -= back;
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
   * @returns the index of that reading. `may-come`: there is none yet, and the time to return has not passed.
   */
  function findRejoin(i: number, level: Level, fell: boolean): number | 'may-come' | 'never' {
    let [lowest, highest] = [reading(i).kwh, reading(i).kwh];
    for (let j = i + 1; j < readings.length; j++) {
      if (replacedBefore[j] === true) return 'never';
      const stoodStill = highest - lowest <= TOLERANCE_KWH;
      const withinUs = stoodStill ? REJOINS_WITHIN_IF_STILL_US : REJOINS_WITHIN_US;
      if (timeOf(j) - timeOf(i) > withinUs) return 'never';
      if (follows(level, j) && ((fell && stoodStill) || comesByJump(j))) return j;
      lowest = Math.min(lowest, reading(j).kwh);
      highest = Math.max(highest, reading(j).kwh);
    }
    return 'may-come';
  }

  /** Whether reading j does not follow the reading right before it, or an outage lies between these two. */
  function comesByJump(j: number): boolean {
    const { kwh, timeUs } = reading(j - 1);
    return isOutage(timeUs, timeOf(j), limits) || !follows({ kwh, sinceUs: timeUs, acceptedUs: timeUs }, j);
  }

  function reading(i: number): VisibleReading {
    return readingAt(readings, i);
  }

  function timeOf(i: number): Micros {
    return reading(i).timeUs;
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
