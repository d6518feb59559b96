/**
 * Faults of a real installation, in the history of simulated valves. They depend only on the calendar, so the history is the
 * same each time the simulator starts.
 */
import { US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, type Micros } from '../../src/domain/time.ts';
import type { Absence, Valve } from './fleet.ts';

/** Faults are added to these days before and after now. */
const PAST_DAYS = 400;
const COMING_DAYS = 60;

/** Gives each of the first five valves a fault of its own, so often that any 30 days hold all of them. */
export function addFaults(valves: readonly Valve[], nowUs: Micros): void {
  const firstDay = Math.floor(nowUs / US_PER_DAY) - PAST_DAYS;
  const every = (days: number): Micros[] =>
    Array.from({ length: PAST_DAYS + COMING_DAYS }, (_, index) => firstDay + index)
      .filter((day) => day % days === 0)
      .map((day) => day * US_PER_DAY);
  const [offline, jumpy, replaced, partial, switchedOff] = valves;
  if (offline) {
    // Its network fails for some hours.
    offline.outages = every(5).map((dayUs) => ({ fromUs: dayUs + 2 * US_PER_HOUR, toUs: dayUs + 8.5 * US_PER_HOUR }));
  }
  if (jumpy) {
    // Its counter shows 0 for 40 minutes.
    jumpy.counterJumps = every(9).map((dayUs) => {
      const fromUs = dayUs + 10 * US_PER_HOUR;
      return { regime: 1, fromUs, toUs: fromUs + 40 * US_PER_MINUTE, kwh: 0 };
    });
  }
  if (replaced) {
    // A new valve takes its place, and counts from 0.
    replaced.counterJumps = every(25).map((dayUs) => ({ regime: 1, fromUs: dayUs + 13 * US_PER_HOUR, kwh: 0 }));
  }
  if (partial) {
    // Flow and power are missing for an afternoon; the counter counts on.
    partial.absences = every(4).flatMap((dayUs): Absence[] => {
      const during = { fromUs: dayUs + 14 * US_PER_HOUR, toUs: dayUs + 18 * US_PER_HOUR };
      return [
        { property: 'measured_flow', as: 'null', during },
        { property: 'measured_power', as: 'null', during },
      ];
    });
  }
  if (switchedOff) {
    // It is switched off for two days every other week.
    switchedOff.outages = every(14).map((dayUs) => ({ fromUs: dayUs, toUs: dayUs + 2 * US_PER_DAY }));
  }
}

/** One point a minute instead of four, so that a month of history is read faster. */
export function sendEachMinute(valve: Valve): void {
  valve.everyUs = US_PER_MINUTE;
}
