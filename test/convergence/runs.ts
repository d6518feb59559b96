/** Performs runs in this process. */
import { setImmediate as yieldToOthers } from 'node:timers/promises';
import pino from 'pino';
import type { Valve } from '../../scripts/simulator/fleet.ts';
import { withConnection, type Database } from '../../src/database/connection.ts';
import type { RunMode } from '../../src/database/run-lock.ts';
import { withRun, type RunEnd } from '../../src/database/runs.ts';
import { KnownError } from '../../src/domain/errors.ts';
import { US_PER_HOUR } from '../../src/domain/time.ts';
import { createHyCloud, type HyCloud } from '../../src/hycloud/client.ts';
import { backfill } from '../../src/polling/backfill.ts';
import { poll } from '../../src/polling/run.ts';
import type { Run, StepFault } from './history.ts';
import { createInjector, type OnStruck } from './injector.ts';
import type { Stage } from './stage.ts';
import type { World } from './world.ts';

/** How a run ended: with what outcome, or with which known error. */
export interface RunResult {
  mode: RunMode;
  ending: string;
}

/** Timeout of a request. A run with faults does not wait long for a silent HyCloud. A healthy run never times out. */
const FAULTY_TIMEOUT_MS = 80;
const HEALTHY_TIMEOUT_MS = 20_000;

const log = pino({ level: 'silent' });

/** Performs the run of a step. A run of two modes gives two results. */
export type Perform = (
  world: World,
  stage: Stage,
  run: Run,
  faults: readonly StepFault[],
  onStruck: OnStruck,
) => Promise<RunResult[]>;

/** In this process. Sleeping takes no real time: it only moves HyCloud's clock. */
export const performHere: Perform = (world, stage, run, faults, onStruck) =>
  Promise.all(modesOf(run).map((mode) => inProcess(world, stage, run, mode, faults, onStruck)));

/** The modes that a run performs at the same time. */
export function modesOf({ kind }: Run): RunMode[] {
  switch (kind) {
    case 'poll':
    case 'backfill':
      return [kind];
    case 'two polls':
      return ['poll', 'poll'];
    case 'poll and backfill':
      return ['poll', 'backfill'];
  }
}

async function inProcess(
  world: World,
  stage: Stage,
  run: Run,
  mode: RunMode,
  faults: readonly StepFault[],
  onStruck: OnStruck,
): Promise<RunResult> {
  const { clock } = world.hycloud;
  const deadlineMs = world.history.deadlineSeconds * 1000;
  const stop = new AbortController();
  const injector = createInjector(stage, faults, stop, onStruck);
  const stopCounting = world.hycloud.faults.add({ match: injector.onRequest, fault: { kind: 'delay', ms: 0 } });
  const machineAheadUs = faults.reduce((sum, fault) => sum + (fault.kind === 'clock' ? fault.aheadMin * 60e6 : 0), 0);
  let elapsedMs = 0;
  const hycloud = createHyCloud({
    baseUrl: world.hycloud.baseUrl,
    apiKey: world.hycloud.settings.apiKey,
    variables: { apiKey: 'API_KEY', requesterId: 'REQUESTER_ID' },
    requesterId: world.hycloud.settings.requesterId,
    userAgent: 'tasmart/test',
    maxConcurrency: world.history.maxConcurrency,
    requestsPerSecond: world.history.requestsPerSecond,
    requestTimeoutMs: faults.length > 0 ? FAULTY_TIMEOUT_MS : HEALTHY_TIMEOUT_MS,
    proxy: null,
    deadlineMs: () => deadlineMs,
    signal: stop.signal,
    now: () => elapsedMs,
    sleep: async (ms, signal) => {
      elapsedMs += ms;
      clock.advance(Math.round(ms * 1000));
      if (elapsedMs >= deadlineMs - 1000) stop.abort(); // like withDeadline of src/commands/poll/deadline.ts
      await yieldToOthers();
      signal.throwIfAborted();
    },
    random: () => 0.7,
    clockUs: () => clock.now() + machineAheadUs,
    onRetry: () => undefined,
    onSkippedProjects: () => undefined,
  });
  try {
    const options = { applicationName: 'tasmart convergence', giveUp: new AbortController().signal };
    return await withConnection(stage.settings, options, async (database) => {
      database.lost.addEventListener('abort', () => stop.abort());
      await injector.watch(database.client);
      return performMode(world, database, hycloud, run, mode);
    });
  } catch (error) {
    if (!(error instanceof KnownError)) throw error;
    return { mode, ending: error.kind };
  } finally {
    stopCounting();
    hycloud.close();
    await injector.end();
  }
}

/** Polls or backfills as the commands do, with a row in tasmart_runs. */
async function performMode(
  world: World,
  database: Database,
  hycloud: HyCloud,
  run: Run,
  mode: RunMode,
): Promise<RunResult> {
  const { history, properties } = world;
  const account = { name: '', server: world.hycloud.baseUrl, keyId: 'key' };
  const start = { account, mode, shard: null, host: 'convergence', processId: process.pid, version: 'test' };
  const valve = namedValve(world, run);
  const settings = {
    ...history,
    account,
    later: [],
    targets: targetsOf(world),
    only: valve ? [valve.id] : [],
    properties,
    intervalUs: world.intervalUs,
    catchUpUs: world.catchUpUs,
    initialHistoryUs: history.initialHistoryHours * US_PER_HOUR,
    maxPowerKw: 1500,
    shard: null,
    runDeadlineSeconds: history.deadlineSeconds,
  };
  const noProgress = { onPlan: () => undefined, onProgress: () => undefined };
  const work = () =>
    mode === 'backfill'
      ? backfill({ hycloud, database, log, ...noProgress }, { ...settings, span: spanOf(world, run) })
      : poll({ hycloud, database, log }, settings);
  const report = await withRun(database, start, work, (result) =>
    'report' in result ? runEnd(result.report.outcome, result.report) : runEnd('failed'),
  );
  return { mode, ending: report.outcome };
}

/** The end of a run for tasmart_runs. Most counts are 0: no test looks at them. */
function runEnd(outcome: RunEnd['outcome'], counts = { stored: 0, unchanged: 0 }): RunEnd {
  const { stored, unchanged } = counts;
  return { outcome, valves: 0, stored, unchanged, silent: 0, failed: 0, requests: 0, retries: 0, error: null };
}

/** The valve that a run is narrowed to, if any. */
export function namedValve({ valves }: World, run: Run): Valve | undefined {
  return 'valve' in run && run.valve !== null ? valves[run.valve] : undefined;
}

/** The span of a backfill: `fromHours` before now, and `hours` long. */
export function spanOf({ hycloud }: World, run: Run): { fromUs: number; toUs: number } {
  const { fromHours, hours } = 'fromHours' in run ? run : { fromHours: 1, hours: 1 };
  const fromUs = hycloud.clock.now() - fromHours * US_PER_HOUR;
  return { fromUs, toUs: fromUs + hours * US_PER_HOUR };
}

/** The targets of config.json: by name only in the histories that say so. */
export function targetsOf({ history, hycloud }: World) {
  const projects = history.targets === 'first' ? hycloud.projects.slice(0, 1) : hycloud.projects;
  return projects.map(({ id, name }) =>
    history.targets === 'by name'
      ? { projectId: null, projectName: name, valves: [] }
      : { projectId: id, projectName: null, valves: [] },
  );
}
