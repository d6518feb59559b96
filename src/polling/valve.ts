/** Fetches one valve's new points, and says which readings to store and how far the valve is synced. */
import type { SyncState } from '../database/repository.ts';
import type { KnownError } from '../domain/errors.ts';
import { boundaryOf, floorToGrid } from '../domain/grid.ts';
import type { PropertyName, Reading } from '../domain/reading.ts';
import { US_PER_HOUR, US_PER_SECOND, type Micros, type Span } from '../domain/time.ts';
import type { Valve } from '../domain/valve.ts';
import type { HyCloud } from '../hycloud/client.ts';
import { HyCloudError } from '../hycloud/errors.ts';
import { fetchLatest, fetchRange, type Slice, type Window } from './fetch.ts';
import { planFetch, type Plan, type PlanSettings } from './plan.ts';
import { MIN_SPACING_US, readingsToStore, sample, type Samples } from './sample.ts';

export interface ValveContext {
  hycloud: HyCloud;
  /** HyCloud's clock at the start of the run */
  nowUs: Micros;
  settings: PlanSettings;
  properties: readonly PropertyName[];
}

/** The result of polling one valve in one run. */
export interface ValveOutcome {
  valve: Valve;
  /** to be stored, by time */
  readings: readonly Reading[];
  /** the newest point seen, stored or not */
  newest: Reading | null;
  /** everything before it is stored once `readings` are; null: unchanged */
  syncedUntilUs: Micros | null;
  /** not fetched, because it is older than catch_up_days; null: nothing was skipped */
  skipped: Span | null;
  /** HyCloud has no point of the last interval; false if a failure keeps this unknown */
  silent: boolean;
  failure: Failure | null;
}

export interface Failure {
  reason: string;
  /** what to do about it */
  remedy: string | null;
  /** the error of the call; null: HyCloud has answered, but with malformed points */
  error: KnownError | null;
}

const MALFORMED_REMEDY =
  'HyCloud is asked for them again in every run, until they make sense or catch_up_days have passed';

/**
 * Fetches a valve's points since it was last synced. After a failure, the outcome holds what was read before it, and
 * `syncedUntilUs` stays before the gap: the next run fetches the rest.
 *
 * @throws HyCloudError `unauthorized`: every other valve would fail too
 */
export async function pollValve(valve: Valve, state: SyncState, context: ValveContext): Promise<ValveOutcome> {
  const plan = planFetch(state, context.nowUs, context.settings);
  const fetched = nothingFetched(plan, context);
  let failure: Failure | null = null;
  try {
    for await (const slice of fetchSlices(valve, plan, context))
      addSlice(fetched, slice, plan, context.settings.intervalUs);
  } catch (error) {
    if (!(error instanceof HyCloudError) || error.failure === 'unauthorized') throw error;
    failure = { reason: error.message, remedy: error.remedy, error };
  }
  return valveOutcome(valve, state, plan, fetched, failure, context);
}

/** Fetches what the plan asks for. Where a request for a single point does not work (see fetchLatest), fetches a range. */
async function* fetchSlices(valve: Valve, plan: Plan, context: ValveContext): AsyncGenerator<Slice, void> {
  const { hycloud, nowUs, properties } = context;
  // `nowUs` comes from HyCloud's Date header, which is rounded down to the second.
  const endUs = nowUs + US_PER_SECOND;
  const window = (fromUs: Micros, toUs: Micros): Window => ({ valve, fromUs, toUs, properties });

  if (plan.kind === 'range') return yield* allAfter(plan.fromUs);
  if (plan.kind === 'newest') return yield* newestAfter(plan.fromUs);
  const boundary = await fetchLatest(hycloud, window(plan.fromUs, plan.boundaryUs));
  if (!boundary) return yield* allAfter(plan.fromUs);
  yield boundary;
  const [boundaryReading] = boundary.points;
  // A newer point would not be stored: not worth a request.
  if (boundaryReading && endUs - boundaryReading.timeUs < MIN_SPACING_US) return;
  yield* newestAfter(plan.boundaryUs);

  function allAfter(fromUs: Micros): AsyncGenerator<Slice, void> {
    return fetchRange(hycloud, window(fromUs, endUs));
  }

  async function* newestAfter(fromUs: Micros): AsyncGenerator<Slice, void> {
    const newest = await fetchLatest(hycloud, window(fromUs, endUs));
    if (newest) yield newest;
    else yield* allAfter(Math.max(fromUs, nowUs - US_PER_HOUR));
  }
}

/** The answers for one valve, added up. */
interface Fetched {
  samples: Samples;
  newest: Reading | null;
  malformedCount: number;
  /** of the first malformed point */
  malformedReason: string;
  /** no malformed point lies before it */
  wholeUntilUs: Micros;
  /** HyCloud was asked for everything before it */
  coveredUntilUs: Micros;
  /** the slowest clock of the HyCloud servers that answered: nothing is synced past it */
  clockUs: Micros;
}

