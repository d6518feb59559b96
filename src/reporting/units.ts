/** Texts for the values of a reading, for times and for durations. */
import type { Reading } from '../domain/reading.ts';
import { US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, US_PER_SECOND, type Micros } from '../domain/time.ts';

/** m³/h with four decimals: exactly what was measured (10 000 dl/h = 1 m³/h). */
export function flowText({ measuredFlowDlh }: Reading): string {
  return measuredFlowDlh === null ? '–' : (measuredFlowDlh / 10_000).toFixed(4);
}

/** kW with four decimals: exactly what was measured (10 000 dW = 1 kW). */
export function powerText({ measuredPowerDw }: Reading): string {
  return measuredPowerDw === null ? '–' : (measuredPowerDw / 10_000).toFixed(4);
}

export function counterText(value: number | null): string {
  return value === null ? '–' : value.toString();
}

/** By zone. Cached: to create one takes longer than to use it a thousand times. */
const minuteFormats = new Map<string, Intl.DateTimeFormat>();

/** The result of the last `localMinute`. Cached: most of a run's newest points are in the same minute. */
let lastMinute = { utcMinute: NaN, timezone: '', text: '' };

/** `2026-03-01 11:14:58` in the zone. The seconds are those of UTC: since 1972, all zones differ by whole minutes. */
export function localTime(timeUs: Micros, timezone: string): string {
  const utcMinute = Math.floor(timeUs / US_PER_MINUTE);
  if (utcMinute !== lastMinute.utcMinute || timezone !== lastMinute.timezone) {
    lastMinute = { utcMinute, timezone, text: localMinute(utcMinute, timezone) };
  }
  const second = Math.floor((timeUs - utcMinute * US_PER_MINUTE) / US_PER_SECOND);
  return `${lastMinute.text}:${String(second).padStart(2, '0')}`;
}

/** @param utcMinute minutes since 1970 */
function localMinute(utcMinute: number, timezone: string): string {
  const format = minuteFormats.get(timezone) ?? createMinuteFormat(timezone);
  minuteFormats.set(timezone, format);
  const parts = format.formatToParts((utcMinute * US_PER_MINUTE) / 1000);
  const { year, month, day, hour, minute } = Object.fromEntries(parts.map(({ type, value }) => [type, value]));
  return `${year}-${month}-${day} ${hour}:${minute}`;
}

function createMinuteFormat(timeZone: string): Intl.DateTimeFormat {
  const [numeric, twoDigits] = ['numeric', '2-digit'] as const;
  const date = { year: numeric, month: twoDigits, day: twoDigits } as const;
  const time = { hour: twoDigits, minute: twoDigits, hourCycle: 'h23' } as const;
  return new Intl.DateTimeFormat('en-US', { timeZone, ...date, ...time });
}

/** A length of time, rounded down: `5 s`, `12 min`, `3 h 20 min`, `4 d 2 h`. */
export function durationText(spanUs: number): string {
  if (spanUs < US_PER_MINUTE) return `${Math.max(0, Math.floor(spanUs / US_PER_SECOND))} s`;
  if (spanUs < US_PER_HOUR) return `${Math.floor(spanUs / US_PER_MINUTE)} min`;
  const hours = Math.floor(spanUs / US_PER_HOUR);
  if (spanUs < US_PER_DAY) return inTwoUnits(hours, 'h', Math.floor((spanUs % US_PER_HOUR) / US_PER_MINUTE), 'min');
  return inTwoUnits(Math.floor(hours / 24), 'd', hours % 24, 'h');
}

function inTwoUnits(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return `${large} ${largeUnit}${small > 0 ? ` ${small} ${smallUnit}` : ''}`;
}
