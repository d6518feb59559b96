/** Polls one valve of a HyCloud in memory. Times of the day are texts. */
import type { Reading } from '../../src/domain/reading.ts';
import { formatRfc3339, US_PER_DAY, US_PER_MINUTE, US_PER_SECOND, type Micros } from '../../src/domain/time.ts';
import { UNKNOWN_VALVE, type PlanSettings } from '../../src/polling/plan.ts';
import { pollValve } from '../../src/polling/valve.ts';
import { at, fakeHyCloud, reading, VALVE, type FakeHyCloud, type Quirks } from './builder.ts';

const SETTINGS: PlanSettings = { intervalUs: 15 * US_PER_MINUTE, catchUpUs: 30 * US_PER_DAY, initialHistoryUs: 0 };

interface Case {
  now: string;
  synced?: string | null;
  boundaryReading?: string;
  settings?: Partial<PlanSettings>;
}

/** Polls VALVE once. */
export async function poll(hycloud: FakeHyCloud, { now, synced = null, boundaryReading, settings = {} }: Case) {
  const state = {
    ...UNKNOWN_VALVE,
    syncedUntilUs: synced === null ? null : at(synced),
    newestReadingUs: synced === null ? null : at(synced),
    boundaryReadingUs: boundaryReading === undefined ? null : at(boundaryReading),
  };
  const outcome = await pollValve(VALVE, state, {
    hycloud,
    nowUs: at(now),
    settings: { ...SETTINGS, ...settings },
    properties: ['measured_flow'],
  });
  return {
    ...outcome,
    readings: outcome.readings.map(({ timeUs }) => timeOfDay(timeUs)),
    newest: outcome.newest && timeOfDay(outcome.newest.timeUs),
    synced: outcome.syncedUntilUs === null ? null : timeOfDay(outcome.syncedUntilUs),
    failed: outcome.failure?.reason ?? null,
    requests: hycloud.asked.length,
  };
}

/** The inverse of `at`: `10:14:58.535091`, or without a fraction of zero. */
function timeOfDay(timeUs: Micros): string {
  return formatRfc3339(timeUs).slice(11, 26).replace('.000000', '');
}

/** A HyCloud with those of the points that have come by `now`. Its clock has whole seconds, like the Date header. */
export function server(points: readonly Reading[], quirks: Partial<Quirks> & { now: string }): FakeHyCloud {
  return fakeHyCloud(
    points.filter(({ timeUs }) => timeUs <= at(quirks.now)),
    { clocksUs: [Math.floor(at(quirks.now) / US_PER_SECOND) * US_PER_SECOND], ...quirks },
  );
}

/** A point every 15 s from 06:00:13 on. */
export const DAY = Array.from({ length: 4000 }, (_, n) => reading(at('06:00:13') + n * 15 * US_PER_SECOND, n));
