/** Decides what a run asks HyCloud for, from what is stored of a valve. Pure. */
import type { SyncState } from '../database/repository.ts';
import { floorToGrid, nextBoundary } from '../domain/grid.ts';
import type { Micros } from '../domain/time.ts';

export const UNKNOWN_VALVE: SyncState = { syncedUntilUs: null, boundaryReadingUs: null, lastAttemptUs: 0 };

export interface PlanSettings {
  intervalUs: number;
  catchUpUs: number;
  initialHistoryUs: number;
}

/**
 * What to ask HyCloud for. Windows exclude their start and include their end. `fromUs` is the start of a whole window: its
 * last point counts, so it is asked for as a whole even if `sinceUs` lies within it.
 *
 * - `newest`: one point, the last after `fromUs`
 * - `boundary`: one point, the last of the one window that is due; then perhaps the newest
 * - `range`: every point after `fromUs`, in pages
 *
 * `sinceUs`: the valve is synced until here even if the request fails. null: a first run that only takes the newest point.
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
  const fromUs = firstDueUs - intervalUs;
  if (firstDueUs === lastBoundaryUs) return { kind: 'boundary', fromUs, boundaryUs: lastBoundaryUs, sinceUs };
  return { kind: 'range', fromUs, sinceUs };
}

/** Where to continue from, at most `catchUpUs` ago. A first run begins `initialHistoryUs` ago; null: with the newest point. */
function continueFrom(state: SyncState, nowUs: Micros, settings: PlanSettings): Micros | null {
  const earliest = (reachUs: number) => floorToGrid(nowUs - reachUs, settings.intervalUs);
  if (state.syncedUntilUs !== null) return Math.max(state.syncedUntilUs, earliest(settings.catchUpUs));
  return settings.initialHistoryUs > 0 ? earliest(settings.initialHistoryUs) : null;
}
