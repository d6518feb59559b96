/** `tasmart poll`: one run over all accounts. */
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { AccountConfig, Config, Section } from '../config/config.ts';
import { requireConfig } from '../config/parse.ts';
import { withDatabase } from '../database/open.ts';
import { withRun, type RunEnd } from '../database/runs.ts';
import type { Account } from '../domain/account.ts';
import { KnownError } from '../domain/errors.ts';
import { parseShard, type Shard } from '../domain/shard.ts';
import { count } from '../domain/text.ts';
import { formatRfc3339, US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, type Micros } from '../domain/time.ts';
import type { JudgeFailure } from '../energy/bookkeeping.ts';
import type { HyCloud, HyCloudStats } from '../hycloud/client.ts';
import { shardPace } from '../polling/pace.ts';
import { createClaims, type Claims } from '../polling/claims.ts';
import { createReport, type PolledValve, type PollReport } from '../polling/report.ts';
import { poll, type PollSettings } from '../polling/run.ts';
import { pollFormat, runFields, type PollSummary } from '../reporting/poll.ts';
import {
  accountsAfter,
  accountsStatus,
  createEndMarker,
  errorBehind,
  forEachAccount,
  judgeAfter,
  requireNamedValves,
  valuesOf,
  withNamedValves,
} from './accounts.ts';
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
import { together } from './poll-together.ts';
import type { AccountEnding, Ending, RunListener } from './run-listener.ts';
import { readConfig } from './settings.ts';

export interface PollOptions {
  dryRun?: boolean;
  valve?: string[];
  /** `i/n` */
  shard?: string;
  format: OutputFormat;
}

/** Polls all accounts at once, prints the result, and informs the listeners. Returns the exit status. */
export async function run(options: PollOptions, context: CommandContext): Promise<number> {
  const { signal } = context;
  const log = await createLog(context.globals);
  const dryRun = options.dryRun ?? false;
  const shard = givenShard(options.shard);
  const parsed = await readConfig(context.globals, log);
  const listeners: RunListener[] = [createHealthcheck(dryRun ? null : parsed.config.healthcheckUrl, log)];
  let accounts: AccountEnding[] = [];
  const ended = async (end: Pick<Ending, 'status' | 'summary' | 'error'>) => {
    const stopped = stopStatus(signal);
    const ending = {
      ...end,
      status: stopped ?? end.status,
      accounts: accounts.map((account) => ({ ...account, status: stopped ?? account.status })),
    };
    await Promise.all(listeners.map(async (listener) => listener.ended?.(ending)));
  };
  try {
    const config = requireConfig(parsed, sections(dryRun, shard !== null));
    if (!dryRun) await startLater(config, signal, log);
    const startedMs = performance.now();
    const { timezone, properties, metricsFile } = config;
    const screen = stdoutScreen();
    const output = pollFormat(options.format, { timezone, properties, dryRun, screen });
    listeners.push({ polled: output.add });
    const only = options.valve ?? [];
    const isNarrowed = only.length > 0;
    const ownShard = shard ?? config.shard;
    if (!dryRun) listeners.push(createMetrics({ file: metricsFile, shard: ownShard, isNarrowed, log }));
    const limits = withDeadline(context, startedMs, config.runDeadlineSeconds);
    const claimsOfAccount = createClaims();
    const markEnded = createEndMarker(config.accounts);
    const results = await forEachAccount(config.accounts, signal, log, async (account, accountLog) => {
      const settings = pollSettings(config, account, only, ownShard);
      const ending = beginningOf(account);
      const { globals } = context;
      const claims = claimsOfAccount();
      const common = { config, account, settings, limits, signal, globals, claims, markEnded, ending, listeners };
      const run = { ...common, log: accountLog };
      try {
        const report = await (dryRun ? pollOnly(run) : pollAndStore(run));
        logReport({ ...ending, report, dryRun, seconds: secondsSince(startedMs) }, accountLog);
        Object.assign(ending, { report, status: pollStatus(report) });
        return report;
      } catch (error) {
        ending.status = errorStatus(error);
        throw error;
      } finally {
        ending.seconds = secondsSince(startedMs);
        accounts.push(ending);
        markEnded(account);
      }
    });
    const found = withNamedValves(results);
    if (found.length > 0)
      accounts = accounts.filter((ending) => found.some(({ account }) => account === ending.account));
    const reports = valuesOf(found);
    const put = (text: string) => (options.format === 'table' ? show(text, screen) : write(text));
    const summary = { report: together(found), dryRun, ...totalCost(accounts), seconds: secondsSince(startedMs) };
    if (reports.length > 0) for (const text of output.text(summary)) await put(text);
    requireNamedValves(results);
    const status = accountsStatus(found, pollStatus);
    await ended({ status, summary: reports.length > 0 ? summary : null, error: errorBehind(status, found) });
    return status;
  } catch (error) {
    await ended({ status: errorStatus(error), summary: null, error });
    throw error;
  }
}

function beginningOf(account: AccountConfig): AccountEnding {
  return { account, status: 0, report: null, requests: 0, retries: 0, seconds: 0, lockedRuns: null };
}

function totalCost(accounts: readonly AccountEnding[]): HyCloudStats {
  const sum = (key: 'requests' | 'retries') => accounts.reduce((total, account) => total + account[key], 0);
  return { requests: sum('requests'), retries: sum('retries') };
}

