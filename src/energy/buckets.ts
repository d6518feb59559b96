/** Sums quarters of an hour into buckets, by the rules of the SQL function tasmart_consumption. */
import { US_PER_MINUTE, type Micros, type Span } from '../domain/time.ts';
import { QUALITIES, type Quality, type QuarterHour } from './types.ts';

export const QUARTER_HOUR_US = 15 * US_PER_MINUTE;

export interface BucketSum {
  /** Whole 10⁻⁶ kWh. Null where there is no curve. */
  microKwh: number | null;
  coveredSeconds: number;
  quality: Quality;
}

/**
 * @param quarterHours all from the first one to the end of the curve, without a gap
 * @param bucket its ends are edges of quarters of an hour
 */
export function sumBucket(quarterHours: readonly QuarterHour[], { fromUs, toUs }: Span): BucketSum {
  const curveFromUs = quarterHours[0]?.startUs ?? fromUs;
  const indexOf = (timeUs: Micros) => Math.max(0, (timeUs - curveFromUs) / QUARTER_HOUR_US);
  const parts = quarterHours.slice(indexOf(fromUs), indexOf(toUs));
  if (parts.length === 0) return { microKwh: null, coveredSeconds: 0, quality: 'missing' };
  const qualities = parts.map(({ quality }) => quality);
  // Part of the bucket lies outside of the curve: what lies before it is estimated, what lies after it is yet to come.
  if (fromUs < curveFromUs) qualities.push('estimated');
  if (indexOf(toUs) > quarterHours.length) qualities.push('provisional');
  return {
    microKwh: parts.reduce((sum, { microKwh }) => sum + (microKwh ?? 0), 0),
    coveredSeconds: parts.reduce((sum, { coveredSeconds }) => sum + coveredSeconds, 0),
    quality: QUALITIES.find((quality) => qualities.includes(quality)) ?? 'measured',
  };
}
