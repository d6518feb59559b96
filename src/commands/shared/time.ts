/** Reads times, spans, durations and time zones from the command line. */
import { DateTime } from 'luxon';
import type { Config } from '../../config/config.ts';
import { isTimeZone } from '../../config/timezone.ts';
import { KnownError } from '../../domain/errors.ts';
import { localDayStart } from '../../domain/local-day.ts';
import { parseRfc3339, US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, type Micros, type Span } from '../../domain/time.ts';

/** Later than this, a number cannot hold whole microseconds. */
const LAST_US = Date.UTC(2255, 0) * 1000;

const DURATION = /^(\d+(?:\.\d+)?)(m|h|d)$/;
const DURATION_UNITS_US = { m: US_PER_MINUTE, h: US_PER_HOUR, d: US_PER_DAY } as const;

/**
 * Reads a time: RFC 3339, a local date or date-time in the zone, `now`, `today` and `yesterday` (the beginning of the day), or
 * `24h`, `7d` (ago).
 *
 * @throws KnownError exit 64
 */
export function parseTime(text: string, option: string, timezone: string, nowUs: Micros): Micros {
  const timeUs =
    parseAgo(text, nowUs) ?? parseWord(text, timezone, nowUs) ?? parseRfc3339(text) ?? parseLocal(text, timezone);
  if (timeUs !== null && timeUs >= 0 && timeUs < LAST_US) return timeUs;
  throw new KnownError('usage', `${option} ${text} is not a time`, {
    remedy: 'write 2026-03-01, 2026-03-01T08:00 (local), 2026-03-01T08:00:00Z, now, today, yesterday, or 24h, 7d (ago)',
  });
}

/** 24h, 7d; null: the text is not a duration */
function parseAgo(text: string, nowUs: Micros): Micros | null {
  const agoUs = durationUs(text);
  return agoUs === null ? null : nowUs - Math.round(agoUs);
}

/** now, today, yesterday; null: none of these words */
function parseWord(text: string, timezone: string, nowUs: Micros): Micros | null {
  if (text === 'now') return nowUs;
  if (text === 'today') return localDayStart(nowUs, timezone);
  return text === 'yesterday' ? localDayStart(nowUs, timezone, -1) : null;
}

/** A date; optionally a time, with or without seconds and offset. The offset is checked here: Luxon accepts any hours. */
const DATE_TIME = /^\d{4}-\d\d-\d\d(?:[T ][\d:.]+(?:Z|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)?)?$/i;

const DATE = /^[\d-]+$/;

/** A time without an offset is local. A date is the beginning of the day. null: the text is not a date or date-time */
function parseLocal(text: string, timezone: string): Micros | null {
  if (!DATE_TIME.test(text)) return null;
  const local = DateTime.fromISO(text.replace(' ', 'T'), { zone: timezone });
  if (!local.isValid) return null;
  const timeUs = local.toMillis() * 1000;
  return DATE.test(text) ? localDayStart(timeUs, timezone) : timeUs;
}

/** Reads a span, which must not be empty. `to` defaults to now. @throws KnownError exit 64 */
export function parseSpan(options: { from: string; to?: string }, timezone: string, nowUs: Micros): Span {
  const fromUs = parseTime(options.from, '--from', timezone, nowUs);
  const toUs = options.to === undefined ? nowUs : parseTime(options.to, '--to', timezone, nowUs);
  if (fromUs < toUs) return { fromUs, toUs };
  throw new KnownError(
    'usage',
    `--from ${options.from} is not before ${options.to === undefined ? 'now' : `--to ${options.to}`}`,
  );
}

/** Reads a duration such as 45m, 2h or 1d. Returns microseconds. @throws KnownError exit 64 */
export function parseDuration(text: string, option: string): number {
  const parsedUs = durationUs(text);
  if (parsedUs !== null) return parsedUs;
  throw new KnownError('usage', `${option} ${text} is not a duration`, { remedy: 'write 45m, 2h or 1d' });
}

/** null: the text is not a duration */
function durationUs(text: string): number | null {
  const [, amount, unit] = DURATION.exec(text) ?? [];
  return amount === undefined ? null : Number(amount) * DURATION_UNITS_US[unit as keyof typeof DURATION_UNITS_US];
}

/** The zone of --tz, or the configured one. @throws KnownError exit 64 */
export function zoneOf({ tz }: { tz?: string }, { timezone }: Config): string {
  if (tz === undefined) return timezone;
  if (isTimeZone(tz)) return tz;
  throw new KnownError('usage', `--tz ${tz} is not a time zone`, {
    remedy: 'write an IANA name such as Europe/Rome; an abbreviation will not do',
  });
}
