/** Reads times, spans and durations from the command line. */
import { DateTime } from 'luxon';
import { KnownError } from '../domain/errors.ts';
import { parseRfc3339, US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, type Micros } from '../domain/time.ts';

/** Later than this, a number cannot hold whole microseconds. */
const LAST_US = Date.UTC(2255, 0) * 1000;

const AGO = /^(\d+(?:\.\d+)?)(m|h|d)$/;
const AGO_UNITS = { m: US_PER_MINUTE, h: US_PER_HOUR, d: US_PER_DAY } as const;

/**
 * Reads a time: RFC 3339, a local date or date-time in the zone, `now`, `today` and `yesterday` (the beginning of the day), or
 * `24h`, `7d` (ago).
 *
 * @throws KnownError exit 64
 */
export function parseTime(text: string, option: string, timezone: string, nowUs: Micros): Micros {
  const [, amount, unit] = AGO.exec(text) ?? [];
  const agoUs = Math.round(Number(amount) * AGO_UNITS[unit as keyof typeof AGO_UNITS]);
  if (amount !== undefined && agoUs < nowUs) return nowUs - agoUs;
  const instant = parseWord(text, timezone, nowUs) ?? parseRfc3339(text) ?? parseLocal(text, timezone);
  if (instant !== null && instant >= 0 && instant < LAST_US) return instant;
  throw new KnownError('usage', `${option} ${text} is not a time`, {
    remedy: 'write 2026-03-01, 2026-03-01T08:00 (local), 2026-03-01T08:00:00Z, now, today, yesterday, or 24h, 7d (ago)',
  });
}

function parseWord(text: string, timezone: string, nowUs: Micros): Micros | null {
  if (text === 'now') return nowUs;
  const today = DateTime.fromMillis(nowUs / 1000, { zone: timezone }).startOf('day');
  if (text === 'today') return today.toMillis() * 1000;
  return text === 'yesterday' ? today.minus({ days: 1 }).toMillis() * 1000 : null;
}

/** A date; optionally a time, with or without seconds and offset. The offset is checked, for Luxon accepts any hours. */
const LOCAL = /^\d{4}-\d\d-\d\d(?:[T ][\d:.]+(?:Z|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)?)?$/i;

function parseLocal(text: string, timezone: string): Micros | null {
  if (!LOCAL.test(text)) return null;
  const local = DateTime.fromISO(text.replace(' ', 'T'), { zone: timezone });
  return local.isValid ? local.toMillis() * 1000 : null;
}

/** Reads a span, which must not be empty. `to` defaults to now. @throws KnownError exit 64 */
export function parseSpan(
  options: { from: string; to?: string },
  timezone: string,
  nowUs: Micros,
): { fromUs: Micros; toUs: Micros } {
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
  const [, amount, unit] = AGO.exec(text) ?? [];
  if (amount !== undefined) return Number(amount) * AGO_UNITS[unit as keyof typeof AGO_UNITS];
  throw new KnownError('usage', `${option} ${text} is not a duration`, { remedy: 'write 45m, 2h or 1d' });
}
