/** Decodes the charts' data, which report/embedded.ts has encoded. Runs in Node and in the browser. */
import type { BarsPayload, LinesPayload, ValvePayload } from '../payload.ts';
import { DAY_S, wallOf, type ZoneOffsets } from './local-time.ts';
import { qualityOf, type Quality } from './quality.ts';

export interface ChartTimes {
  /** seconds since 1970, ascending: the times of the readings, and the breaks */
  times: number[];
  /** a time in the middle of each gap, at which lines break */
  breaks: Set<number>;
}

/** @param fromS the report's start */
export function decodeTimes({ times, gaps }: ValvePayload, fromS: number): ChartTimes {
  const breaks = new Set(gaps.map(([startS, endS]) => fromS + (startS + endS) / 2));
  const all = [...sumUp(times).map((sinceS) => fromS + (sinceS ?? 0)), ...breaks];
  return { times: all.sort((a, b) => a - b), breaks };
}

/** The values of each line at these times. Null at a break. */
export function decodeValues({ lines }: LinesPayload, { times, breaks }: ChartTimes): (number | null)[][] {
  return lines.map(({ values, decimals }) => {
    const ofReadings = sumUp(values).map((value) => (value === null ? null : value / 10 ** decimals));
    let next = 0;
    return times.map((timeS) => (breaks.has(timeS) ? null : (ofReadings[next++] ?? null)));
  });
}

/** The kWh of a bucket, or of several. Times are seconds since 1970. */
export interface Bar {
  startS: number;
  endS: number;
  kwh: number | null;
  quality: Quality;
  /** coverage in percent */
  percent: number;
}

/** @param fromS the report's start */
export function decodeBars({ startS, steps, wattHours, qualities, covered }: BarsPayload, fromS: number): Bar[] {
  const percents = new Map(covered);
  const letters = qualities.replace(/([a-z])(\d+)/g, (_run, letter: string, times: string) =>
    letter.repeat(Number(times)),
  );
  const lengthsS = steps.flatMap(([stepS, times]) => new Array<number>(times).fill(stepS));
  let edgeS = fromS + startS;
  return lengthsS.map((lengthS, index) => {
    const wh = wattHours[index] ?? null;
    return {
      startS: edgeS,
      endS: (edgeS += lengthS),
      kwh: wh === null ? null : wh / 1000,
      quality: qualityOf(letters.charAt(index)),
      percent: percents.get(index) ?? 100,
    };
  });
}

/** All but `measured`, worst first, as `QUALITIES` in domain/energy.ts and as tasmart_consumption. */
const WORST_FIRST: readonly Quality[] = ['missing', 'provisional', 'reset', 'jump', 'estimated'];

/** Adds bars up to days of the report's time zone. */
export function daysOf(hours: readonly Bar[], offsets: ZoneOffsets): Bar[] {
  const days = new Map<number, Bar[]>();
  for (const hour of hours) {
    const day = Math.floor(wallOf(offsets, hour.startS) / DAY_S);
    const hoursOfDay = days.get(day) ?? [];
    hoursOfDay.push(hour);
    days.set(day, hoursOfDay);
  }
  return [...days.values()].map(addUp);
}

/**
 * Adds adjacent bars up to one. Its quality is that of such a bucket in tasmart_consumption. Without any known kWh, its kWh are
 * null and it is missing. Otherwise bars that are missing before the first reading make it estimated, and later ones provisional.
 */
export function addUp(bars: readonly Bar[]): Bar {
  const known = bars.filter(({ kwh }) => kwh !== null);
  const firstKnown = bars.findIndex(({ kwh }) => kwh !== null);
  const qualities = bars.map(({ quality }, index) => {
    if (quality !== 'missing' || firstKnown < 0) return quality;
    return index < firstKnown ? 'estimated' : 'provisional';
  });
  const lengthS = bars.reduce((sum, { startS, endS }) => sum + endS - startS, 0);
  const percentSeconds = bars.reduce((sum, { startS, endS, percent }) => sum + (endS - startS) * percent, 0);
  return {
    startS: bars[0]?.startS ?? 0,
    endS: bars.at(-1)?.endS ?? 0,
    // Bars hold whole Wh. Rounded, because a sum of doubles may be 39.145999999999994.
    kwh: known.length === 0 ? null : Math.round(known.reduce((sum, { kwh }) => sum + (kwh ?? 0), 0) * 1000) / 1000,
    quality: WORST_FIRST.find((quality) => qualities.includes(quality)) ?? 'measured',
    percent: Math.floor(percentSeconds / lengthS),
  };
}

/** Turns differences back into values. */
function sumUp(differences: readonly (number | null)[]): (number | null)[] {
  let last = 0;
  return differences.map((difference) => (difference === null ? null : (last += difference)));
}
