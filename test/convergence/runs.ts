/** Performs the runs of a history in this process, with their faults. */
import { setImmediate as yieldToOthers } from 'node:timers/promises';
import type pg from 'pg';
import pino from 'pino';
import type { SimulatedRequest } from '../../scripts/simulator/faults.ts';
import { withConnection, type Database } from '../../src/database/connection.ts';
import type { RunMode } from '../../src/database/run-lock.ts';
import { withRun, type RunEnd } from '../../src/database/runs.ts';
import { KnownError } from '../../src/domain/errors.ts';
import { US_PER_HOUR } from '../../src/domain/time.ts';
import { createHyCloud, type HyCloud } from '../../src/hycloud/client.ts';
import { backfill } from '../../src/polling/backfill.ts';
import { poll } from '../../src/polling/run.ts';
import type { DatabaseFault, Run, StepFault } from './history.ts';
import type { Stage } from './stage.ts';
import type { World } from './world.ts';

/** How a run ended: with what outcome, or with which known error. */
export interface RunResult {
  mode: RunMode;
  ending: string;
}

export type OnStruck = (kind: string) => void;

/** Request timeouts: short in a run with faults, because HyCloud may never answer; long in a run without. */
const IMPATIENCE_MS = 80;
const PATIENCE_MS = 20_000;

const log = pino({ level: 'silent' });

/** Performs the run of a step. Calls `onStruck` for every fault that hits it. */
export type Perform = (
  world: World,
  stage: Stage,
  run: Run,
  faults: readonly StepFault[],
  onStruck: OnStruck,
) => Promise<RunResult[]>;

/** Performs runs in this process. Waiting takes no time: it advances HyCloud's clock. */
export const performHere: Perform = (world, stage, run, faults, onStruck) =>
  eachOf(run, (mode) => inProcess(world, stage, run, mode, faults, onStruck));

