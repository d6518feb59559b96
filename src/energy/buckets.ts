/** Sums quarters of an hour into a bucket. `verify` compares the sum with the SQL function tasmart_consumption. */
import type { Micros, Span } from '../domain/time.ts';
import { QUALITIES, QUARTER_HOUR_US, type Quality, type QuarterHour } from '../domain/energy.ts';

/** When the quarter of an hour of an instant begins. */
export function quarterStart(timeUs: Micros): Micros {
  return Math.floor(timeUs / QUARTER_HOUR_US) * QUARTER_HOUR_US;
}

export interface BucketSum {
  /** Null where there is no curve. */
  microKwh: number | null;
  coveredSeconds: number;
  quality: Quality;
}

/**
 * @param quarterHours the whole curve, without a gap
 * @param bucket its ends are edges of quarters of an hour
 */
export function sumBucket(quarterHours: readonly QuarterHour[], { fromUs, toUs }: Span): BucketSum {
  const curveFromUs = quarterHours[0]?.startUs ?? fromUs;
  const indexOf = (timeUs: Micros) => Math.max(0, (timeUs - curveFromUs) / QUARTER_HOUR_US);
  const parts = quarterHours.slice(indexOf(fromUs), indexOf(toUs));
  if (parts.length === 0) return { microKwh: null, coveredSeconds: 0, quality: 'missing' };
  const qualities = parts.map(({ quality }) => quality);
  // Parts of the bucket outside of the curve: before its first reading, and after its newest one.
  if (fromUs < curveFromUs) qualities.push('estimated');
  if (indexOf(toUs) > quarterHours.length) qualities.push('provisional');
  return {
    microKwh: parts.reduce((sum, { microKwh }) => sum + microKwh, 0),
    coveredSeconds: parts.reduce((sum, { coveredSeconds }) => sum + coveredSeconds, 0),
    quality: QUALITIES.find((quality) => qualities.includes(quality)) ?? 'measured',
  };
}
