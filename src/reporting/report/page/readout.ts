import type uPlot from 'uplot';
import type { LinesPayload, ValvePayload } from '../payload.ts';
import type { Bar } from './decode.ts';
import { spanText, timeText, type ZoneOffsets } from './local-time.ts';
import { grouped } from './numbers.ts';
import { within, type TimeSpan } from './shading.ts';

export type ErrorSpan = readonly [fromS: number, toS: number, names: string];

export interface ReadoutContext {
  offsets: ZoneOffsets;
  gaps: readonly TimeSpan[];
  errors: readonly ErrorSpan[];
  events: readonly ErrorSpan[];
}

/** What the lines hold where the cursor is, with units: `Mon 16 Nov 13:45 · 1.2345 m³/h`. */
export function linesReadout(
  { lines, unit }: LinesPayload,
  u: uPlot,
  cursorS: number,
  { offsets, gaps, errors }: ReadoutContext,
): string {
  const gap = within(gaps, cursorS);
  if (gap) return `no reading ${spanText(offsets, ...gap)}`;
  const index = u.valToIdx(cursorS);
  const timeS = u.data[0][index];
  if (timeS === undefined) return '';
  const values = lines.map(({ name, decimals }, line) => {
    const value = u.data[line + 1]?.[index] ?? null;
    const text = value === null ? '–' : `${value.toFixed(decimals)} ${unit}`;
    return lines.length > 1 ? `${name} ${text}` : text;
  });
  const error = within(errors, timeS) ?? within(errors, cursorS);
  return [timeText(offsets, timeS), ...values, ...(error ? [error[2]] : [])].join(' · ');
}

/** `Mon 16 Nov 13:00 – 14:00 · 12.345 kWh · measured` */
export function barsReadout(
  bars: readonly Bar[],
  cursorS: number,
  { offsets, errors, events }: ReadoutContext,
): string {
  const bar = bars.find(({ startS, endS }) => startS <= cursorS && cursorS < endS);
  if (!bar) return '';
  const kwh = bar.kwh === null ? 'no kWh' : `${grouped(bar.kwh.toFixed(3))} kWh`;
  const covered = bar.percent < 100 ? [`${bar.percent} % covered`] : [];
  const named = [within(errors, cursorS), events.find(([fromS, toS]) => fromS < bar.endS && bar.startS <= toS)];
  const notes = named.flatMap((each) => (each ? [each[2]] : []));
  return [spanText(offsets, bar.startS, bar.endS), kwh, bar.quality, ...covered, ...notes].join(' · ');
}

/** The spans of a valve, in seconds since 1970. */
export function spansOf({ gaps, errors, events }: ValvePayload, fromS: number): Omit<ReadoutContext, 'offsets'> {
  const named = (spans: ValvePayload['errors']): ErrorSpan[] =>
    spans.map(([startS, endS, names]) => [fromS + startS, fromS + endS, names] as const);
  return {
    gaps: gaps.map(([startS, endS]) => [fromS + startS, fromS + endS] as const),
    errors: named(errors),
    events: named(events),
  };
}
