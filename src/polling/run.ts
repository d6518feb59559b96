import type { Logger } from 'pino';
import type { Database } from '../database/connection.ts';
import { loadKnownProjects, recordProjects } from '../database/registry.ts';
import { loadSyncStates, storeReadings, type IsNew } from '../database/repository.ts';
import type { KnownError } from '../domain/errors.ts';
import type { PropertyName, Reading } from '../domain/reading.ts';
import type { Micros } from '../domain/time.ts';
import type { Shard } from '../domain/shard.ts';
import type { Project, Valve } from '../domain/valve.ts';
import type { HyCloud } from '../hycloud/client.ts';
import { HyCloudError } from '../hycloud/errors.ts';
import { inBatches } from './batches.ts';
import { floorToGrid } from './grid.ts';
import { overload } from './pace.ts';
import { UNKNOWN_VALVE, type PlanSettings, type ValveState } from './plan.ts';
import { pickShard } from './shard.ts';
import { namesOf, narrow, resolveTargets, type Target } from './targets.ts';
import { pollValve, type ValveContext, type ValveOutcome } from './valve.ts';

export interface PollSettings extends PlanSettings {
  targets: readonly Target[];
  /** uuid or serial; empty: every targeted valve */
  only: readonly string[];
  /** null: all of these */
  shard: Shard | null;
  properties: readonly PropertyName[];
  maxConcurrency: number;
  /** towards HyCloud, of all shards together */
  requestsPerSecond: number;
  runDeadlineSeconds: number;
}

export interface PollDependencies {
  hycloud: HyCloud;
  /** null: a dry run */
  database: Database | null;
  log: Logger;
  /** told of the readings as they are stored */
  onStored?: (readings: number) => void;
}

/** A reading and whether this run added it. */
export interface PolledReading {
  reading: Reading;
  stored: boolean;
}

export interface PolledValve {
  valve: Valve;
  readings: readonly PolledReading[];
  /** the youngest point seen, stored or not */
  newest: Reading | null;
  silent: boolean;
  failure: string | null;
  /** what to do about the failure */
  remedy: string | null;
}

export interface PollReport {
  outcome: 'success' | 'partial' | 'failed';
  /** HyCloud's clock at the start */
  nowUs: Micros;
  polled: readonly PolledValve[];
  /** what failed without being a valve that could be polled */
  problems: readonly string[];
  /** readings */
  stored: number;
  /** valves with nothing new */
  unchanged: number;
  /** valves */
  silent: number;
  /** valves */
  failed: number;
  /** why nothing at all could be read */
  error: KnownError | null;
}

/** Outcomes are stored together as they come: few round trips, and the first rows are in before the last are read. */
const MAX_BATCH = 500;
const LINGER_MS = 50;

/**
 * One run: resolves the targets to valves, fetches what each has since it was last synced, stores it.
 *
 * @throws TargetError, HyCloudError where nothing could be begun or the credentials are refused, DatabaseError
 */
export async function poll(dependencies: PollDependencies, settings: PollSettings): Promise<PollReport> {
  const { hycloud, database, log } = dependencies;
  const known = database ? await loadKnownProjects(database, namesOf(settings.targets)) : undefined;
  const resolved = await resolveTargets(hycloud, settings.targets, known);
  for (const rename of resolved.renames) log.warn(rename);
  const projects = pickShard(narrow(resolved.projects, settings.only), settings.shard);
  const nowUs = hycloud.serverTimeUs();
  // Narrowed or not: that a valve is no longer listed is told by its project being seen without it.
  if (database) await recordProjects(database, resolved.projects);
  const work = await plannedWork(database, projects, nowUs, settings);
  const tooMany = overload(work.length, settings);
  if (tooMany) log.warn({ valves: work.length, ...tooMany }, 'polling every valve takes longer than there is time');
  log.info({ valves: work.length, projects: projects.length, requests: hycloud.stats.requests }, 'targets resolved');

  const context: ValveContext = { hycloud, nowUs, settings, properties: settings.properties };
  const polled: PolledValve[] = [];
  const failures: ValveOutcome[] = [];
  const batching = { concurrency: settings.maxConcurrency, maxBatch: MAX_BATCH, lingerMs: LINGER_MS };
  for await (const batch of inBatches(work, ({ valve, state }) => pollValve(valve, state, context), batching)) {
    const isNew = database ? await store(database, batch) : () => true;
    const valves = batch.map((outcome) => polledValve(outcome, isNew));
    dependencies.onStored?.(countStored(valves));
    polled.push(...valves);
    failures.push(...batch.filter(({ failure }) => failure !== null));
  }
  return summarize(nowUs, polled, failures, settings.only.length > 0 ? [] : resolved.problems);
}

interface Work {
  valve: Valve;
  state: ValveState;
}

/** Valves that earlier runs did not reach come first. */
async function plannedWork(
  database: Database | null,
  projects: readonly Project[],
  nowUs: number,
  { intervalUs }: PollSettings,
): Promise<Work[]> {
  const valves = projects.flatMap((project) => project.valves);
  if (!database) return valves.map((valve) => ({ valve, state: UNKNOWN_VALVE }));
  const toUs = floorToGrid(nowUs, intervalUs);
  const ids = valves.map(({ id }) => id);
  const states = await loadSyncStates(database, ids, { fromUs: toUs - intervalUs, toUs });
  const lastAttempt = ({ id }: Valve) => states.get(id)?.lastAttemptUs ?? 0;
  return valves
    .sort((a, b) => lastAttempt(a) - lastAttempt(b))
    .map((valve) => ({ valve, state: states.get(valve.id) ?? UNKNOWN_VALVE }));
}

async function store(database: Database, batch: readonly ValveOutcome[]): Promise<IsNew> {
  const reached = batch.filter(({ failure, readings }) => readings.length > 0 || !isUnreached(failure?.error ?? null));
  return storeReadings(
    database,
    reached.map(({ valve, readings, syncedUntilUs }) => ({ tasmartId: valve.id, readings, syncedUntilUs })),
  );
}

/** The run was over before the valve had its turn. */
function isUnreached(error: KnownError | null): boolean {
  return error instanceof HyCloudError && error.failure === 'aborted';
}

function polledValve({ valve, readings, newest, silent, failure }: ValveOutcome, isNew: IsNew): PolledValve {
  return {
    valve,
    readings: readings.map((reading) => ({ reading, stored: isNew(valve.id, reading) })),
    newest,
    silent,
    failure: failure?.reason ?? null,
    remedy: failure?.remedy ?? null,
  };
}

function countStored(valves: readonly PolledValve[]): number {
  return valves.reduce((sum, { readings }) => sum + readings.filter(({ stored }) => stored).length, 0);
}

function isUnchanged({ readings, silent, failure }: PolledValve): boolean {
  return failure === null && !silent && !readings.some(({ stored }) => stored);
}

function summarize(
  nowUs: Micros,
  polled: readonly PolledValve[],
  failures: readonly ValveOutcome[],
  problems: readonly string[],
): PollReport {
  const readings = polled.flatMap((valve) => valve.readings);
  const failed = failures.length + problems.length;
  const errors = failures.flatMap(({ failure }) => failure?.error ?? []);
  const nothingRead = polled.length > 0 && errors.length === polled.length && readings.length === 0;
  return {
    outcome: failed === 0 ? 'success' : nothingRead ? 'failed' : 'partial',
    nowUs,
    polled,
    problems,
    stored: countStored(polled),
    unchanged: polled.filter(isUnchanged).length,
    silent: polled.filter((valve) => valve.silent).length,
    failed,
    error: nothingRead ? (errors[0] ?? null) : null,
  };
}
