/** Decides what a run asks HyCloud for, from what is stored of a valve. Pure. */
import type { SyncState } from '../database/repository.ts';
import { boundaryOf, floorToGrid, nextBoundary } from '../domain/grid.ts';
import { US_PER_DAY, type Micros } from '../domain/time.ts';

export const UNKNOWN_VALVE: SyncState = {
  syncedUntilUs: null,
  newestReadingUs: null,
  boundaryReadingUs: null,
  lastAttemptUs: 0,
};

/** HyCloud may show points late. So windows without a point are asked for again, for this long. */
const SHOWN_LATE_US = US_PER_DAY;

export interface PlanSettings {
  intervalUs: number;
  catchUpUs: number;
  initialHistoryUs: number;
}

/**
 * What to ask HyCloud for. Windows exclude their start and include their end. `fromUs` is the start of a whole window: its
 * last point counts, so it is asked for as a whole even if `sinceUs` lies within it. After silence, it is `sinceUs` itself.
 *
 * - `newest`: one point, the last after `fromUs`
 * - `boundary`: one point, the last of the one window that is due; then perhaps the newest
 * - `range`: every point after `fromUs`, in pages
 *
 * `sinceUs`: the valve is synced at least until here, even if the request fails. null: a first run that only takes the newest
 * point.
 */
export type Plan =
  | { kind: 'newest'; fromUs: Micros; sinceUs: Micros | null }
  | { kind: 'boundary'; fromUs: Micros; boundaryUs: Micros; sinceUs: Micros }
  | { kind: 'range'; fromUs: Micros; sinceUs: Micros };

export function planFetch(state: SyncState, nowUs: Micros, settings: PlanSettings): Plan {
  const { intervalUs } = settings;
  const lastBoundaryUs = floorToGrid(nowUs, intervalUs);
  const sinceUs = continueFrom(state, nowUs, settings);
  // catch_up_days may be a fraction, an instant may not.
  if (sinceUs === null) return { kind: 'newest', fromUs: Math.floor(nowUs - settings.catchUpUs), sinceUs };
  const firstDueUs = nextBoundary(sinceUs, intervalUs);
  // No boundary is due. The request reaches back at least one interval, so that the valve does not look silent.
  if (firstDueUs > lastBoundaryUs) return { kind: 'newest', fromUs: lastBoundaryUs - intervalUs, sinceUs };
  // After silence, only later points matter. Asking for the others of that window would take a second request (see QUIET_US).
  const fromUs = Math.max(firstDueUs - intervalUs, silentSince(state, intervalUs) ?? 0);
  if (firstDueUs === lastBoundaryUs) return { kind: 'boundary', fromUs, boundaryUs: lastBoundaryUs, sinceUs };
  return { kind: 'range', fromUs, sinceUs };
}

/** Where to continue from, at most `catchUpUs` ago. A first run begins `initialHistoryUs` ago; null: with the newest point. */
function continueFrom(state: SyncState, nowUs: Micros, settings: PlanSettings): Micros | null {
  const earliest = (reachUs: number) => floorToGrid(nowUs - reachUs, settings.intervalUs);
  if (state.syncedUntilUs === null) return settings.initialHistoryUs > 0 ? earliest(settings.initialHistoryUs) : null;
  const sinceUs = silentSince(state, settings.intervalUs) ?? state.syncedUntilUs;
  return Math.max(sinceUs, earliest(settings.catchUpUs));
}

/**
 * If HyCloud had no point of whole windows after the newest reading: the time of this reading, but at most a day before
 * `synced_until`. null: the valve is in step, or has no reading of that week.
 */
function silentSince({ syncedUntilUs, newestReadingUs }: SyncState, intervalUs: number): Micros | null {
  if (syncedUntilUs === null || newestReadingUs === null) return null;
  if (boundaryOf(newestReadingUs, intervalUs) >= syncedUntilUs) return null;
  return Math.max(newestReadingUs, syncedUntilUs - SHOWN_LATE_US);
}
