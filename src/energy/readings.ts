/** The readings as the judge sees them: without those that a correction excludes, and with plausible powers. */
import type { Micros } from '../domain/time.ts';
import type { Correction, CounterReading, Limits } from '../domain/energy.ts';

export interface VisibleReading {
  timeUs: Micros;
  kwh: number;
  /** Absolute, and cut at `maxPowerKw`. */
  powerKw: number | null;
  /** Excluded readings lie between this reading and the one before. */
  afterExcluded: boolean;
}

/** The counter shows whole kWh: between two readings, two unfinished kWh are unknown. */
export const TOLERANCE_KWH = 2;

export function visibleReadings(
  readings: readonly CounterReading[],
  corrections: readonly Correction[],
  limits: Limits,
): VisibleReading[] {
  const visible: VisibleReading[] = [];
  let afterExcluded = false;
  for (const { timeUs, counterKwh, powerKw } of readings) {
    if (isExcluded(timeUs, corrections)) {
      afterExcluded = true;
      continue;
    }
    if (timeUs <= (visible.at(-1)?.timeUs ?? -Infinity)) throw new RangeError('readings must be in order of time');
    const power = powerKw === null ? null : Math.min(Math.abs(powerKw), limits.maxPowerKw);
    visible.push({ timeUs, kwh: counterKwh, powerKw: power, afterExcluded });
    afterExcluded = false;
  }
  return visible;
}

/** Whether a correction hides the reading of this instant. */
export function isExcluded(timeUs: Micros, corrections: readonly Correction[]): boolean {
  return corrections.some(
    (correction) => correction.kind === 'exclude' && correction.fromUs <= timeUs && timeUs < correction.toUs,
  );
}

/** Whether two neighbouring readings are so far apart that readings between them are missing. */
export function isOutage(fromUs: Micros, toUs: Micros, limits: Limits): boolean {
  return toUs - fromUs > 1.5 * limits.intervalUs;
}

export function readingAt(readings: readonly VisibleReading[], i: number): VisibleReading {
  const reading = readings[i];
  if (reading === undefined) throw new RangeError(`no reading ${i}`);
  return reading;
}

/** Index of the last reading at or before an instant. -1: every reading is later. */
export function lastAtOrBefore(readings: readonly VisibleReading[], timeUs: Micros): number {
  let [low, high] = [0, readings.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (readingAt(readings, middle).timeUs <= timeUs) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
