/**
 * Instants are whole microseconds since 1970-01-01T00:00:00Z, as a plain number: HyCloud's points carry
 * microseconds, PostgreSQL keeps microseconds, and a double counts them exactly until the year 2255.
 */
export type Micros = number;

export const US_PER_SECOND = 1_000_000;
export const US_PER_MINUTE = 60 * US_PER_SECOND;
export const US_PER_HOUR = 60 * US_PER_MINUTE;
export const US_PER_DAY = 24 * US_PER_HOUR;

const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

/**
 * Reads an RFC 3339 date-time with any number of fractional digits and any offset; digits beyond the
 * microsecond are cut off. Returns null for anything else, a 30th of February included.
 *
 * @see https://www.rfc-editor.org/rfc/rfc3339#section-5.6
 */
export function parseRfc3339(text: string): Micros | null {
  const match = RFC3339.exec(text);
  if (!match) return null;
  const [, year, month, day, hour, minute, second, fraction = '', sign, offsetHour = '0', offsetMinute = '0'] = match;
  const [h, m, s] = [Number(hour), Number(minute), Number(second)];
  // A leap second (60) is valid RFC 3339; like PostgreSQL, it is read as the first second of the next minute.
  if (h > 23 || m > 59 || s > 60 || Number(offsetHour) > 23 || Number(offsetMinute) > 59) return null;
  const midnightMs = Date.UTC(Number(year), Number(month) - 1, Number(day));
  const date = new Date(midnightMs);
  // Date.UTC rolls the 30th of February over into March, and reads the years 0 to 99 as 1900 to 1999.
  if (date.getUTCDate() !== Number(day) || date.getUTCMonth() + 1 !== Number(month)) return null;
  if (date.getUTCFullYear() !== Number(year)) return null;
  const offsetMinutes = (Number(offsetHour) * 60 + Number(offsetMinute)) * (sign === '-' ? -1 : 1);
  const seconds = midnightMs / 1000 + h * 3600 + m * 60 + s - offsetMinutes * 60;
  return seconds * US_PER_SECOND + Number(fraction.slice(0, 6).padEnd(6, '0'));
}

/** RFC 3339 in UTC, always with six fractional digits: `2026-03-01T10:14:58.535091Z`. */
export function formatRfc3339(timeUs: Micros): string {
  const us = ((timeUs % US_PER_SECOND) + US_PER_SECOND) % US_PER_SECOND;
  const wholeSecond = new Date((timeUs - us) / 1000).toISOString().slice(0, 19);
  return `${wholeSecond}.${String(us).padStart(6, '0')}Z`;
}

/** Epoch seconds, rounded down. */
export function epochSeconds(timeUs: Micros): number {
  return Math.floor(timeUs / US_PER_SECOND);
}
