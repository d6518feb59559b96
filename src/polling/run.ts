import type { Logger } from 'pino';
import type { Database } from '../database/connection.ts';
import { countRegistered, loadKnownProjects, recordProjects } from '../database/registry.ts';
import { storeReadings, type IsNew } from '../database/repository.ts';
import type { KnownError } from '../domain/errors.ts';
import { floorToGrid } from '../domain/grid.ts';
import type { PropertyName } from '../domain/reading.ts';
import type { Shard } from '../domain/shard.ts';
import type { Target } from '../domain/target.ts';
import { count, printable } from '../domain/text.ts';
import type { Micros } from '../domain/time.ts';
import type { Project } from '../domain/valve.ts';
import type { HyCloud } from '../hycloud/client.ts';
import { HyCloudError } from '../hycloud/errors.ts';
import { latestOf } from '../hycloud/points.ts';
import { inBatches } from './batches.ts';
import { overload } from './pace.ts';
import type { PlanSettings } from './plan.ts';
import type { PolledValve, PollReport } from './report.ts';
import { pickShard } from './shard.ts';
import { createTally } from './tally.ts';
import { namesOf, narrow, resolveTargets, type KnownProjects, type TargetProblem } from './targets.ts';
import { createUnreached } from './unreached.ts';
import { pollValve, type ValveContext, type ValveOutcome } from './valve.ts';
import { queue, type Work } from './work.ts';

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
  /** told of the valves as they are done with; what was read of them is stored by then, and the run lets go of it */
  onPolled?: (valves: readonly PolledValve[], nowUs: Micros) => void;
}

/** Readings are stored together as they come: few round trips, and the first rows are in before the last are read. */
const MAX_BATCH = 5000;
const LINGER_MS = 250;

/**
 * One run: resolves the targets to valves, fetches what each has since it was last synced, stores it.
 *
 * @throws TargetError, HyCloudError where nothing could be begun or the credentials are refused, DatabaseError
 */
export async function poll(dependencies: PollDependencies, settings: PollSettings): Promise<PollReport> {
  const { hycloud, database, log, onPolled } = dependencies;
  const { work, problems, nowUs, registered } = await prepare(dependencies, settings);
  const context: ValveContext = { hycloud, nowUs, settings, properties: settings.properties };
  const tally = createTally(problems);
  const unreached = createUnreached();
  const batching = { concurrency: settings.maxConcurrency, maxBatch: MAX_BATCH, lingerMs: LINGER_MS, sizeOf };
  try {
    for await (const batch of inBatches(work, ({ valve, state }) => pollValve(valve, state, context), batching)) {
      await registered;
      const isNew = database ? await store(database, batch) : () => true;
      unreached.add(batch);
      const polled = batch.map((outcome) => polledValve(outcome, isNew));
      tally.add(batch, polled);
      onPolled?.(polled, nowUs);
    }
  } finally {
    // However it ends: what is said to the database next would be said in the middle of that transaction.
    await Promise.allSettled([registered]);
  }
  await registered;
  unreached.warn(log);
  return { nowUs, ...tally.result() };
}

interface Prepared {
  work: Iterable<Work>;
  /** why a part of the targets could not be resolved */
  problems: readonly TargetProblem[];
  /** HyCloud's clock */
  nowUs: Micros;
  /** The valves are in the registry. Until then they can be read, but nothing of them stored. */
  registered: Promise<void>;
}

async function prepare({ hycloud, database, log }: PollDependencies, settings: PollSettings): Promise<Prepared> {
  const known: KnownProjects = database ? await loadKnownProjects(database, namesOf(settings.targets)) : new Map();
  const resolved = await resolveTargets(hycloud, settings.targets, { known, maxConcurrency: settings.maxConcurrency });
  for (const rename of resolved.renames) log.warn(rename);
  const projects = pickShard(narrow(resolved, settings.only), settings.shard);
  const nowUs = hycloud.serverTimeUs();
  const valves = projects.flatMap((project) => project.valves);
  const tooMany = overload(valves.length, settings);
  if (tooMany) log.warn({ valves: valves.length, ...tooMany }, 'polling every valve takes longer than there is time');
  log.info({ valves: valves.length, projects: projects.length, requests: hycloud.stats.requests }, 'targets resolved');
  const toUs = floorToGrid(nowUs, settings.intervalUs);
  const work = await queue(database, valves, { fromUs: toUs - settings.intervalUs, toUs }, latestOf(nowUs));
  if (database) await warnOfEmptied(database, resolved.projects, log);
  // Narrowed or not: that a valve is no longer listed is told by its project being seen without it.
  const registered = database ? recordProjects(database, resolved.projects, resolved.named) : Promise.resolve();
  registered.catch(() => undefined); // told to whoever waits for it
  return { work, problems: settings.only.length > 0 ? [] : resolved.problems, nowUs, registered };
}

/** A project without valves is one that awaits them, unless it has had some: then its readings end without a word. */
async function warnOfEmptied(database: Database, projects: readonly Project[], log: Logger): Promise<void> {
  const empty = projects.filter(({ valves }) => valves.length === 0);
  const counts = await countRegistered(
    database,
    empty.map(({ id }) => id),
  );
  for (const { id, name } of empty) {
    const valves = counts.get(id);
    if (valves === undefined) continue;
    const remedy = 'look into HyCloud; if that is meant, take the project out of config.json';
    log.warn({ remedy }, `project "${printable(name)}" lists no valves; before, it had ${count(valves, 'valve')}`);
  }
}

/** What an outcome takes of a batch. */
function sizeOf({ readings }: ValveOutcome): number {
  return Math.max(1, readings.length);
}

async function store(database: Database, batch: readonly ValveOutcome[]): Promise<IsNew> {
  const tried = batch.filter(({ failure, readings }) => readings.length > 0 || !hadNoTurn(failure?.error ?? null));
  return storeReadings(
    database,
    tried.map(({ valve, readings, syncedUntilUs }) => ({ tasmartId: valve.id, readings, syncedUntilUs })),
  );
}

/** The run was over before the valve had its turn. */
function hadNoTurn(error: KnownError | null): boolean {
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
