/** How many readings each day should have, and how many it has; both counted in boundaries of the interval grid. */
import { boundaryOf, floorToGrid, nextBoundary } from '../../domain/grid.ts';
import { localDayStart } from '../../domain/local-day.ts';
import type { Micros, Span } from '../../domain/time.ts';
import type { DayCompleteness } from './data.ts';

export interface CompletenessSpan extends Span {
  /** later times are in the future */
  nowUs: Micros;
  /** time of the valve's first reading ever; null: it has none */
  firstUs: Micros | null;
  /** as `dayStarts` returns them */
  dayStartsUs: readonly Micros[];
  intervalUs: number;
}

/**
 * Counts the boundaries of each local day, and how many of them have a reading. A boundary at midnight belongs to the day
 * that ends. Left out are boundaries in the future, before the valve's first reading, and the first of the span if its
 * window (b − interval, b] begins before the span.
 */
export function completenessByDay(timesUs: readonly Micros[], span: CompletenessSpan): DayCompleteness[] {
  const { fromUs, toUs, nowUs, firstUs, dayStartsUs, intervalUs } = span;
  const present = new Set(timesUs.map((timeUs) => boundaryOf(timeUs, intervalUs)));
  const earliest = Math.max(boundaryOf(fromUs, intervalUs) + intervalUs, boundaryOf(firstUs ?? Infinity, intervalUs));
  return dayStartsUs.map((startUs, index) => {
    const first = Math.max(nextBoundary(startUs, intervalUs), earliest);
    const last = floorToGrid(Math.min(dayStartsUs[index + 1] ?? toUs, nowUs), intervalUs);
    const day = { startUs, expected: 0, present: 0 };
    for (let boundary = first; boundary <= last; boundary += intervalUs) {
      day.expected++;
      if (present.has(boundary)) day.present++;
    }
    return day;
  });
}

export function totalCompleteness(days: readonly DayCompleteness[]): { expected: number; present: number } {
  return {
    expected: days.reduce((sum, { expected }) => sum + expected, 0),
    present: days.reduce((sum, { present }) => sum + present, 0),
  };
}

/** In percent with one decimal, or `100`. Rounded down: 100 means that nothing is missing. null: nothing was expected. */
export function completePercent(days: readonly DayCompleteness[]): string | null {
  const { expected, present } = totalCompleteness(days);
  if (expected === 0) return null;
  return present >= expected ? '100' : (Math.floor((present / expected) * 100 * 10) / 10).toFixed(1);
}

/** The span's start, and every later start of a local day in it. */
export function dayStarts({ fromUs, toUs, timezone }: Span & { timezone: string }): Micros[] {
  const starts = [fromUs];
  for (let day = 1; ; day++) {
    const startUs = localDayStart(fromUs, timezone, day);
    if (startUs >= toUs) return starts;
    starts.push(startUs);
  }
}
