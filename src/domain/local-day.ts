/** Where local days begin. */
import { DateTime } from 'luxon';
import type { Micros } from './time.ts';

/**
 * The first instant of the local day of a time, or of a day so many days later. Where a clock change skips midnight, a day begins
 * after the change (Cairo). Where the change repeats midnight, at the first of the two (the Azores). The same rule as
 * `tasmart_day_start` in SQL.
 */
export function localDayStart(timeUs: Micros, timezone: string, daysLater = 0): Micros {
  const time = DateTime.fromMillis(Math.floor(timeUs / 1000), { zone: timezone });
  const start = time.plus({ days: daysLater }).startOf('day');
  const hourBefore = start.minus({ hours: 1 });
  return (hourBefore.hasSame(start, 'day') ? hourBefore : start).toMillis() * 1000;
}
