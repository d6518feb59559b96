import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Config, Section } from '../config/config.ts';
import { requireConfig } from '../config/parse.ts';
import type { Database } from '../database/connection.ts';
import { withDatabase } from '../database/open.ts';
import { withRunLock, type RunEnd } from '../database/runs.ts';
import { KnownError } from '../domain/errors.ts';
import { parseShard, type Shard } from '../domain/shard.ts';
import { count } from '../domain/text.ts';
import { US_PER_DAY, US_PER_HOUR, US_PER_MINUTE } from '../domain/time.ts';
import type { HyCloudStats } from '../hycloud/client.ts';
import { shardPace } from '../polling/pace.ts';
import { storedOf, type PollReport } from '../polling/report.ts';
import { poll, type PollDependencies, type PollSettings } from '../polling/run.ts';
import type { SeenValve } from '../reporting/metrics.ts';
import { pollFormat, runFields, type PollFormat, type PollSummary } from '../reporting/poll.ts';
import type { CommandContext, OutputFormat } from './context.ts';
import { pollStatus } from './exit-status.ts';
import { warnOfFailures } from './failures.ts';
import { withHealthcheck } from './healthcheck.ts';
import { withHyCloud, type Limits } from './hycloud.ts';
import { createLog } from './log.ts';
import { withMetrics } from './metrics.ts';
import { write } from './output.ts';
import { OPEN_OPTIONS } from './package.ts';
import { withRecordedRun } from './recorded-run.ts';
import { readConfig } from './settings.ts';

export interface PollOptions {
  dryRun?: boolean;
  valve?: string[];
  /** `i/n` */
  shard?: string;
  format: OutputFormat;
}

/** `tasmart poll`: one run. Returns the exit status. */
export async function run(options: PollOptions, context: CommandContext): Promise<number> {
  const log = await createLog(context.globals);
  const dryRun = options.dryRun ?? false;
  const shard = givenShard(options.shard);
  const parsed = await readConfig(context.globals, log);
  const healthcheckUrl = dryRun ? null : parsed.config.healthcheckUrl;
  return withHealthcheck(healthcheckUrl, { signal: context.signal, log }, async (begun) => {
    const config = requireConfig(parsed, sections(dryRun, shard !== null));
    if (!dryRun) await startLater(config, context.signal, log);
    const startedMs = performance.now();
    const limits = withDeadline(context, startedMs, config.runDeadlineSeconds);
    const settings = pollSettings(config, options.valve ?? [], shard ?? config.shard);
    const { timezone, properties } = config;
    const output = pollFormat(options.format, { timezone, properties, dryRun });
    const run: Run = { config, settings, limits, signal: context.signal, startedMs, output, log };
    const summary = await (dryRun ? pollOnly(run) : pollAndStore(run, begun));
    for (const text of output.text(summary)) await write(text);
    logSummary(summary, log);
    return { status: pollStatus(summary.report), text: describe(summary) };
  });
}

/** @throws KnownError exit 64 */
function givenShard(text: string | undefined): Shard | null {
  const shard = text === undefined ? null : parseShard(text);
  if (text === undefined || shard !== null) return shard;
  throw new KnownError('usage', `--shard ${text} is no part of the valves`, { remedy: 'write 1/4, 2/4, 3/4 or 4/4' });
}

/** What the command line says of shards stands above the environment. */
function sections(dryRun: boolean, isShardGiven: boolean): Section[] {
  return [
    'targets',
    'hycloud',
    ...(dryRun ? [] : (['database'] as const)),
    ...(isShardGiven ? [] : (['shard'] as const)),
  ];
}

/** So that not every installation asks HyCloud in the same second. */
async function startLater({ startJitterSeconds }: Config, signal: AbortSignal, log: Logger): Promise<void> {
  if (startJitterSeconds === 0) return;
  const seconds = Math.random() * startJitterSeconds;
  log.info({ seconds: Math.round(seconds) }, 'waiting before the start (start_jitter_seconds)');
  await delay(seconds * 1000, undefined, { signal });
}

interface Run {
  config: Config;
  settings: PollSettings;
  limits: PollLimits;
  /** the user's alone, unlike that of `limits` */
  signal: AbortSignal;
  startedMs: number;
  output: PollFormat;
  log: Logger;
}

async function pollOnly({ config, settings, limits, startedMs, output, log }: Run): Promise<PollSummary> {
  return withHyCloud(paced(config, settings), limits, log, async (hycloud) => {
    const report = await poll({ hycloud, database: null, log, onPolled: output.add }, settings);
    return { report, dryRun: true, ...hycloud.stats, seconds: secondsSince(startedMs) };
  });
}