function nothingFetched(plan: Plan, { nowUs }: ValveContext): Fetched {
  return {
    samples: new Map(),
    newest: null,
    malformedCount: 0,
    malformedReason: '',
    wholeUntilUs: Infinity,
    coveredUntilUs: plan.fromUs,
    clockUs: nowUs,
  };
}

function addSlice(fetched: Fetched, slice: Slice, plan: Plan, intervalUs: number): void {
  fetched.samples = sample(fetched.samples, slice.points, intervalUs);
  const last = slice.points.at(-1);
  if (last && (!fetched.newest || last.timeUs > fetched.newest.timeUs)) fetched.newest = last;
  fetched.coveredUntilUs = slice.coveredUntilUs;
  fetched.clockUs = Math.min(fetched.clockUs, slice.serverTimeUs);
  for (const { timeUs, reason } of slice.malformed) {
    fetched.malformedCount += 1;
    fetched.malformedReason ||= reason;
    // In a range, the windows before a malformed point are whole. If only one point was asked for, or the time of the
    // malformed point is unknown, no window is whole.
    const wholeUntilUs = plan.kind === 'range' && timeUs !== null ? boundaryOf(timeUs, intervalUs) - intervalUs : 0;
    fetched.wholeUntilUs = Math.min(fetched.wholeUntilUs, wholeUntilUs);
  }
}

/** @param failure a failed call; without one, malformed points become the outcome's failure */
function valveOutcome(
  valve: Valve,
  state: SyncState,
  plan: Plan,
  fetched: Fetched,
  failure: Failure | null,
  { nowUs, settings }: ValveContext,
): ValveOutcome {
  const { newest, malformedCount } = fetched;
  const lastBoundaryUs = floorToGrid(nowUs, settings.intervalUs);
  return {
    valve,
    readings: chooseReadings(state, plan, fetched, failure, lastBoundaryUs),
    newest,
    syncedUntilUs: syncedUntil(state, plan, fetched, failure, nowUs, settings.intervalUs),
    skipped: skippedSpan(state, plan),
    silent: failure === null && malformedCount === 0 && (newest?.timeUs ?? 0) <= nowUs - settings.intervalUs,
    failure: failure ?? malformedFailure(fetched),
  };
}

function chooseReadings(
  state: SyncState,
  plan: Plan,
  { samples, newest, coveredUntilUs }: Fetched,
  failure: Failure | null,
  lastBoundaryUs: Micros,
): readonly Reading[] {
  const isFirstRun = plan.sinceUs === null;
  if (isFirstRun) return failure === null && newest ? [newest] : [];
  // After a failure, omit a window that was fetched in part: its last point is unknown. Keep a window with a malformed point:
  // only `syncedUntil` waits for that point.
  const complete = [...samples].filter(([boundaryUs]) => failure === null || boundaryUs <= coveredUntilUs);
  return readingsToStore(new Map(complete), lastBoundaryUs, state.boundaryReadingUs);
}

/** The new synced_until; null: unchanged. It never moves backwards, and never past HyCloud's clock. */
function syncedUntil(
  state: SyncState,
  plan: Plan,
  { coveredUntilUs, wholeUntilUs, clockUs, malformedCount }: Fetched,
  failure: Failure | null,
  nowUs: Micros,
  intervalUs: number,
): Micros | null {
  const lastBoundaryUs = floorToGrid(nowUs, intervalUs);
  const untilUs = Math.min(coveredUntilUs, wholeUntilUs, clockUs);
  if (plan.sinceUs === null) {
    // A failed first run fixes where the valve's history begins: the next run continues from its window.
    if (failure && malformedCount === 0) return lastBoundaryUs - intervalUs;
    // After a malformed point, or an answer of a clock behind `nowUs`, the next run is a first run again, or continues from
    // the stored reading.
    return untilUs === nowUs ? lastBoundaryUs : null;
  }
  // `sinceUs` is computed from `nowUs`, a clock that may be ahead of the clock of these answers.
  const reachedUs = Math.max(floorToGrid(untilUs, intervalUs), plan.sinceUs);
  return reachedUs <= Math.max(clockUs, state.syncedUntilUs ?? clockUs) ? reachedUs : null;
}

function skippedSpan({ syncedUntilUs }: SyncState, { sinceUs }: Plan): Span | null {
  return syncedUntilUs !== null && sinceUs !== null && syncedUntilUs < sinceUs
    ? { fromUs: syncedUntilUs, toUs: sinceUs }
    : null;
}

function malformedFailure({ malformedCount, malformedReason }: Fetched): Failure | null {
  if (malformedCount === 0) return null;
  const reason = `${malformedCount} of its points make no sense and were not stored: ${malformedReason}`;
  return { reason, remedy: MALFORMED_REMEDY, error: null };
}
