/** The least and the greatest value of each day. */
import type { Micros } from '../../domain/time.ts';

export interface Range {
  least: number;
  most: number;
}

/**
 * One range per day; null: the day has no value.
 *
 * @param timesUs ascending; none is before the first day
 * @param values one per time
 */
export function dayRanges(
  timesUs: readonly Micros[],
  values: readonly (number | null)[],
  dayStartsUs: readonly Micros[],
): (Range | null)[] {
  const ranges = dayStartsUs.map((): Range | null => null);
  let day = 0;
  for (const [index, timeUs] of timesUs.entries()) {
    while (timeUs >= (dayStartsUs[day + 1] ?? Infinity)) day++;
    const value = values[index] ?? null;
    if (value === null) continue;
    const range = ranges[day];
    ranges[day] = range
      ? { least: Math.min(range.least, value), most: Math.max(range.most, value) }
      : { least: value, most: value };
  }
  return ranges;
}
