/** One poll of one account: finds its valves, reads them, and stores the readings and their kWh. */
import type { Logger } from 'pino';
import type { Database } from '../database/connection.ts';
import { loadSharedRegisters } from '../database/links.ts';
import { countRegistered } from '../database/projects.ts';
import { recordProjects, type Recorder } from '../database/registry.ts';
import { loadSyncStates, storeReadings, type SyncState } from '../database/repository.ts';
import type { KnownError } from '../domain/errors.ts';
import { floorToGrid } from '../domain/grid.ts';
import type { PropertyName, Reading } from '../domain/reading.ts';
import type { Shard } from '../domain/shard.ts';
import type { Target } from '../domain/target.ts';
import { count, escapeAndCut } from '../domain/text.ts';
import type { Micros } from '../domain/time.ts';
import type { Project, Valve } from '../domain/valve.ts';
import { judgeInStep } from '../energy/bookkeeping.ts';
import type { Limits } from '../domain/energy.ts';
import type { HyCloud } from '../hycloud/client.ts';
import { HyCloudError } from '../hycloud/errors.ts';
import { latestPossible } from '../hycloud/points.ts';
import { inBatches } from './batches.ts';
import { createClaims, type Claims } from './claims.ts';
import { findOverload } from './pace.ts';
import { UNKNOWN_VALVE, type PlanSettings } from './plan.ts';
import { createReport, type PolledValve, type PollReport } from './report.ts';
import { pickShard } from './shard.ts';
import { loadMemory, NO_MEMORY } from './memory.ts';
import { narrow, resolveTargets, type Narrowed, type ResolvedTargets } from './targets.ts';
import { pollValve, type ValveContext, type ValveOutcome } from './valve.ts';

export interface PollSettings extends PlanSettings, Recorder, Limits {
  targets: readonly Target[];
  /** uuid, serial or the customer's name; empty: every targeted valve */
  only: readonly string[];
  /** null: all of them */
  shard: Shard | null;
  properties: readonly PropertyName[];
  maxConcurrency: number;
  /** of all shards together */
  requestsPerSecond: number;
  runDeadlineSeconds: number;
}

export interface PollDependencies {
  hycloud: HyCloud;
  /** null: a dry run */
  database: Database | null;
  log: Logger;
  /** Shared by all accounts of a run, so that a valve is read once. By default, there are no other accounts. */
  claims?: Claims;
  /** Called once per batch, after the batch is stored. The run keeps nothing of it. */
  onPolled?: (valves: readonly PolledValve[], nowUs: Micros) => void;
}

/** Readings are stored in batches while others are still read. A batch ends at MAX_BATCH readings or after LINGER_MS. */
const MAX_BATCH = 500;
const LINGER_MS = 250;

/** A valve to poll, and what the database knows of it. */
export interface Job {
  valve: Valve;
  state: SyncState;
}

/**
 * Resolves the targets to valves, fetches each valve's points since it was last synced, and stores the readings.
 *
 * @throws TargetError, DatabaseError
 * @throws HyCloudError if no target can be resolved, or the credentials are refused
 */
export async function poll(dependencies: PollDependencies, settings: PollSettings): Promise<PollReport> {
  const { hycloud, database, log, onPolled, claims = createClaims()() } = dependencies;
  const { resolved, narrowed, valves, nowUs } = await findValves(dependencies, settings);
  if (database) {
    await recordProjects(database, settings, resolved);
    await warnOfSharedRegisters(database, settings, log);
  }
  const jobs = await planJobs(database, valves, nowUs, settings.intervalUs);
  const context: ValveContext = { hycloud, nowUs, settings, properties: settings.properties };
  const report = createReport(nowUs, narrowed.problems, narrowed.missing);
  const batching = { concurrency: settings.maxConcurrency, maxBatch: MAX_BATCH, lingerMs: LINGER_MS, sizeOf };
  /** null: not ours to read, see Claims */
  const read = async ({ valve, state }: Job) =>
    (await claims.claim(valve.id)) ? pollValve(valve, state, context) : null;
  try {
    for await (const results of inBatches(freeFirst(jobs, claims), read, batching)) {
      const batch = results.filter((result) => result !== null);
      const polled = database ? await storeBatch(database, batch, settings) : batch.map(markAllStored);
      for (const { valve, failure } of polled) claims.release(valve.id, failure === null);
      report.add(polled);
      onPolled?.(polled, nowUs);
    }
  } finally {
    claims.end();
  }
  return report.result();
}

/** The jobs, those last whose valves another account is reading: so no other valve waits for that account. */
function* freeFirst(jobs: readonly Job[], claims: Claims): Generator<Job> {
  const busy: Job[] = [];
  for (const job of jobs) {
    if (claims.isFree(job.valve.id)) yield job;
    else busy.push(job);
  }
  yield* busy;
}

