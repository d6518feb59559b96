/** The envelope and the budget, computed slowly from their definition in envelope.ts and budget.ts, for comparison. */
import { US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, type Micros } from '../../src/domain/time.ts';
import type { CounterReading } from '../../src/domain/energy.ts';
import { LIMITS } from './support.ts';

interface Step {
  from: CounterReading;
  to: CounterReading;
}

/** The envelope (kW) of the step that ends at each reading. The first reading ends none: 0. */
export function referenceEnvelopes(readings: readonly CounterReading[]): number[] {
  const steps = readings.slice(1).map((to, i): Step => ({ from: readings[i] ?? to, to }));
  const lastingSteps = steps.filter((step) => lasts(readings, step));
  return [0, ...steps.map((step) => envelopeKw(readings, lastingSteps, step))];
}

function envelopeKw(readings: readonly CounterReading[], lastingSteps: readonly Step[], { from, to }: Step): number {
  const isOutage = to.timeUs - from.timeUs > 1.5 * LIMITS.intervalUs;
  const startUs = from.timeUs - (isOutage ? 400 : 7) * US_PER_DAY;
  const endUs = to.timeUs + 24 * US_PER_HOUR;

  const powers = readings
    .filter(({ timeUs, powerKw }) => timeUs >= startUs && timeUs <= endUs && powerKw !== null)
    .map(({ powerKw }) => Math.abs(powerKw ?? 0));
  const steps = lastingSteps.filter((step) => step.from.timeUs >= startUs && step.to.timeUs <= endUs);
  if (powers.length === 0 && steps.length < 12) return LIMITS.maxPowerKw;

  // The two fastest steps do not count: they may be faults.
  const [, , ...counted] = steps.sort((a, b) => paceKw([b]) - paceKw([a]));
  const [fastest] = counted;
  const fastestKw = fastest ? paceKw([fastest]) : 0;
  const meanKw = fastest ? paceKw(counted) : 0;
  return Math.min(LIMITS.maxPowerKw, Math.max(0, ...powers, 2 * fastestKw, 2 * meanKw));
}

/** The pace of one step, or the mean pace of several: their rise less the unfinished kWh, over their time. */
function paceKw(steps: readonly Step[]): number {
  const riseKwh = steps.reduce((sum, { from, to }) => sum + to.counterKwh - from.counterKwh, 0);
  const durationUs = steps.reduce((sum, { from, to }) => sum + to.timeUs - from.timeUs, 0);
  return (riseKwh - 1) / (Math.max(durationUs, US_PER_MINUTE) / US_PER_HOUR);
}

/** Whether the counter stays below the step for 12 hours before, and above for 12 hours after, with readings that reach so far. Both tolerate 2 kWh. */
function lasts(readings: readonly CounterReading[], { from, to }: Step): boolean {
  const within = (startUs: Micros, endUs: Micros) =>
    readings.filter(({ timeUs }) => timeUs >= startUs && timeUs <= endUs).map(({ counterKwh }) => counterKwh);
  const before = within(from.timeUs - 12 * US_PER_HOUR, from.timeUs);
  const after = within(to.timeUs, to.timeUs + 12 * US_PER_HOUR);
  const hasTwelveHoursAfter = (readings.at(-1)?.timeUs ?? 0) >= to.timeUs + 12 * US_PER_HOUR;
  const [low, high] = [Math.min(from.counterKwh, to.counterKwh), Math.max(from.counterKwh, to.counterKwh)];
  return hasTwelveHoursAfter && before.every((kwh) => kwh <= low + 2) && after.every((kwh) => kwh >= high - 2);
}

/** The budget (kWh) from a level, reached at `sinceUs` and last accepted at `acceptedUs`, to a reading. */
export function referenceBudgetKwh(
  readings: readonly CounterReading[],
  envelopesKw: readonly number[],
  level: { sinceUs: Micros; acceptedUs: Micros },
  toUs: Micros,
): number {
  const countsFromUs = Math.max(level.sinceUs, Math.min(level.acceptedUs, toUs - 7 * US_PER_DAY));
  const kwh = readings.slice(1).map((to, i) => {
    const fromUs = readings[i]?.timeUs ?? to.timeUs;
    const countedUs = Math.min(to.timeUs, toUs) - Math.max(fromUs, countsFromUs);
    return countedUs > 0 ? (envelopesKw[i + 1] ?? NaN) * (countedUs / US_PER_HOUR) : 0;
  });
  return 2 + 1.5 * kwh.reduce((sum, step) => sum + step, 0);
}
