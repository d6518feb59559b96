/**
 * The faults of a real installation, in the history of simulated valves. They hang on the calendar alone, so a history
 * stays the same however often the simulator is started.
 */
import { US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, type Micros } from '../../src/domain/time.ts';
import type { CraftedPoint, TimeRange, Valve } from './fleet.ts';

/** Days around now that get their faults. */
const PAST_DAYS = 400;
const COMING_DAYS = 60;

/** Changes the first five valves, each in its own way, so that any thirty days hold some of each. */
export function blemish(valves: readonly Valve[], nowUs: Micros): void {
  const today = Math.floor(nowUs / US_PER_DAY);
  const every = (days: number): Micros[] =>
    Array.from({ length: PAST_DAYS + COMING_DAYS }, (_, index) => today - PAST_DAYS + index)
      .filter((day) => day % days === 0)
      .map((day) => day * US_PER_DAY);
  const [offline, jumpy, renewed, partial, faulty] = valves;
  if (offline) {
    // Its network is away for some hours.
    offline.outages = every(5).map((dayUs) => ({ fromUs: dayUs + 2 * US_PER_HOUR, toUs: dayUs + 8.5 * US_PER_HOUR }));
  }
  if (jumpy) {
    // Its counter shows nonsense for forty minutes.
    jumpy.counterJumps = every(9).map((dayUs) => {
      return {
        regime: 1,
        fromUs: dayUs + 10 * US_PER_HOUR,
        toUs: dayUs + 10 * US_PER_HOUR + 40 * US_PER_MINUTE,
        kwh: 0,
      };
    });
  }
  if (renewed) {
    // It is exchanged, and the new one counts from zero.
    renewed.counterJumps = every(25).map((dayUs) => ({ regime: 1, fromUs: dayUs + 13 * US_PER_HOUR, kwh: 0 }));
  }
  if (partial) {
    // Flow and power are missing for an afternoon; the counter counts on.
    partial.absences = every(4).flatMap((dayUs) => {
      const during = { fromUs: dayUs + 14 * US_PER_HOUR, toUs: dayUs + 18 * US_PER_HOUR };
      return (['measured_flow', 'measured_power'] as const).map(
        (property) => ({ property, as: 'null', during }) as const,
      );
    });
  }
  if (faulty) {
    // It is switched off over the weekend, sometimes.
    faulty.outages = every(14).map((dayUs) => ({ fromUs: dayUs, toUs: dayUs + 2 * US_PER_DAY }));
  }
}

/** A point a minute in the place of four: a month of history is read in a quarter of the time. */
export function sendEachMinute(valve: Valve): void {
  valve.pointsInstead = (fromUs, toUs) => {
    const points: CraftedPoint[] = [];
    const first = Math.ceil((Math.max(fromUs, valve.installedUs) - valve.phaseUs) / US_PER_MINUTE);
    for (let timeUs = first * US_PER_MINUTE + valve.phaseUs; timeUs <= toUs; timeUs += US_PER_MINUTE) {
      if (!valve.outages.some((outage) => isIn(outage, timeUs))) points.push({ timeUs });
    }
    return points;
  };
}

function isIn({ fromUs, toUs }: TimeRange, timeUs: Micros): boolean {
  return timeUs >= fromUs && timeUs < toUs;
}
