/**
 * Instants are whole microseconds since 1970-01-01T00:00:00Z, as a plain number: HyCloud's points carry
 * microseconds, PostgreSQL keeps microseconds, and a double counts them exactly until the year 2255.
 */
export type Micros = number;

export const US_PER_SECOND = 1_000_000;
export const US_PER_MINUTE = 60 * US_PER_SECOND;
export const US_PER_HOUR = 60 * US_PER_MINUTE;
export const US_PER_DAY = 24 * US_PER_HOUR;

/**
 * Reads an RFC 3339 date-time, of a text or a part of one, with any number of fractional digits and any offset; digits
 * beyond the microsecond are cut off. Returns null for anything else, a 30th of February included. Goes by characters: a
 * backfill reads millions of times, and a regular expression would take as long as parsing the JSON around them.
 *
 * @see https://www.rfc-editor.org/rfc/rfc3339#section-5.6
 */
export function parseRfc3339(text: string, from = 0, to = text.length): Micros | null {
  if (!text.startsWith(lastHourText, from) && !rememberHour(text.slice(from, to))) return null;
  const [minute, second] = [digits(text, from + 14, from + 16), digits(text, from + 17, from + 19)];
  if (text[from + 13] !== ':' || text[from + 16] !== ':') return null;
  // A leap second (60) is valid RFC 3339; like PostgreSQL, it is read as the first second of the next minute.
  if (minute > 59 || second > 60) return null;
  const zoneAt = text[to - 1] === 'Z' || text[to - 1] === 'z' ? to - 1 : to - '+00:00'.length;
  const seconds = (minute - offsetMinutes(text, zoneAt, to)) * 60 + second;
  const timeUs = lastHourUs + seconds * US_PER_SECOND + fractionUs(text, from + 19, zoneAt);
  return Number.isNaN(timeUs) ? null : timeUs;
}

/** The hour read last, `2026-03-01T10`: most of a page's points lie in the one of the point before. */
let lastHourText = '(none)';
let lastHourUs = NaN;

/** Whether a text begins with a day and an hour that there are. */
function rememberHour(text: string): boolean {
  const [year, month, day, hour] = [digits(text, 0, 4), digits(text, 5, 7), digits(text, 8, 10), digits(text, 11, 13)];
  if (text[4] !== '-' || text[7] !== '-' || !['T', 't', ' '].includes(text[10] ?? '') || hour > 23) return false;
  // Date.UTC reads the years 0 to 99 as 1900 to 1999, and rolls the 30th of February over into March.
  if (year < 100 || month < 1 || month > 12 || day < 1 || (day > 28 && day > daysOf(year, month))) return false;
  const hourMs = Date.UTC(year, month - 1, day, hour);
  if (Number.isNaN(hourMs)) return false;
  lastHourText = text.slice(0, 13);
  lastHourUs = hourMs * 1000;
  return true;
}

/** The number from one place of a text up to another; NaN unless there are digits, and nothing else. */
function digits(text: string, from: number, to: number): number {
  let value = from < to ? 0 : NaN;
  for (let index = from; index < to; index += 1) {
    const digit = text.charCodeAt(index) - 0x30;
    value = digit >= 0 && digit <= 9 ? value * 10 + digit : NaN;
  }
  return value;
}

function daysOf(year: number, month: number): number {
  return new Date(Date.UTC(year, month, 0)).getUTCDate();
}

/** Of a `.` and digits between two places of a text, or of nothing; NaN of anything else. */
function fractionUs(text: string, from: number, to: number): number {
  if (from === to) return 0;
  const beyondUs = from + '.000000'.length;
  if (text[from] !== '.' || (to > beyondUs && Number.isNaN(digits(text, beyondUs, to)))) return NaN;
  const end = Math.min(to, beyondUs);
  return digits(text, from + 1, end) * 10 ** (beyondUs - end);
}

/** Of a `Z`, or a sign and `00:00`, between two places of a text; NaN of anything else. */
function offsetMinutes(text: string, at: number, to: number): number {
  if (at === to - 1) return 0;
  const [hours, minutes] = [digits(text, at + 1, at + 3), digits(text, at + 4, at + 6)];
  if (text[at + 3] !== ':' || hours > 23 || minutes > 59) return NaN;
  const sign = { '+': 1, '-': -1 }[text[at] ?? ''] ?? NaN;
  return sign * (hours * 60 + minutes);
}

/** The minute written last: a run's readings lie within a few, and a Date takes longer than all else of a text. */
let lastMinute = NaN;
let lastMinuteText = '';

/** RFC 3339 in UTC, always with six fractional digits: `2026-03-01T10:14:58.535091Z`. */
export function formatRfc3339(timeUs: Micros): string {
  const minute = Math.floor(timeUs / US_PER_MINUTE);
  if (minute !== lastMinute) {
    lastMinuteText = new Date((minute * US_PER_MINUTE) / 1000).toISOString().slice(0, -'00.000Z'.length);
    lastMinute = minute;
  }
  const digitsOfUs = String(timeUs - minute * US_PER_MINUTE).padStart(8, '0');
  return `${lastMinuteText}${digitsOfUs.slice(0, 2)}.${digitsOfUs.slice(2)}Z`;
}

/** Epoch seconds, rounded down. */
export function epochSeconds(timeUs: Micros): number {
  return Math.floor(timeUs / US_PER_SECOND);
}
