/** Texts for readings, times and ages. */
import type { Reading } from '../domain/reading.ts';
import { US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, US_PER_SECOND, type Micros } from '../domain/time.ts';

/** m³/h with four decimals: exactly what was measured (10 000 dl/h = 1 m³/h). */
export function flowM3h({ measuredFlowDlh }: Reading): string {
  return measuredFlowDlh === null ? '–' : (measuredFlowDlh / 10_000).toFixed(4);
}

/** kW with four decimals: exactly what was measured (10 000 dW = 1 kW). */
export function powerKw({ measuredPowerDw }: Reading): string {
  return measuredPowerDw === null ? '–' : (measuredPowerDw / 10_000).toFixed(4);
}

export function counterKwh(value: number | null): string {
  return value === null ? '–' : value.toString();
}

/** By zone. Cached: to create one takes longer than to use it a thousand times. */
const clocks = new Map<string, Intl.DateTimeFormat>();

/** The minute of the last call. Cached: most of a run's newest points are in the same minute. */
let last = { minute: NaN, timezone: '', text: '' };

/** `2026-03-01 11:14:58` in the zone. The seconds are those of UTC: since 1972, all zones differ by whole minutes. */
export function localTime(timeUs: Micros, timezone: string): string {
  const minute = Math.floor(timeUs / US_PER_MINUTE);
  if (minute !== last.minute || timezone !== last.timezone) {
    last = { minute, timezone, text: localMinute(minute, timezone) };
  }
  const second = Math.floor((timeUs - minute * US_PER_MINUTE) / US_PER_SECOND);
  return `${last.text}:${String(second).padStart(2, '0')}`;
}

function localMinute(utcMinute: number, timezone: string): string {
  const clock = clocks.get(timezone) ?? createClock(timezone);
  clocks.set(timezone, clock);
  const parts = clock.formatToParts((utcMinute * US_PER_MINUTE) / 1000);
  const { year, month, day, hour, minute } = Object.fromEntries(parts.map(({ type, value }) => [type, value]));
  return `${year}-${month}-${day} ${hour}:${minute}`;
}

function createClock(timeZone: string): Intl.DateTimeFormat {
  const [numeric, twoDigits] = ['numeric', '2-digit'] as const;
  const date = { year: numeric, month: twoDigits, day: twoDigits } as const;
  const time = { hour: twoDigits, minute: twoDigits, hourCycle: 'h23' } as const;
  return new Intl.DateTimeFormat('en-US', { timeZone, ...date, ...time });
}

/** `5 s`, `12 min`, `3 h 20 min`, `4 d 2 h`. */
export function age(spanUs: number): string {
  if (spanUs < US_PER_MINUTE) return `${Math.max(0, Math.floor(spanUs / US_PER_SECOND))} s`;
  if (spanUs < US_PER_HOUR) return `${Math.floor(spanUs / US_PER_MINUTE)} min`;
  const [large, small, big, little] =
    spanUs < US_PER_DAY ? [US_PER_HOUR, US_PER_MINUTE, 'h', 'min'] : [US_PER_DAY, US_PER_HOUR, 'd', 'h'];
  const rest = Math.floor((spanUs % large) / small);
  return `${Math.floor(spanUs / large)} ${big}${rest > 0 ? ` ${rest} ${little}` : ''}`;
}
