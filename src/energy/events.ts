/** The events of a counter: gaps, glitches, resets, jumps, corrections and undecided ends. */
import type { Micros } from '../domain/time.ts';
import { isOutage, lastAtOrBefore, type VisibleReading } from './readings.ts';
import { MICRO_PER_KWH, type CounterEvent, type Limits } from '../domain/energy.ts';
import { isBreak, type Accepted } from './verdicts.ts';

/** The events after the first of `accepted`, in order of time. */
export function eventsOf(
  readings: readonly VisibleReading[],
  accepted: readonly Accepted[],
  decidedUntilUs: Micros,
  limits: Limits,
): CounterEvent[] {
  const events = accepted.flatMap((to, i) => {
    const from = accepted[i - 1];
    const event = from && eventOfStep(readings, from, to, limits);
    return event ? [event] : [];
  });
  const [last, newest] = [accepted.at(-1), readings.at(-1)];
  if (last && newest && newest.timeUs > decidedUntilUs) {
    const strayKwh = readingAfter(readings, last.acceptedUs)?.kwh ?? null;
    const span = { fromUs: last.acceptedUs, toUs: newest.timeUs, fromKwh: last.kwh, toKwh: newest.kwh };
    events.push({ kind: 'undecided', ...span, strayKwh, countedMicroKwh: 0 });
  }
  return events;
}

function eventOfStep(
  readings: readonly VisibleReading[],
  from: Accepted,
  to: Accepted,
  limits: Limits,
): CounterEvent | null {
  const span = { fromUs: from.acceptedUs, toUs: to.acceptedUs, fromKwh: from.kwh, toKwh: to.kwh };
  if (isBreak(to.step)) {
    return { kind: to.step.kind, ...span, strayKwh: null, countedMicroKwh: to.step.microKwh };
  }
  const counted = { ...span, countedMicroKwh: (to.kwh - from.kwh) * MICRO_PER_KWH };
  const next = readingAfter(readings, from.acceptedUs);
  if (to.step.kind === 'glitch') return { kind: 'glitch', ...counted, strayKwh: next?.kwh ?? null };
  if (next?.afterExcluded) return { kind: 'excluded', ...counted, strayKwh: null };
  if (isOutage(from.acceptedUs, to.acceptedUs, limits)) return { kind: 'gap', ...counted, strayKwh: null };
  return null;
}

function readingAfter(readings: readonly VisibleReading[], timeUs: Micros): VisibleReading | undefined {
  return readings[lastAtOrBefore(readings, timeUs) + 1];
}