export async function eachOf(run: Run, one: (mode: RunMode) => Promise<RunResult>): Promise<RunResult[]> {
  switch (run.kind) {
    case 'poll':
      return [await one('poll')];
    case 'backfill':
      return [await one('backfill')];
    case 'two polls':
      return Promise.all([one('poll'), one('poll')]);
    case 'poll and backfill':
      return Promise.all([one('poll'), one('backfill')]);
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
  const perils = createPerils(stage, faults, stop, onStruck);
  const forgetRequests = world.hycloud.faults.add({ match: perils.onRequest, fault: { kind: 'delay', ms: 0 } });
  const aheadUs = faults.reduce((sum, fault) => sum + (fault.kind === 'clock' ? fault.aheadMin * 60e6 : 0), 0);
  let elapsedMs = 0;
  const hycloud = createHyCloud({
    baseUrl: world.hycloud.baseUrl,
    apiKey: world.hycloud.settings.apiKey,
    variables: { apiKey: 'API_KEY', requesterId: 'REQUESTER_ID' },
    requesterId: world.hycloud.settings.requesterId,
    userAgent: 'tasmart/test',
    maxConcurrency: world.history.maxConcurrency,
    requestsPerSecond: world.history.requestsPerSecond,
    requestTimeoutMs: faults.length > 0 ? IMPATIENCE_MS : PATIENCE_MS,
    proxy: null,
    deadlineMs: () => deadlineMs,
    signal: stop.signal,
    now: () => elapsedMs,
    sleep: async (ms, signal) => {
      elapsedMs += ms;
      clock.advance(Math.round(ms * 1000));
      if (elapsedMs >= deadlineMs - 1000) stop.abort();
      await yieldToOthers();
      signal.throwIfAborted();
    },
    random: () => 0.7,
    clockUs: () => clock.now() + aheadUs,
    onRetry: () => undefined,
  });
  try {
    const limits = { applicationName: 'tasmart convergence', giveUp: new AbortController().signal };
    return await withConnection(stage.settings, limits, async (database) => {
      database.lost.addEventListener('abort', () => stop.abort());
      await perils.watch(database.client);
      return record(world, database, hycloud, run, mode);
    });
  } catch (error) {
    if (!(error instanceof KnownError)) throw error;
    return { mode, ending: error.kind };
  } finally {
    forgetRequests();
    hycloud.close();
    await perils.end();
  }
}

async function record(world: World, database: Database, hycloud: HyCloud, run: Run, mode: RunMode): Promise<RunResult> {
  const { history, properties } = world;
  const account = { name: '', server: world.hycloud.baseUrl, keyId: 'key' };
  const start = { account, mode, shard: null, host: 'convergence', processId: process.pid, version: 'test' };
  const wanted = 'valve' in run && run.valve !== null ? world.valves[run.valve] : undefined;
  const common = {
    ...history,
    account,
    later: [],
    targets: targetsOf(world),
    only: wanted ? [wanted.id] : [],
    properties,
  };
  if (mode === 'backfill') {
    const span = spanOf(world, run);
    const nothing = { onPlan: () => undefined, onProgress: () => undefined };
    const work = () => backfill({ hycloud, database, log, ...nothing }, { ...common, span });
    const report = await withRun(database, start, work, (result) =>
      'report' in result
        ? ended(result.report.failures.size > 0 ? 'partial' : 'success', result.report)
        : ended('failed'),
    );
    return { mode, ending: report.failures.size > 0 ? 'partial' : 'success' };
  }
  const { intervalUs, catchUpUs } = world;
  const reach = {
    intervalUs,
    catchUpUs,
    initialHistoryUs: history.initialHistoryHours * US_PER_HOUR,
    maxPowerKw: 1500,
  };
  const work = () =>
    poll({ hycloud, database, log }, { ...common, ...reach, shard: null, runDeadlineSeconds: history.deadlineSeconds });
  const report = await withRun(database, start, work, (result) =>
    'report' in result ? ended(result.report.outcome, result.report) : ended('failed'),
  );
  return { mode, ending: report.outcome };
}

function ended(outcome: RunEnd['outcome'], counts = { stored: 0, unchanged: 0 }): RunEnd {
  const { stored, unchanged } = counts;
  return { outcome, valves: 0, stored, unchanged, silent: 0, failed: 0, requests: 0, retries: 0, error: null };
}

/** The span of a backfill, by HyCloud's clock. */
export function spanOf({ hycloud }: World, run: Run): { fromUs: number; toUs: number } {
  const { fromHours, hours } = 'fromHours' in run ? run : { fromHours: 1, hours: 1 };
  const fromUs = hycloud.clock.now() - fromHours * US_PER_HOUR;
  return { fromUs, toUs: fromUs + hours * US_PER_HOUR };
}

export function targetsOf({ history, hycloud }: World) {
  const projects = history.targets === 'first' ? hycloud.projects.slice(0, 1) : hycloud.projects;
  return projects.map(({ id, name }) =>
    history.targets === 'by name'
      ? { projectId: null, projectName: name, valves: [] }
      : { projectId: id, projectName: null, valves: [] },
  );
}

interface Perils {
  /** counts requests; never true, so that it changes no answer */
  onRequest: (request: SimulatedRequest) => boolean;
  watch: (client: pg.Client) => Promise<void>;
  end: () => Promise<void>;
}

type Send = (text: string, values?: unknown[]) => Promise<pg.QueryResult>;

/** Ends or disturbs a run at its n-th request or statement, as the faults say. */
function createPerils(
  { admin, rival }: Stage,
  faults: readonly StepFault[],
  stop: AbortController,
  onStruck: OnStruck,
): Perils {
  const ofDatabase = faults.filter((fault) => fault.kind === 'database');
  const ofProcess = faults.filter((fault) => fault.kind === 'process');
  let requests = 0;
  let statements = 0;
  let processId: number | null = null;
  let isLocked = false;
  let pending: Promise<unknown> = Promise.resolve();

  const terminate = () => admin.query('select pg_terminate_backend($1, 60000)', [processId]);

  async function endRunAt(on: 'request' | 'statement', count: number): Promise<void> {
    for (const { what } of ofProcess.filter((fault) => fault.on === on && fault.at === count)) {
      onStruck(`process: ${what === 'crash' ? 'gone' : 'signal'} at a ${on}`);
      stop.abort();
      if (what === 'crash') await terminate();
    }
  }

  async function strike(what: DatabaseFault, send: Send): Promise<void> {
    onStruck(`database: ${what}`);
    if (what === 'terminated') await terminate();
    else if (what === 'read-only') await send('set default_transaction_read_only = on');
    else if (what === 'full: readings') await send(`set test.full_disk = 'tasmart_data_table'`);
    else if (what === 'full: valves') await send(`set test.full_disk = 'tasmart_valves'`);
    else if (what === 'locked') {
      await send(`set lock_timeout = '20ms'`);
      await rival.query('begin');
      isLocked = true;
      await rival.query('lock table tasmart_data_table in share mode nowait').catch(() => undefined);
    }
  }

  return {
    onRequest: () => {
      pending = Promise.all([pending, endRunAt('request', requests)]);
      requests += 1;
      return false;
    },
    async watch(client) {
      const send = client.query.bind(client) as unknown as Send;
      const { rows } = (await send('select pg_backend_pid() as pid')) as pg.QueryResult<{ pid: number }>;
      processId = rows[0]?.pid ?? null;
      const watched: Send = async (text, values) => {
        const count = statements;
        statements += 1;
        await endRunAt('statement', count);
        const due = ofDatabase.filter(({ at }) => at === count);
        for (const { what } of due) await strike(what, send).catch(ignoreLostCause);
        const result = await send(text, values);
        if (!due.some(({ what }) => what === 'answer lost')) return result;
        await terminate();
        throw new Error('Connection terminated unexpectedly');
      };
      client.query = watched as unknown as typeof client.query;
    },
    async end() {
      await pending;
      if (isLocked) await rival.query('rollback');
    },
  };
}

/** Ignores that a fault cannot be set up in a lost session or a failed transaction: the run reports its own error. */
function ignoreLostCause(error: unknown): void {
  const { code } = error as { code?: unknown };
  if (typeof code === 'string' && !/^(25P02|57P|E)/.test(code)) throw error;
}
