/** Where local days begin. */
import { DateTime } from 'luxon';
import type { Micros } from './time.ts';

/**
 * The first instant of the local day of a time, or of a day so many days later. If a clock change skips midnight (Cairo), the day
 * begins after the change. If it repeats midnight (the Azores), the day begins at the first one. `tasmart_day_start` in SQL has
 * the same rule.
 */
export function localDayStart(timeUs: Micros, timezone: string, daysLater = 0): Micros {
  const time = DateTime.fromMillis(Math.floor(timeUs / 1000), { zone: timezone });
  const start = time.plus({ days: daysLater }).startOf('day');
  const hourBefore = start.minus({ hours: 1 });
  return (hourBefore.hasSame(start, 'day') ? hourBefore : start).toMillis() * 1000;
}
