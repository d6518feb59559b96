/** Leaves out readings and marks that a chart cannot show. */
import type { Micros, Span } from '../../domain/time.ts';

/** About the pixels that a chart is wide. */
const MAX_SLOTS = 600;

/**
 * The indexes of the readings that a chart needs: of each time slot, the least, the greatest and the first missing value
 * of every series, and the very first and last reading. The series share their times, so a reading is kept for all of
 * them. The slots become fewer until at most `maxReadings` remain, or until one slot is left.
 *
 * @param timesUs ascending
 * @param series one value per time; null: the value is missing
 */
export function thin(
  timesUs: readonly Micros[],
  series: readonly (readonly (number | null)[])[],
  maxReadings: number,
): number[] {
  if (timesUs.length <= maxReadings) return timesUs.map((_, index) => index);
  let slots = MAX_SLOTS;
  let kept = extremes(timesUs, series, slots);
  while (kept.length > maxReadings && slots > 1) {
    const factor = Math.min(0.95, maxReadings / kept.length);
    slots = Math.max(1, Math.floor(factor * slots));
    kept = extremes(timesUs, series, slots);
  }
  return kept;
}

/** The indexes that `thin` keeps with this number of time slots. */
function extremes(
  timesUs: readonly Micros[],
  series: readonly (readonly (number | null)[])[],
  slots: number,
): number[] {
  const kept = new Set([0, timesUs.length - 1]);
  const starts = slotStarts(timesUs, slots);
  for (const values of series) {
    if (values.every((value) => value === null)) continue;
    for (const [slot, start] of starts.entries()) {
      let [least, greatest, missing] = [-1, -1, -1];
      const end = starts[slot + 1] ?? timesUs.length;
      for (let index = start; index < end; index++) {
        const value = values[index] ?? null;
        if (value === null) {
          if (missing < 0) missing = index;
          continue;
        }
        if (least < 0 || value < (values[least] ?? value)) least = index;
        if (greatest < 0 || value > (values[greatest] ?? value)) greatest = index;
      }
      for (const index of [least, greatest, missing]) if (index >= 0) kept.add(index);
    }
  }
  return [...kept].sort((a, b) => a - b);
}

/** The index of the first reading of each time slot. Slots without a reading are left out. */
function slotStarts(timesUs: readonly Micros[], slots: number): number[] {
  const [firstUs = 0, lastUs = 0] = [timesUs[0], timesUs.at(-1)];
  // + 1: the last reading belongs to the last slot.
  const slotOf = (timeUs: Micros) => Math.floor(((timeUs - firstUs) / (lastUs - firstUs + 1)) * slots);
  const starts: number[] = [];
  let slotBefore = -1;
  timesUs.forEach((timeUs, index) => {
    const slot = slotOf(timeUs);
    if (slot !== slotBefore) starts.push(index);
    slotBefore = slot;
  });
  return starts;
}

/**
 * A valve with a lasting fault has thousands of marks. Each is at least MIN_MARK_WIDTH (page/shading.ts) wide, so a chart of
 * the whole span shows no more than this. The others are missing from a chart that is zoomed in.
 */
const MAX_MARKS = 200;

/** The longest of the marks that begin in one time slot. All marks if they are few. */
export function thinMarks<Mark extends Span>(marks: readonly Mark[], span: Span): Mark[] {
  if (marks.length <= MAX_MARKS) return [...marks];
  const longest = new Map<number, Mark>();
  for (const mark of marks) {
    const slot = Math.floor(((mark.fromUs - span.fromUs) / (span.toUs - span.fromUs)) * MAX_MARKS);
    const longestYet = longest.get(slot);
    if (!longestYet || lengthOf(mark) > lengthOf(longestYet)) longest.set(slot, mark);
  }
  return [...longest.values()];
}

function lengthOf({ fromUs, toUs }: Span): number {
  return toUs - fromUs;
}
