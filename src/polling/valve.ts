import type { KnownError } from '../domain/errors.ts';
import { boundaryOf, floorToGrid } from '../domain/grid.ts';
import type { PropertyName, Reading } from '../domain/reading.ts';
import { US_PER_HOUR, US_PER_MINUTE, US_PER_SECOND, type Micros } from '../domain/time.ts';
import type { Valve } from '../domain/valve.ts';
import type { HyCloud } from '../hycloud/client.ts';
import { HyCloudError } from '../hycloud/errors.ts';
import { fetchLatest, fetchRange, type Slice, type Window } from './fetch.ts';
import { planFetch, type Plan, type PlanSettings, type ValveState } from './plan.ts';
import { readingsToStore, sample, type Samples } from './sample.ts';

export interface ValveContext {
  hycloud: HyCloud;
  /** HyCloud's clock at the start of the run */
  nowUs: Micros;
  settings: PlanSettings;
  properties: readonly PropertyName[];
}

/** What one valve gave in one run. */
export interface ValveOutcome {
  valve: Valve;
  /** to be stored, by time */
  readings: readonly Reading[];
  /** the youngest point seen, stored or not */
  newest: Reading | null;
  /** everything before it is stored once `readings` are; null: unchanged */
  syncedUntilUs: Micros | null;
  /** since it was last synced, but longer ago than a run reaches back: HyCloud was not asked for it */
  unreached: { fromUs: Micros; toUs: Micros } | null;
  /** HyCloud has no point of the last interval */
  silent: boolean;
  failure: Failure | null;
}

export interface Failure {
  reason: string;
  /** what to do about it */
  remedy: string | null;
  /** the call that failed; null where HyCloud answered, but with points that make no sense */
  error: KnownError | null;
}

export const MALFORMED_REMEDY =
  'HyCloud is asked for them again in every run, until they make sense or catch_up_days have passed';

/**
 * Fetches what a valve has since it was last synced. A failure costs no more than what was not read: the rest is
 * in the outcome, and `syncedUntilUs` stays before the gap.
 *
 * @throws HyCloudError `unauthorized`: it would be the same for every valve
 */
export async function pollValve(valve: Valve, state: ValveState, context: ValveContext): Promise<ValveOutcome> {
  const plan = planFetch(state, context.nowUs, context.settings);
  const harvest = createHarvest(valve, state, plan, context);
  try {
    for await (const slice of slices(valve, plan, context)) harvest.add(slice);
    return harvest.outcome(null);
  } catch (error) {
    if (!(error instanceof HyCloudError) || error.failure === 'unauthorized') throw error;
    return harvest.outcome({ reason: error.message, remedy: error.remedy, error });
  }
}

async function* slices(valve: Valve, plan: Plan, context: ValveContext): AsyncGenerator<Slice> {
  const { hycloud, nowUs, properties } = context;
  // HyCloud's Date is rounded down to the second.
  const endUs = nowUs + US_PER_SECOND;
  const window = (fromUs: Micros, toUs: Micros): Window => ({ valve, fromUs, toUs, properties });
  const range = (fromUs: Micros) => fetchRange(hycloud, window(fromUs, endUs));
  const boundary = plan.kind === 'boundary' ? await fetchLatest(hycloud, window(plan.fromUs, plan.boundaryUs)) : null;
  if (plan.kind === 'range' || (plan.kind === 'boundary' && !boundary)) {
    yield* range(plan.fromUs);
    return;
  }
  if (boundary) yield boundary;
  const boundaryReading = boundary?.points[0];
  // Whatever came since would be less than a minute younger.
  if (boundaryReading && endUs - boundaryReading.timeUs < US_PER_MINUTE) return;
  const fromUs = plan.kind === 'boundary' ? plan.boundaryUs : plan.fromUs;
  const newest = await fetchLatest(hycloud, window(fromUs, endUs));
  if (newest) yield newest;
  else yield* range(Math.max(fromUs, nowUs - US_PER_HOUR));
}

interface Harvest {
  add: (slice: Slice) => void;
  outcome: (failure: Failure | null) => ValveOutcome;
}

function createHarvest(valve: Valve, state: ValveState, plan: Plan, context: ValveContext): Harvest {
  const { intervalUs } = context.settings;
  const lastBoundaryUs = floorToGrid(context.nowUs, intervalUs);
  let samples: Samples = new Map();
  let newest: Reading | null = null;
  let malformedCount = 0;
  let malformedReason = '';
  /** everything before it was seen whole */
  let wholeUntilUs = Infinity;
  /** of all clocks that answered, the one that is least ahead */
  let clockUs = context.nowUs;
  let coveredUntilUs = plan.fromUs;

  function add(slice: Slice): void {
    samples = sample(samples, slice.points, intervalUs);
    const last = slice.points.at(-1);
    if (last && (!newest || last.timeUs > newest.timeUs)) newest = last;
    coveredUntilUs = slice.coveredUntilUs;
    // Skewed clocks among HyCloud's servers: synced is only what was over by the clock of every one that answered.
    clockUs = Math.min(clockUs, slice.serverTimeUs);
    for (const { timeUs, reason } of slice.malformed) {
      malformedCount += 1;
      malformedReason ||= reason;
      // A single point asked for, and that one makes no sense: nothing is known of its window.
      const knownUntilUs = plan.kind === 'range' && timeUs !== null ? boundaryOf(timeUs, intervalUs) - intervalUs : 0;
      wholeUntilUs = Math.min(wholeUntilUs, knownUntilUs);
    }
  }

  function syncedUntil(failure: Failure | null): Micros | null {
    // A first run that fails is where the valve's history here begins: the next one goes on from its window.
    if (plan.sinceUs === null && failure && malformedCount === 0) return lastBoundaryUs - intervalUs;
    const untilUs = Math.min(coveredUntilUs, wholeUntilUs, clockUs);
    if (plan.sinceUs === null) return untilUs === context.nowUs ? floorToGrid(untilUs, intervalUs) : null;
    // Nothing moves back; nor past the clock, where plan.sinceUs comes from one that is ahead of it.
    const reachedUs = Math.max(floorToGrid(untilUs, intervalUs), plan.sinceUs);
    return reachedUs <= Math.max(clockUs, state.syncedUntilUs ?? clockUs) ? reachedUs : null;
  }

  function unreached(): ValveOutcome['unreached'] {
    const [fromUs, toUs] = [state.syncedUntilUs, plan.sinceUs];
    return fromUs !== null && toUs !== null && fromUs < toUs ? { fromUs, toUs } : null;
  }

  return {
    add,
    outcome: (failure) => ({
      valve,
      readings: chosen(failure === null),
      newest,
      syncedUntilUs: syncedUntil(failure),
      unreached: unreached(),
      silent: failure === null && malformedCount === 0 && (newest?.timeUs ?? 0) <= context.nowUs - intervalUs,
      failure: failure ?? malformedFailure(),
    }),
  };

  function chosen(isComplete: boolean): readonly Reading[] {
    if (plan.sinceUs === null) return isComplete && newest ? [newest] : [];
    // Of a window that was read in part, the last point is not known.
    const whole = [...samples].filter(([boundaryUs]) => isComplete || boundaryUs <= coveredUntilUs);
    return readingsToStore(new Map(whole), lastBoundaryUs, state.boundaryReadingUs);
  }

  function malformedFailure(): Failure | null {
    if (malformedCount === 0) return null;
    const reason = `${malformedCount} of its points make no sense and were not stored: ${malformedReason}`;
    return { reason, remedy: MALFORMED_REMEDY, error: null };
  }
}
