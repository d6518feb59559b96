/** Fills the history of valves from HyCloud, in chunks that are stored one by one. */
import type { Logger } from 'pino';
import { loadUncovered, storeBackfill, type BackfilledSpan } from '../database/backfill.ts';
import type { Database } from '../database/connection.ts';
import { recordProjects, type Recorder } from '../database/registry.ts';
import { floorToGrid } from '../domain/grid.ts';
import type { PropertyName } from '../domain/reading.ts';
import type { Target } from '../domain/target.ts';
import { US_PER_MINUTE, US_PER_SECOND, type Span } from '../domain/time.ts';
import type { Valve } from '../domain/valve.ts';
import type { HyCloud } from '../hycloud/client.ts';
import { HyCloudError } from '../hycloud/errors.ts';
import { inBatches } from './batches.ts';
import { fetchRange, PAGE_LIMIT } from './fetch.ts';
import { sample, type Samples } from './sample.ts';
import { loadMemory } from './memory.ts';
import { outcomeOf, type PollFailure, type PollReport } from './report.ts';
import { narrow, resolveTargets } from './targets.ts';
import type { Failure } from './valve.ts';

export interface BackfillSettings extends Recorder {
  targets: readonly Target[];
  /** uuid, serial or the customer's name; empty: every targeted valve */
  only: readonly string[];
  properties: readonly PropertyName[];
  intervalMinutes: number;
  maxConcurrency: number;
  span: Span;
}

export interface BackfillDependencies {
  hycloud: HyCloud;
  database: Database;
  log: Logger;
  onPlan: (plan: BackfillPlan) => void;
  onProgress: (progress: BackfillProgress) => void;
}

/** The work of a backfill, known before it begins. */
export interface BackfillPlan {
  valves: number;
  /** one per chunk; more only if a valve sends points more often than every 15 s */
  requests: number;
  /** why there is nothing to fetch; null: there is */
  nothing: string | null;
}

export interface BackfillProgress {
  requests: number;
  /** valves with no chunk left */
  valves: number;
  stored: number;
}

/** A valve sends a point every 15 s. */
const POINT_SPACING_US = 15 * US_PER_SECOND;
/** A chunk leaves room for a few more points in its page. */
const SPARE_POINTS = 20;

const MALFORMED_REMEDY = 'HyCloud still serves these points; run it again when they are mended';

/** Chunks that arrive within this time are stored in one transaction. Short, so that a killed backfill loses little. */
const LINGER_MS = 250;

/** The part of a valve's history that one request holds. */
interface Chunk extends Span {
  valve: Valve;
  isLastOfValve: boolean;
}

/**
 * Stores the last point of every window in the span, for each valve. Works in chunks of one request. Each chunk is stored
 * together with a record that it is covered, so the next backfill continues where this one stopped.
 *
 * @throws TargetError, DatabaseError
 * @throws HyCloudError if no target can be resolved, or every other chunk would fail too
 */
export async function backfill(dependencies: BackfillDependencies, settings: BackfillSettings): Promise<PollReport> {
  const { hycloud, database, log, onPlan, onProgress } = dependencies;
  const { maxConcurrency } = settings;
  const memory = await loadMemory(database, settings.account, settings.targets);
  const resolved = await resolveTargets(hycloud, settings.targets, { memory, maxConcurrency });
  for (const warning of resolved.warnings) log.warn(warning);
  const { projects, missing, problems } = narrow(resolved, settings.only);
  await recordProjects(database, settings, resolved);
  const intervalUs = settings.intervalMinutes * US_PER_MINUTE;
  const valves = projects.flatMap((project) => project.valves);
  const nowUs = hycloud.serverTimeUs();
  const span = {
    fromUs: floorToGrid(settings.span.fromUs, intervalUs),
    toUs: floorToGrid(Math.min(settings.span.toUs, nowUs), intervalUs),
  };
  const chunks = await planChunks(database, valves, span, settings.intervalMinutes);
  const nothing = chunks.length > 0 ? null : whyNothing(valves, span);
  onPlan({ valves: chunks.filter(({ isLastOfValve }) => isLastOfValve).length, requests: chunks.length, nothing });

  const batching = { concurrency: maxConcurrency, maxBatch: 4 * maxConcurrency, lingerMs: LINGER_MS };
  const fetch = (chunk: Chunk) => fetchChunk(hycloud, chunk, settings.properties, intervalUs);
  const progress = { requests: 0, valves: 0, stored: 0 };
  /** by the id of the valve: its first failure */
  const failed = new Map<string, Failure & { valve: Valve }>();
  const changed = new Set<string>();
  let wholeChunks = 0;
  let readingsRead = 0;
  for await (const batch of inBatches(chunks, fetch, batching)) {
    const isNew = await storeBackfill(database, batch, settings.intervalMinutes);
    for (const { tasmartId, readings, chunk, failure } of batch) {
      const added = readings.filter((reading) => isNew(tasmartId, reading)).length;
      progress.stored += added;
      readingsRead += readings.length;
      if (added > 0) changed.add(tasmartId);
      if (!failure) wholeChunks += 1;
      else if (!failed.has(tasmartId)) failed.set(tasmartId, { valve: chunk.valve, ...failure });
      if (chunk.isLastOfValve) progress.valves += 1;
    }
    progress.requests += batch.length;
    onProgress({ ...progress });
  }
  const { stored } = progress;
  const unchanged = valves.filter(({ id }) => !changed.has(id) && !failed.has(id)).length;
  const nothingRead = chunks.length > 0 && wholeChunks === 0 && readingsRead === 0;
  const [firstFailure] = failed.values();
  const failures: PollFailure[] = [...problems.map((problem) => ({ valve: null, ...problem })), ...failed.values()];
  return {
    outcome: outcomeOf(failures.length, nothingRead),
    nowUs,
    valves: valves.length + problems.length,
    failures,
    stored,
    unchanged,
    silent: 0,
    skipped: null,
    error: nothingRead ? (firstFailure?.error ?? null) : null,
    missing,
  };
}

