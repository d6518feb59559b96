/**
 * Instants are whole microseconds since 1970-01-01T00:00:00Z, as a plain number: HyCloud's points carry
 * microseconds, PostgreSQL keeps microseconds, and a double counts them exactly until the year 2255.
 */
export type Micros = number;

/** A stretch of time. */
export interface Span {
  fromUs: Micros;
  toUs: Micros;
}

export const US_PER_SECOND = 1_000_000;
export const US_PER_MINUTE = 60 * US_PER_SECOND;
export const US_PER_HOUR = 60 * US_PER_MINUTE;
export const US_PER_DAY = 24 * US_PER_HOUR;

const RFC_3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

/**
 * Reads an RFC 3339 date-time with any number of fractional digits and any offset; digits beyond the microsecond are cut
 * off. Returns null for anything else, such as a 30th of February.
 *
 * @see https://www.rfc-editor.org/rfc/rfc3339#section-5.6
 */
export function parseRfc3339(text: string): Micros | null {
  const match = RFC_3339.exec(text);
  if (!match) return null;
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const [hour, minute, second] = [Number(match[4]), Number(match[5]), Number(match[6])];
  const [fraction = '', sign = '+', offsetHours = '0', offsetMinutes = '0'] = match.slice(7);
  // A leap second (60) is valid RFC 3339; like PostgreSQL, it is read as the first second of the next minute.
  if (hour > 23 || minute > 59 || second > 60 || Number(offsetHours) > 23 || Number(offsetMinutes) > 59) return null;
  // Date.UTC reads the years 0 to 99 as 1900 to 1999, and rolls the 30th of February over into March.
  if (year < 100 || month < 1 || month > 12 || day < 1 || (day > 28 && day > daysInMonth(year, month))) return null;
  const offset = (Number(offsetHours) * 60 + Number(offsetMinutes)) * (sign === '-' ? -1 : 1);
  const seconds = Date.UTC(year, month - 1, day, hour, minute - offset, second) / 1000;
  return seconds * US_PER_SECOND + Number(fraction.slice(0, 6).padEnd(6, '0'));
}

/** @param month from 1 to 12. Day 0 of the month after it is its last day. */
function daysInMonth(year: number, month: number): number {
  return new Date(Date.UTC(year, month, 0)).getUTCDate();
}

/** RFC 3339 in UTC, always with six fractional digits: `2026-03-01T10:14:58.535091Z`. */
export function formatRfc3339(timeUs: Micros): string {
  const ms = Math.floor(timeUs / 1000);
  const lastDigits = String(timeUs - ms * 1000).padStart(3, '0');
  return new Date(ms).toISOString().replace('Z', `${lastDigits}Z`);
}

/** Epoch seconds, rounded down. */
export function epochSeconds(timeUs: Micros): number {
  return Math.floor(timeUs / US_PER_SECOND);
}
