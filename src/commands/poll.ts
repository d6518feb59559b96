import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Config, Section } from '../config/config.ts';
import { requireConfig } from '../config/parse.ts';
import { withDatabase } from '../database/open.ts';
import { withRun, type RunEnd } from '../database/runs.ts';
import { KnownError } from '../domain/errors.ts';
import { parseShard, type Shard } from '../domain/shard.ts';
import { formatRfc3339, US_PER_DAY, US_PER_HOUR, US_PER_MINUTE } from '../domain/time.ts';
import type { HyCloud, HyCloudStats } from '../hycloud/client.ts';
import { shardPace } from '../polling/pace.ts';
import type { PollReport } from '../polling/report.ts';
import { poll, type PollSettings } from '../polling/run.ts';
import { pollFormat, runFields, type PollSummary } from '../reporting/poll.ts';
import type { CommandContext, GlobalOptions, OutputFormat } from './context.ts';
import { withDeadline, type RunLimits } from './deadline.ts';
import { errorStatus, pollStatus, stopStatus } from './exit-status.ts';
import { endOfError, warnOfFailures } from './failures.ts';
import { createHealthcheck } from './healthcheck.ts';
import { withHyCloud } from './hycloud.ts';
import { judgeStored } from './judging.ts';
import { createLog } from './log.ts';
import { createMetrics } from './metrics.ts';
import { show, stdoutScreen, write } from './output.ts';
import { OPEN_OPTIONS, VERSION } from './package.ts';
import type { Ending, RunListener } from './run-listener.ts';
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
  const { signal } = context;
  const log = await createLog(context.globals);
  const dryRun = options.dryRun ?? false;
  const shard = givenShard(options.shard);
  const parsed = await readConfig(context.globals, log);
  const listeners: RunListener[] = [createHealthcheck(dryRun ? null : parsed.config.healthcheckUrl, log)];
  const cost = { requests: 0, retries: 0 };
  let startedMs = performance.now();
  const ended = async (end: Pick<Ending, 'status' | 'summary' | 'error'>) => {
    const ending = { ...end, ...cost, seconds: secondsSince(startedMs), status: stopStatus(signal) ?? end.status };
    await Promise.all(listeners.map(async (listener) => listener.ended?.(ending)));
  };
  try {
    const config = requireConfig(parsed, sections(dryRun, shard !== null));
    if (!dryRun) await startLater(config, signal, log);
    startedMs = performance.now();
    const settings = pollSettings(config, options.valve ?? [], shard ?? config.shard);
    const { timezone, properties, metricsFile } = config;
    const screen = stdoutScreen();
    const output = pollFormat(options.format, { timezone, properties, dryRun, screen });
    listeners.push({ polled: output.add });
    const isNarrowed = settings.only.length > 0;
    if (!dryRun) listeners.push(createMetrics({ file: metricsFile, shard: settings.shard, isNarrowed, log }));
    const limits = withDeadline(context, startedMs, config.runDeadlineSeconds);
    const run = { config, settings, limits, signal, globals: context.globals, cost, listeners, log };
    const report = await (dryRun ? pollOnly(run) : pollAndStore(run));
    const summary = { report, dryRun, ...cost, seconds: secondsSince(startedMs) };
    const isTable = options.format === 'table';
    for (const text of output.text(summary)) await (isTable ? show(text, screen) : write(text));
    logSummary(summary, log);
    const status = pollStatus(report);
    await ended({ status, summary, error: null });
    return status;
  } catch (error) {
    await ended({ status: errorStatus(error), summary: null, error });
    throw error;
  }
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
  limits: RunLimits;
  /** aborts only at the user's signal; that of `limits` aborts at the deadline too */
  signal: AbortSignal;
  /** set when the run ends, however it ends */
  globals: GlobalOptions;
  cost: HyCloudStats;
  listeners: readonly RunListener[];
  log: Logger;
}

async function pollOnly(run: Run): Promise<PollReport> {
  return withRunHyCloud(run, run.limits.signal, (hycloud) =>
    poll({ hycloud, database: null, log: run.log, onPolled: tellPolled(run.listeners) }, run.settings),
  );
}

async function pollAndStore(run: Run): Promise<PollReport> {
  const { config, settings, limits, signal, globals, cost, listeners, log } = run;
  let stored = 0;
  const countStored: RunListener = {
    polled: (valves) => {
      for (const valve of valves) stored += valve.stored.size;
    },
  };
  const onPolled = tellPolled([countStored, ...listeners]);
  const start = { mode: 'poll', shard: settings.shard, host: hostname(), version: VERSION } as const;
  const describe = (result: { report: PollReport } | { error: unknown }): RunEnd => ({
    ...('report' in result ? endOfReport(result.report, signal) : endOfError(result.error, signal, stored)),
    ...cost,
  });
  return withDatabase(config.database, { ...OPEN_OPTIONS, giveUp: limits.giveUp }, (database) => {
    // What is read after the session is lost could not be stored.
    const stop = AbortSignal.any([limits.signal, database.lost]);
    const work = async () => {
      for (const listener of listeners) listener.begun?.();
      const report = await withRunHyCloud(run, stop, (hycloud) => poll({ hycloud, database, log, onPolled }, settings));
      await judgeStored(database, config, log, { globals, signal: stop });
      return report;
    };
    return withRun(database, start, work, describe);
  });
}

async function withRunHyCloud<T>(
  { config, settings, limits, cost, log }: Run,
  signal: AbortSignal,
  use: (hycloud: HyCloud) => Promise<T>,
): Promise<T> {
  return withHyCloud(paced(config, settings), { ...limits, signal }, log, (hycloud) =>
    use(hycloud).finally(() => Object.assign(cost, hycloud.stats)),
  );
}

function tellPolled(listeners: readonly RunListener[]): NonNullable<RunListener['polled']> {
  return (valves, nowUs) => {
    for (const listener of listeners) listener.polled?.(valves, nowUs);
  };
}

function paced(config: Config, { shard }: PollSettings): Config {
  return { ...config, requestsPerSecond: shardPace(config.requestsPerSecond, shard) };
}

function secondsSince(startedMs: number): number {
  return (performance.now() - startedMs) / 1000;
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
    maxPowerKw: config.maxPowerKw,
    catchUpUs: config.catchUpDays * US_PER_DAY,
    initialHistoryUs: config.initialHistoryHours * US_PER_HOUR,
  };
}

function endOfReport(report: PollReport, signal: AbortSignal): Omit<RunEnd, keyof HyCloudStats> {
  return {
    valves: report.valves,
    stored: report.stored,
    unchanged: report.unchanged,
    silent: report.silent,
    failed: report.failures.length,
    outcome: signal.aborted && report.failures.length > 0 ? 'interrupted' : report.outcome,
    error: report.failures[0]?.reason ?? null,
  };
}

function logSummary(summary: PollSummary, log: Logger): void {
  const { failures, skipped } = summary.report;
  if (skipped) {
    const { fromUs, toUs } = skipped.span;
    const remedy = `run "tasmart backfill --from ${formatRfc3339(fromUs)} --to ${formatRfc3339(toUs)}"`;
    log.warn(
      { valves: skipped.valves, remedy },
      'valves were last synced longer ago than catch_up_days; what lies between is not fetched',
    );
  }
  warnOfFailures(failures, 'other valves failed too: "tasmart status" lists them', log);
  log.info(runFields(summary), 'run finished');
}