function whyNothing(valves: readonly Valve[], { fromUs, toUs }: Span): string {
  if (valves.length === 0) return 'the targets hold no valve';
  return toUs <= fromUs ? 'no interval of the span is over' : 'the whole span was fetched before (tasmart_backfills)';
}

async function planChunks(
  database: Database,
  valves: readonly Valve[],
  span: Span,
  intervalMinutes: number,
): Promise<Chunk[]> {
  if (span.toUs <= span.fromUs) return [];
  const ids = valves.map(({ id }) => id);
  const uncovered = await loadUncovered(database, ids, intervalMinutes, span);
  return valves.flatMap((valve) => {
    const gaps = uncovered.get(valve.id) ?? [];
    const pieces = gaps.flatMap((gap) => cutToPages(gap, intervalMinutes * US_PER_MINUTE));
    return pieces.map((piece, index) => ({ ...piece, valve, isLastOfValve: index === pieces.length - 1 }));
  });
}

/** Cuts a span, which begins and ends on the grid, into pieces of whole intervals that fit a page. */
export function cutToPages({ fromUs, toUs }: Span, intervalUs: number): Span[] {
  const pageUs = (PAGE_LIMIT - SPARE_POINTS) * POINT_SPACING_US;
  const stepUs = Math.max(1, Math.floor(pageUs / intervalUs)) * intervalUs;
  return Array.from({ length: Math.ceil((toUs - fromUs) / stepUs) }, (_, index) => ({
    fromUs: fromUs + index * stepUs,
    toUs: Math.min(toUs, fromUs + (index + 1) * stepUs),
  }));
}

interface FetchedChunk extends BackfilledSpan {
  chunk: Chunk;
  failure: Failure | null;
}

async function fetchChunk(
  hycloud: HyCloud,
  chunk: Chunk,
  properties: readonly PropertyName[],
  intervalUs: number,
): Promise<FetchedChunk> {
  const { valve, fromUs, toUs } = chunk;
  let samples: Samples = new Map();
  let coveredUntilUs = fromUs;
  /** the slowest clock of the HyCloud servers that answered: windows after it have not ended */
  let clockUs = toUs;
  const endWith = (failure: FetchedChunk['failure']): FetchedChunk => {
    const untilUs = floorToGrid(Math.min(coveredUntilUs, clockUs), intervalUs);
    // Omit later windows: they are incomplete, or have not ended, so their last point is unknown.
    const readings = [...samples].filter(([boundaryUs]) => boundaryUs <= untilUs).map(([, reading]) => reading);
    const covered = failure || untilUs <= fromUs ? null : { fromUs, toUs: untilUs };
    return { chunk, tasmartId: valve.id, readings, covered, failure };
  };
  try {
    let malformedReason = '';
    for await (const slice of fetchRange(hycloud, { valve, fromUs, toUs, properties })) {
      samples = sample(samples, slice.points, intervalUs);
      coveredUntilUs = slice.coveredUntilUs;
      clockUs = Math.min(clockUs, slice.serverTimeUs);
      malformedReason ||= slice.malformed[0]?.reason ?? '';
    }
    if (!malformedReason) return endWith(null);
    const reason = `points that make no sense were not stored: ${malformedReason}`;
    return endWith({ reason, remedy: MALFORMED_REMEDY, error: null });
  } catch (error) {
    if (!(error instanceof HyCloudError)) throw error;
    // Every other chunk would fail too: end here. The next backfill continues.
    if (['unauthorized', 'rate-limited', 'aborted'].includes(error.failure)) throw error;
    return endWith({ reason: error.message, remedy: error.remedy, error });
  }
}
