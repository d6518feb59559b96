/** Texts for the values of a reading, for times and for durations. */
import { DateTime } from 'luxon';
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

export function counterText(kwh: number | null): string {
  return kwh === null ? '–' : String(kwh);
}

export function localDateTime(timeUs: Micros, timezone: string): DateTime {
  return DateTime.fromMillis(Math.floor(timeUs / 1000), { zone: timezone });
}

/** `2026-03-01 11:14:58` in the zone. */
export function localTime(timeUs: Micros, timezone: string): string {
  return localDateTime(timeUs, timezone).toFormat('yyyy-LL-dd HH:mm:ss');
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
