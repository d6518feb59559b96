/** `tasmart poll`: one run over all accounts. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { AccountConfig, Config, Section } from '../config/config.ts';
import { requireConfig } from '../config/parse.ts';
import { accountPrefix } from '../domain/account.ts';
import { EXIT_STATUS, KnownError } from '../domain/errors.ts';
import { parseShard, type Shard } from '../domain/shard.ts';
import type { HyCloudStats } from '../hycloud/client.ts';
import { createClaims } from '../polling/claims.ts';
import { outcomeOf, type PollFailure, type PollReport } from '../polling/report.ts';
import { pollFormat } from '../reporting/poll.ts';
import {
  accountsStatus,
  errorBehind,
  forEachAccount,
  omitWithoutNamedValves,
  requireNamedValves,
  valuesOf,
  type AccountResult,
} from './shared/accounts.ts';
import type { CommandContext, OutputFormat } from './shared/context.ts';
import { withDeadline } from './poll/deadline.ts';
import { errorStatus, pollStatus, stopStatus } from './shared/exit-status.ts';
import { createHealthcheck } from './poll/healthcheck.ts';
import { createLog } from './shared/log.ts';
import { createMetrics } from './poll/metrics.ts';
import { print, stdoutScreen } from './shared/output.ts';
import { pollAccount } from './poll/account.ts';
import type { AccountEnding, Ending, RunListener } from './poll/run-listener.ts';
import { readConfig } from './shared/settings.ts';

export interface PollOptions {
  dryRun?: boolean;
  valve?: string[];
  /** `i/n` */
  shard?: string;
  format: OutputFormat;
}

/** Polls all accounts, and tells the listeners how the run ended. Returns the exit status. */
export async function run(options: PollOptions, context: CommandContext): Promise<number> {
  const { globals, signal } = context;
  const { dryRun = false } = options;
  const log = await createLog(globals);
  const shard = parseShardOption(options.shard);
  const parsed = await readConfig(globals, log);
  // The healthcheck is created first: it also hears of a wrong configuration.
  const listeners: RunListener[] = [createHealthcheck(dryRun ? null : parsed.config.healthcheckUrl, log)];
  const ending: Ending = { status: 0, summary: null, error: null, accounts: [] };
  try {
    const configured = requireConfig(parsed, requiredSections(dryRun, shard !== null));
    const config = { ...configured, shard: shard ?? configured.shard };
    if (!dryRun) await startLater(config, signal, log);
    await pollAccounts(config, { options, context, listeners, ending, log });
  } catch (error) {
    Object.assign(ending, { status: errorStatus(error), error });
    throw error;
  } finally {
    const ended = withStopStatus(ending, stopStatus(signal));
    await Promise.all(listeners.map(async (listener) => listener.ended?.(ended)));
  }
  return ending.status;
}

interface Run {
  options: PollOptions;
  context: CommandContext;
  /** the output and the metrics are added */
  listeners: RunListener[];
  /** filled in as the run proceeds */
  ending: Ending;
  log: Logger;
}

/** Polls all accounts at once, and prints the result. @throws NoSuchValve only after the valves that were found are printed */
async function pollAccounts(config: Config, { options, context, listeners, ending, log }: Run): Promise<void> {
  const { globals, signal } = context;
  const { valve: valveNames = [], dryRun = false, format } = options;
  const startedMs = performance.now();
  const screen = stdoutScreen();
  const output = pollFormat(format, { ...config, dryRun, screen });
  listeners.push({ polled: output.add });
  const isNarrowed = valveNames.length > 0;
  if (!dryRun) listeners.push(createMetrics(config, isNarrowed, log));
  const limits = withDeadline(context, startedMs, config.runDeadlineSeconds);
  const claimsOfAccount = createClaims();
  const judging = { hasWarned: false };
  const common = { config, dryRun, startedMs, valveNames, limits, signal, globals, judging, listeners };
  const results = await forEachAccount(config.accounts, signal, log, (account, accountLog) => {
    const accountEnding = { account, status: 0, report: null, requests: 0, retries: 0, seconds: 0, lockedRuns: null };
    ending.accounts.push(accountEnding);
    return pollAccount({ ...common, account, claims: claimsOfAccount(), ending: accountEnding, log: accountLog });
  });
  const cost = totalCost(ending.accounts); // before some accounts are omitted: their requests count too
  const relevant = omitWithoutNamedValves(results);
  // If no account is relevant, requireNamedValves throws below, and the listeners hear of all accounts.
  if (relevant.length > 0) {
    ending.accounts = ending.accounts.filter((ended) => relevant.some(({ account }) => account === ended.account));
  }
  if (valuesOf(relevant).length > 0) {
    const seconds = (performance.now() - startedMs) / 1000;
    ending.summary = { report: combineReports(relevant), dryRun, ...cost, seconds };
    for (const text of output.text(ending.summary)) await print(format, text, screen);
  }
  requireNamedValves(results);
  ending.status = accountsStatus(relevant, pollStatus);
  ending.error = errorBehind(ending.status, relevant);
}

