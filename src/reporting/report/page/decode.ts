import type { BarsPayload, LinesPayload, ValvePayload } from '../payload.ts';
import { qualityOf, type Quality } from './quality.ts';

/** Times of a valve in seconds since 1970, with a moment in the middle of each gap, where its lines are to break. */
export function timesOf({ times, gaps }: ValvePayload, fromS: number): { times: number[]; breaks: Set<number> } {
  const breaks = new Set(gaps.map(([startS, endS]) => fromS + (startS + endS) / 2));
  const all = [...undone(times).map((sinceS) => fromS + (sinceS ?? 0)), ...breaks];
  return { times: all.sort((a, b) => a - b), breaks };
}

/** The values of each line at these times. */
export function valuesOf({ lines }: LinesPayload, { times, breaks }: ReturnType<typeof timesOf>): (number | null)[][] {
  return lines.map(({ values, decimals }) => {
    const known = undone(values).map((value) => (value === null ? null : value / 10 ** decimals));
    let next = 0;
    return times.map((timeS) => (breaks.has(timeS) ? null : (known[next++] ?? null)));
  });
}

export interface Bar {
  startS: number;
  endS: number;
  kwh: number | null;
  quality: Quality;
  /** how much of it is covered by readings */
  percent: number;
}

export function barsOf({ startS, steps, wattHours, qualities, covered }: BarsPayload, fromS: number): Bar[] {
  const percents = new Map(covered);
  let edgeS = fromS + startS;
  return steps
    .flatMap(([stepS, times]) => new Array<number>(times).fill(stepS))
    .map((stepS, index) => {
      const wh = wattHours[index] ?? null;
      const bar = {
        startS: edgeS,
        endS: (edgeS += stepS),
        kwh: wh === null ? null : wh / 1000,
        quality: qualityOf(qualities.charAt(index)),
        percent: percents.get(index) ?? 100,
      };
      return bar;
    });
}

/** Sums the differences up again. */
function undone(differences: readonly (number | null)[]): (number | null)[] {
  let last = 0;
  return differences.map((difference) => (difference === null ? null : (last += difference)));
}