/** @throws KnownError exit 64 */
function givenShard(text: string | undefined): Shard | null {
  const shard = text === undefined ? null : parseShard(text);
  if (text === undefined || shard !== null) return shard;
  throw new KnownError('usage', `--shard ${text} is not a part of the valves`, {
    remedy: 'write 1/4, 2/4, 3/4 or 4/4',
  });
}

/** The parts of the configuration that this run needs. `--shard` overrides the environment. */
function sections(dryRun: boolean, isShardGiven: boolean): Section[] {
  return [
    'targets',
    'hycloud',
    ...(dryRun ? [] : (['database'] as const)),
    ...(isShardGiven ? [] : (['shard'] as const)),
  ];
}

/** Waits a random time, so that installations do not all ask HyCloud in the same second. */
async function startLater({ startJitterSeconds }: Config, signal: AbortSignal, log: Logger): Promise<void> {
  if (startJitterSeconds === 0) return;
  const seconds = Math.random() * startJitterSeconds;
  log.info({ seconds: Math.round(seconds) }, 'waiting before the start (start_jitter_seconds)');
  await delay(seconds * 1000, undefined, { signal });
}

/** The poll of one account. */
interface Run {
  config: Config;
  account: AccountConfig;
  settings: PollSettings;
  limits: RunLimits;
  /** aborts only at the user's signal; that of `limits` aborts at the deadline too */
  signal: AbortSignal;
  globals: GlobalOptions;
  claims: Claims;
  /** marks the account as ended; true: all accounts have ended */
  markEnded: (account: AccountConfig) => boolean;
  /** gets the number of requests and retries, also if the run fails */
  ending: AccountEnding;
  listeners: readonly RunListener[];
  log: Logger;
}

/** A dry run: opens no database. */
async function pollOnly(run: Run): Promise<PollReport> {
  const onPolled = notifyPolled(run.listeners, run.account);
  return withRunHyCloud(run, run.limits.signal, (hycloud) =>
    poll({ hycloud, database: null, log: run.log, claims: run.claims, onPolled }, run.settings),
  );
}

async function pollAndStore(run: Run): Promise<PollReport> {
  const { config, account, settings, limits, signal, globals, claims, markEnded, ending, listeners, log } = run;
  const soFar = createReport(0, []);
  const onPolled = notifyPolled([{ polled: soFar.add }, ...listeners], account);
  const { shard } = settings;
  const start = { account, mode: 'poll', shard, host: hostname(), processId: process.pid, version: VERSION } as const;
  const describe = (result: { report: PollReport } | { error: unknown }): RunEnd => ({
    ...('report' in result ? endOfReport(result.report, signal) : endOfError(result.error, signal, soFar.result())),
    requests: ending.requests,
    retries: ending.retries,
  });
  return withDatabase(config.database, { ...OPEN_OPTIONS, giveUp: limits.giveUp }, async (database) => {
    // Stop reading when the session is lost: nothing could be stored.
    const stop = AbortSignal.any([limits.signal, database.lost]);
    const work = async (lockedRuns: number) => {
      ending.lockedRuns = lockedRuns;
      for (const listener of listeners) listener.begun?.();
      const polling = withRunHyCloud(run, stop, (hycloud) =>
        poll({ hycloud, database, log, claims, onPolled }, settings),
      );
      const judge = (judgeLog: Logger) => judgeStored(database, config, judgeLog, { globals, signal: stop });
      const { done, unjudged } = await judgeAfter(polling, judge, () => markEnded(account), log);
      return withUnjudged(done, unjudged);
    };
    return withRun(database, start, work, describe);
  });
}

/** Readings that are stored, but whose kWh could not be judged, make a run partial. */
function withUnjudged(report: PollReport, { length }: readonly JudgeFailure[]): PollReport {
  if (length === 0) return report;
  const failure = { valve: null, reason: `the kWh of ${count(length, 'valve')} could not be judged`, remedy: null };
  const outcome = report.outcome === 'success' ? 'partial' : report.outcome;
  return { ...report, outcome, failures: [...report.failures, failure] };
}

async function withRunHyCloud<T>(
  { config, account, settings, limits, ending, log }: Run,
  signal: AbortSignal,
  use: (hycloud: HyCloud) => Promise<T>,
): Promise<T> {
  const pace = { ...config, requestsPerSecond: shardPace(config.requestsPerSecond, settings.shard) };
  return withHyCloud(account.hycloud, pace, { ...limits, signal }, log, (hycloud) =>
    use(hycloud).finally(() => Object.assign(ending, hycloud.stats)),
  );
}

/** Passes each batch on to the listeners, with its account. */
function notifyPolled(
  listeners: readonly RunListener[],
  account: Account,
): (valves: readonly PolledValve[], nowUs: Micros) => void {
  return (valves, nowUs) => {
    for (const listener of listeners) listener.polled?.(valves, nowUs, account);
  };
}

function secondsSince(startedMs: number): number {
  return (performance.now() - startedMs) / 1000;
}

function pollSettings(
  config: Config,
  account: AccountConfig,
  only: readonly string[],
  shard: Shard | null,
): PollSettings {
  return {
    account,
    later: accountsAfter(config, account),
    targets: account.targets,
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

function logReport(summary: PollSummary, log: Logger): void {
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