/** Finds the valves to poll. Warns about projects and the pace. `nowUs` is HyCloud's clock after that. */
async function findValves(
  { hycloud, database, log }: PollDependencies,
  settings: PollSettings,
): Promise<{ resolved: ResolvedTargets; narrowed: Narrowed; valves: Valve[]; nowUs: Micros }> {
  const { targets, maxConcurrency, only, shard } = settings;
  const memory = database ? await loadMemory(database, settings.account, targets) : NO_MEMORY;
  const resolved = await resolveTargets(hycloud, targets, { memory, maxConcurrency });
  for (const warning of resolved.warnings) log.warn(warning);
  if (database) await warnOfEmptied(database, resolved.listings, log);
  const narrowed = narrow(resolved, only);
  const projects = pickShard(narrowed.projects, shard);
  const valves = projects.flatMap((project) => project.valves);
  const tooMany = findOverload(valves.length, settings);
  if (tooMany) log.warn({ valves: valves.length, ...tooMany }, 'polling every valve takes longer than there is time');
  log.info({ valves: valves.length, projects: projects.length, requests: hycloud.stats.requests }, 'targets resolved');
  return { resolved, narrowed, valves, nowUs: hycloud.serverTimeUs() };
}

/** The valves in order of their last attempt, oldest first. Without a database, in HyCloud's order. */
export async function planJobs(
  database: Database | null,
  valves: readonly Valve[],
  nowUs: Micros,
  intervalUs: number,
): Promise<Job[]> {
  if (!database) return valves.map((valve) => ({ valve, state: UNKNOWN_VALVE }));
  const toUs = floorToGrid(nowUs, intervalUs);
  const ids = valves.map(({ id }) => id);
  const states = await loadSyncStates(database, ids, { fromUs: toUs - intervalUs, toUs }, latestPossible(nowUs));
  return valves
    .map((valve) => ({ valve, state: states.get(valve.id) ?? UNKNOWN_VALVE }))
    .sort((a, b) => a.state.lastAttemptUs - b.state.lastAttemptUs);
}

/** Warns of projects that had valves and now list none. Otherwise their readings would end without a message. */
async function warnOfEmptied(database: Database, projects: readonly Project[], log: Logger): Promise<void> {
  const empty = projects.filter(({ valves }) => valves.length === 0);
  const ids = empty.map(({ id }) => id);
  const counts = await countRegistered(database, ids);
  for (const { id, name } of empty) {
    const valves = counts.get(id);
    if (valves === undefined) continue;
    const remedy = 'look into HyCloud; if that is meant, take the project out of config.json';
    log.warn({ remedy }, `project "${escapeAndCut(name)}" lists no valves; before, it had ${count(valves, 'valve')}`);
  }
}

/** Warns of registers with several valves: a backend would add up their kWh. */
async function warnOfSharedRegisters(database: Database, { account }: Recorder, log: Logger): Promise<void> {
  for (const { register, tasmartIds } of await loadSharedRegisters(database, account)) {
    const remedy = `take it from those that do not have it: "tasmart link <valve> --remove"`;
    log.warn({ remedy }, `register ${escapeAndCut(register)} is linked to several valves: ${tasmartIds.join(', ')}`);
  }
}

/** How much of MAX_BATCH an outcome takes. A valve without readings takes some room too. */
function sizeOf(outcome: ValveOutcome | null): number {
  return Math.max(1, outcome?.readings.length ?? 0);
}

/** For a dry run: counts every reading as stored, because all of them are printed as new. */
function markAllStored(outcome: ValveOutcome): PolledValve {
  return { ...outcome, stored: new Set(outcome.readings) };
}

/** Stores the readings and their kWh in one transaction. A valve that the run did not get to does not count as attempted. */
async function storeBatch(
  database: Database,
  batch: readonly ValveOutcome[],
  configured: Limits,
): Promise<PolledValve[]> {
  const tried = batch.filter(({ failure, readings }) => readings.length > 0 || !wasNotAsked(failure?.error ?? null));
  return database.transaction(async () => {
    const isNew = await storeReadings(
      database,
      tried.map(({ valve, readings, syncedUntilUs }) => ({ tasmartId: valve.id, readings, syncedUntilUs })),
    );
    const polled = batch.map((outcome) => ({
      ...outcome,
      stored: new Set(outcome.readings.filter((reading) => isNew(outcome.valve.id, reading))),
    }));
    const oldestStored = new Map(polled.map(({ valve, stored }): [string, Micros] => [valve.id, oldestOf(stored)]));
    await judgeInStep(database, oldestStored, configured);
    return polled;
  });
}

/** Infinity: there are no readings. */
function oldestOf(readings: Iterable<Reading>): Micros {
  let oldestUs = Infinity;
  for (const { timeUs } of readings) oldestUs = Math.min(oldestUs, timeUs);
  return oldestUs;
}

/** Whether the run ended, or HyCloud asked for a pause, before HyCloud answered for the valve: see notCalledError in retry.ts. */
function wasNotAsked(error: KnownError | null): boolean {
  if (!(error instanceof HyCloudError)) return false;
  return error.failure === 'aborted' || (error.failure === 'rate-limited' && error.status === null);
}