/** After a signal. An account that had succeeded, or was locked out, keeps its status: the signal did not end its poll. */
function withStopStatus(ending: Ending, stopped: number | null): Ending {
  if (stopped === null) return ending;
  const isKept = ({ status }: AccountEnding) => status === 0 || status === EXIT_STATUS.locked;
  const accounts = ending.accounts.map((account) => (isKept(account) ? account : { ...account, status: stopped }));
  return { ...ending, status: stopped, accounts };
}

/** The part of `--shard`; null: the option is not given. @throws KnownError exit 64 */
function parseShardOption(text: string | undefined): Shard | null {
  if (text === undefined) return null;
  const shard = parseShard(text);
  if (shard !== null) return shard;
  throw new KnownError('usage', `--shard ${text} is not a part of the valves`, {
    remedy: 'write 1/4, 2/4, 3/4 or 4/4',
  });
}

/** The parts of the configuration that this run needs. `--shard` overrides the environment. */
function requiredSections(dryRun: boolean, isShardGiven: boolean): Section[] {
  const sections: Section[] = ['targets', 'hycloud'];
  if (!dryRun) sections.push('database');
  if (!isShardGiven) sections.push('shard');
  return sections;
}

/** Waits a random time, so that installations do not all ask HyCloud in the same second. */
async function startLater({ startJitterSeconds }: Config, signal: AbortSignal, log: Logger): Promise<void> {
  if (startJitterSeconds === 0) return;
  const seconds = Math.random() * startJitterSeconds;
  log.info({ seconds: Math.round(seconds) }, 'waiting before the start (start_jitter_seconds)');
  await delay(seconds * 1000, undefined, { signal });
}

function totalCost(endings: readonly AccountEnding[]): HyCloudStats {
  const sum = (key: 'requests' | 'retries') => endings.reduce((total, ending) => total + ending[key], 0);
  return { requests: sum('requests'), retries: sum('retries') };
}

/**
 * One report of all accounts. An account that failed as a whole counts as one failed target. `skipped`, `error` and
 * `missing` stay null: they are reported for each account.
 */
function combineReports(results: readonly AccountResult<PollReport>[]): PollReport {
  const reports = valuesOf(results);
  const [first] = reports;
  if (first && results.length === 1) return first;
  const failures = results.flatMap((result): PollFailure[] => {
    if ('value' in result) return result.value.failures.map((failure) => withAccountPrefix(result.account, failure));
    const { message, remedy } = result.error;
    return [withAccountPrefix(result.account, { valve: null, reason: message, remedy })];
  });
  const sum = (key: 'valves' | 'stored' | 'unchanged' | 'silent') =>
    reports.reduce((total, report) => total + report[key], 0);
  const nothingRead = reports.every(({ outcome }) => outcome === 'failed');
  const accountsWithoutReport = results.length - reports.length;
  return {
    outcome: outcomeOf(failures.length, nothingRead),
    nowUs: Math.max(...reports.map(({ nowUs }) => nowUs)),
    valves: sum('valves') + accountsWithoutReport,
    failures,
    stored: sum('stored'),
    unchanged: sum('unchanged'),
    silent: sum('silent'),
    skipped: null,
    error: null,
    missing: null,
  };
}

/** Adds the account's name to a failure that names no valve. */
function withAccountPrefix(account: AccountConfig, failure: PollFailure): PollFailure {
  return failure.valve === null ? { ...failure, reason: `${accountPrefix(account)}${failure.reason}` } : failure;
}