/** `begun` is called once nothing else keeps the run from beginning. */
async function pollAndStore(
  { config, settings, limits, signal, startedMs, output, log }: Run,
  begun: () => void,
): Promise<PollSummary> {
  let stats: HyCloudStats = { requests: 0, retries: 0 };
  const seen: SeenValve[] = [];
  const onPolled: PollDependencies['onPolled'] = (valves, nowUs) => {
    output.add(valves, nowUs);
    if (config.metricsFile !== null) for (const { valve, newest } of valves) seen.push({ valve, newest });
  };
  const read = (database: Database) => {
    begun();
    // What is read when the session is lost could not be stored.
    const stop = AbortSignal.any([limits.signal, database.lost]);
    return withHyCloud(paced(config, settings), { ...limits, signal: stop }, log, async (hycloud) => {
      ({ stats } = hycloud);
      const report = await storeRun({ hycloud, database, log, onPolled }, settings, signal);
      return { report, dryRun: false, ...stats, seconds: secondsSince(startedMs) };
    });
  };
  const isNarrowed = settings.only.length > 0;
  return withMetrics(
    { file: config.metricsFile, shard: settings.shard, startedMs, isNarrowed, signal, log },
    () => stats,
    seen,
    () =>
      withDatabase(config.database, { ...OPEN_OPTIONS, giveUp: limits.giveUp }, (database) =>
        withRunLock(database, { mode: 'poll', shard: settings.shard }, () => read(database)),
      ),
  );
}

function paced(config: Config, { shard }: PollSettings): Config {
  return { ...config, requestsPerSecond: shardPace(config.requestsPerSecond, shard) };
}

function secondsSince(startedMs: number): number {
  return (performance.now() - startedMs) / 1000;
}

interface PollLimits extends Limits {
  giveUp: AbortSignal;
}

/**
 * Stops at a signal, or before the deadline with some time to spare for storing what was read; at the deadline itself,
 * what still waits for the database is given up.
 */
function withDeadline(
  { signal, giveUp }: Pick<CommandContext, 'signal' | 'giveUp'>,
  startedMs: number,
  deadlineSeconds: number,
): PollLimits {
  const deadlineMs = startedMs + deadlineSeconds * 1000;
  const spareMs = 1000 * Math.min(deadlineSeconds / 2, Math.max(1, deadlineSeconds / 20));
  const overrun = new KnownError('database', `the database kept the run until its deadline (${deadlineSeconds} s)`, {
    remedy: 'look for locks and load (pg_locks, pg_stat_activity); the next run will catch up',
  });
  return {
    signal: AbortSignal.any([signal, abortedAt(deadlineMs - spareMs)]),
    giveUp: AbortSignal.any([giveUp, abortedAt(deadlineMs, overrun)]),
    deadlineMs: () => deadlineMs,
  };
}

function abortedAt(timeMs: number, reason?: KnownError): AbortSignal {
  const abort = new AbortController();
  setTimeout(() => abort.abort(reason), timeMs - performance.now()).unref();
  return abort.signal;
}

function pollSettings(config: Config, only: readonly string[], shard: Shard | null): PollSettings {
  return {
    targets: config.targets,
    only,
    shard,
    properties: config.properties,
    maxConcurrency: config.maxConcurrency,
    requestsPerSecond: config.requestsPerSecond,
    runDeadlineSeconds: config.runDeadlineSeconds,
    intervalUs: config.intervalMinutes * US_PER_MINUTE,
    catchUpUs: config.catchUpDays * US_PER_DAY,
    initialHistoryUs: config.initialHistoryHours * US_PER_HOUR,
  };
}

async function storeRun(
  dependencies: PollDependencies & { database: Database },
  settings: PollSettings,
  signal: AbortSignal,
): Promise<PollReport> {
  const { hycloud, database } = dependencies;
  const describe = (report: PollReport): Omit<RunEnd, 'requests' | 'retries'> => ({
    valves: report.valves,
    stored: report.stored,
    unchanged: report.unchanged,
    silent: report.silent,
    failed: report.failures.length,
    outcome: signal.aborted && report.failures.length > 0 ? 'interrupted' : report.outcome,
    error: report.failures[0]?.reason ?? null,
  });
  let stored = 0;
  const onPolled: PollDependencies['onPolled'] = (valves, nowUs) => {
    for (const valve of valves) stored += storedOf(valve);
    dependencies.onPolled?.(valves, nowUs);
  };
  const work = () => poll({ ...dependencies, onPolled }, settings);
  const kind = { mode: 'poll', shard: settings.shard } as const;
  return withRecordedRun(database, kind, hycloud.stats, work, describe, { signal, stored: () => stored });
}

function logSummary(summary: PollSummary, log: Logger): void {
  warnOfFailures(summary.report.failures, 'other valves failed too: "tasmart status" lists them', log);
  log.info(runFields(summary), 'run finished');
}

/** For the monitor, which is somebody else's: counts alone. */
function describe({ report, requests, retries }: PollSummary): string {
  const { outcome, valves, stored, silent, failures } = report;
  return `${outcome}: ${count(valves, 'valve')}, ${count(stored, 'reading')} stored, ${silent} silent, ${failures.length} failed, ${count(requests, 'request')}, ${count(retries, 'retry', 'retries')}`;
}
