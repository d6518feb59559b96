/** Texts for the values at the cursor. */
import type uPlot from 'uplot';
import type { LinesPayload, ValvePayload } from '../payload.ts';
import type { Bar } from './decode.ts';
import { spanText, timeText, type ZoneOffsets } from './local-time.ts';
import { groupThousands } from './numbers.ts';
import { spanAt, type Marks, type TimeSpan } from './shading.ts';

/** A span with words for it. */
type TextSpan = readonly [fromS: number, toS: number, text: string];
type EventSpan = readonly [...TextSpan, regime: number];

export interface ReadoutContext extends Marks {
  offsets: ZoneOffsets;
  errors: readonly TextSpan[];
  events: readonly EventSpan[];
}

/** An event this near to the cursor counts as pointed at: it may be narrower than a pixel. */
const NEAR_PX = 3;

/** The values of the lines at the cursor: `Mon 16 Nov 13:45 · 1.2345 m³/h`. */
export function linesReadout(
  { lines, unit }: LinesPayload,
  u: uPlot,
  cursorS: number,
  { offsets, gaps, errors, events }: ReadoutContext,
): string {
  const gap = spanAt(gaps, cursorS);
  if (gap) return `no reading ${spanText(offsets, gap[0], gap[1])}`;
  const index = u.valToIdx(cursorS);
  const timeS = u.data[0][index];
  if (timeS === undefined) return '';
  const values = lines.map(({ name, decimals }, line) => {
    const value = u.data[line + 1]?.[index] ?? null;
    const text = value === null ? '–' : `${groupThousands(value.toFixed(decimals))} ${unit}`;
    return lines.length > 1 ? `${name} ${text}` : text;
  });
  const nearS = u.posToVal(NEAR_PX, 'x') - u.posToVal(0, 'x');
  const event = events.find(([startS, endS]) => startS < cursorS + nearS && endS > cursorS - nearS);
  // An error holds from its first reading on. At the last reading before an outage, it has no length.
  const error = errors.find(([startS, endS]) => startS === timeS || (startS < timeS && timeS < endS));
  return [timeText(offsets, timeS), ...values, ...textsOf([error, event])].join(' · ');
}

/** `Mon 16 Nov 13:00 – 14:00 · 12.345 kWh · measured` */
export function barsReadout(
  bars: readonly Bar[],
  cursorS: number,
  { offsets, errors, events }: ReadoutContext,
): string {
  const bar = bars.find(({ startS, endS }) => startS <= cursorS && cursorS < endS);
  if (!bar) return '';
  const kwh = bar.kwh === null ? 'no kWh' : `${groupThousands(bar.kwh.toFixed(3))} kWh`;
  const covered = bar.percent < 100 ? [`${bar.percent} % covered`] : [];
  const event = events.find(([startS, endS]) => startS < bar.endS && bar.startS <= endS);
  const notes = textsOf([spanAt(errors, cursorS), event]);
  return [spanText(offsets, bar.startS, bar.endS), kwh, bar.quality, ...covered, ...notes].join(' · ');
}

function textsOf(spans: readonly (TextSpan | EventSpan | undefined)[]): string[] {
  return spans.flatMap((span) => (span ? [span[2]] : []));
}

/** The spans of a valve, in seconds since 1970. */
export function spansOf(payload: ValvePayload, fromS: number): Omit<ReadoutContext, 'offsets'> {
  const plain = (spans: ValvePayload['gaps']): TimeSpan[] =>
    spans.map(([startS, endS]) => [fromS + startS, fromS + endS] as const);
  const withText = (spans: ValvePayload['errors']): TextSpan[] =>
    spans.map(([startS, endS, text]) => [fromS + startS, fromS + endS, text] as const);
  return {
    gaps: plain(payload.gaps),
    errors: withText(payload.errors),
    withoutValues: plain(payload.withoutValues),
    events: payload.events.map(([startS, endS, text, regime]) => [fromS + startS, fromS + endS, text, regime]),
  };
}
