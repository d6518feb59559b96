/** The offsets of a time zone over a span. */
import { DateTime } from 'luxon';
import { epochSeconds, type Micros } from '../../domain/time.ts';
import { DAY_S, type ZoneOffsets } from './page/local-time.ts';

/** The step of the search. A zone does not change its offset twice within six hours. */
const STEP_S = 6 * 3600;

/** The offsets of a zone from a day before the span to a day after it. */
export function zoneOffsets(timezone: string, fromUs: Micros, toUs: Micros): ZoneOffsets {
  const offsetAt = (timeS: number): number => DateTime.fromMillis(timeS * 1000, { zone: timezone }).offset * 60;
  const startS = epochSeconds(fromUs) - DAY_S;
  const offsets: [number, number][] = [[startS, offsetAt(startS)]];
  for (let timeS = startS; timeS < epochSeconds(toUs) + DAY_S; timeS += STEP_S) {
    const before = offsetAt(timeS);
    const after = offsetAt(timeS + STEP_S);
    if (before !== after) offsets.push([changeBetween(timeS, timeS + STEP_S, before, offsetAt), after]);
  }
  return offsets;
}

/** The first second with the new offset, by bisection. */
function changeBetween(fromS: number, toS: number, before: number, offsetAt: (timeS: number) => number): number {
  let [lowS, highS] = [fromS, toS];
  while (highS - lowS > 1) {
    const middleS = Math.floor((lowS + highS) / 2);
    if (offsetAt(middleS) === before) lowS = middleS;
    else highS = middleS;
  }
  return highS;
}
