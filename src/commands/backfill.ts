/** `tasmart backfill`: fills history from HyCloud. */
import type { Logger } from 'pino';
import type { AccountConfig, Config } from '../config/config.ts';
import { withDatabase } from '../database/open.ts';
import { withRun, type RunEnd } from '../database/runs.ts';
import { accountPrefix } from '../domain/account.ts';
import { count } from '../domain/text.ts';
import type { Span } from '../domain/time.ts';
import { backfill, type BackfillPlan, type BackfillProgress } from '../polling/backfill.ts';
import type { PollReport } from '../polling/report.ts';
import { createBackfillProgress } from '../reporting/progress.ts';
import {
  accountsAfter,
  accountsStatus,
  forEachAccount,
  requireNamedValves,
  valuesOf,
  omitWithoutNamedValves,
} from './shared/accounts.ts';
import type { CommandContext } from './shared/context.ts';
import { pollStatus } from './shared/exit-status.ts';
import { endOfError, endOfReport, warnOfFailures } from './shared/failures.ts';
import { withHyCloud } from './shared/hycloud.ts';
import { judgeAfter, judgeStored, type JudgingRun } from './shared/judging.ts';
import { createLog, isForPeople, progressTerminal } from './shared/log.ts';
import { OPEN_OPTIONS, RUN_PROCESS } from './shared/package.ts';
import { loadConfig } from './shared/settings.ts';
import { parseSpan } from './shared/time.ts';

export interface BackfillOptions {
  from: string;
  to?: string;
  valve?: string[];
}

/** A backfill may take hours, so it has no fixed deadline. But it ends if HyCloud asks for a longer pause than this. */
const LONGEST_PAUSE_MS = 3_600_000;

/** Fills the accounts' history one after the other. Returns the exit status. */
export async function run(options: BackfillOptions, context: CommandContext): Promise<number> {
  const startedMs = performance.now();
  const { globals, signal } = context;
  const log = await createLog(globals);
  const config = await loadConfig(globals, ['targets', 'hycloud', 'database'], log);
  const span = parseSpan(options, config.timezone, Date.now() * 1000);
  // Without --to, the span ends at HyCloud's clock: this machine's clock may be slow. `backfill` limits it to that clock.
  if (options.to === undefined) span.toUs = Infinity;
  // One after the other, so that the progress bar shows one account at a time.
  let accountBefore: Promise<unknown> = Promise.resolve();
  const only = options.valve ?? [];
  const judging = { hasWarned: false };
  const results = await forEachAccount(config.accounts, signal, log, (account, accountLog) => {
    const work = accountBefore.then(() =>
      backfillAccount({ config, account, span, only, judging, context, log: accountLog }),
    );
    accountBefore = work.catch(() => undefined);
    return work;
  });
  const relevant = omitWithoutNamedValves(results);
  const reports = valuesOf(relevant);
  if (reports.length > 0) process.stdout.write(totalText(reports, (performance.now() - startedMs) / 1000));
  requireNamedValves(results);
  return accountsStatus(relevant, pollStatus);
}

function totalText(reports: readonly PollReport[], seconds: number): string {
  const sum = (valueOf: (report: PollReport) => number) =>
    reports.reduce((total, report) => total + valueOf(report), 0);
  const stored = sum((report) => report.stored);
  const valves = sum((report) => report.valves);
  const unchanged = sum((report) => report.unchanged);
  const failed = sum((report) => report.failures.length);
  return `${count(stored, 'reading')} stored in ${seconds.toFixed(1)} s; ${unchanged} of ${count(valves, 'valve')} unchanged, ${failed} failed.\n`;
}

interface AccountBackfill {
  config: Config;
  account: AccountConfig;
  span: Span;
  only: readonly string[];
  judging: JudgingRun;
  context: CommandContext;
  log: Logger;
}

async function backfillAccount(run: AccountBackfill): Promise<PollReport> {
  const { config, account, span, only, judging, context, log } = run;
  const { globals, signal, giveUp } = context;
  signal.throwIfAborted();
  const later = accountsAfter(config, account);
  const settings = { ...config, account, later, targets: account.targets, span, only };
  const progress = createBackfillProgress(progressTerminal(globals), log);
  const onPlan = (plan: BackfillPlan) => {
    const text = announce(plan, config.requestsPerSecond);
    if (isForPeople(globals)) process.stderr.write(`${accountPrefix(account)}${text}\n`);
    else log.info({ valves: plan.valves, requests: plan.requests }, text);
    progress.start(plan);
  };
  let stored = 0;
  const onProgress = (done: BackfillProgress) => {
    ({ stored } = done);
    progress.update(done);
  };

  /** filled in when the HyCloud client ends */
  const cost = { requests: 0, retries: 0 };
  const start = { ...RUN_PROCESS, account, mode: 'backfill', shard: null } as const;
  const describeEnd = (result: { report: PollReport } | { error: unknown }): RunEnd => {
    const soFar = { valves: 0, stored, unchanged: 0, silent: 0, failures: [] };
    const end = 'report' in result ? endOfReport(result.report, signal) : endOfError(result.error, signal, soFar);
    return { ...end, ...cost };
  };

  const report = await withDatabase(config.database, { ...OPEN_OPTIONS, giveUp }, (database) => {
    const limits = {
      signal: AbortSignal.any([signal, database.lost]),
      deadlineMs: () => performance.now() + LONGEST_PAUSE_MS,
    };
    const work = () => {
      const filling = withHyCloud(account.hycloud, config, limits, log, (hycloud) =>
        backfill({ hycloud, database, log, onPlan, onProgress }, settings).finally(() =>
          Object.assign(cost, hycloud.stats),
        ),
      );
      return judgeAfter(filling, () => {
        progress.stop();
        return judgeStored(database, config, log, { globals, signal: limits.signal }, judging);
      });
    };
    return withRun(database, start, work, describeEnd);
  }).finally(progress.stop);

  warnOfFailures(report.failures, 'other valves failed too: run it again to see what remains', log);
  return report;
}

function announce({ valves, requests, nothing }: BackfillPlan, requestsPerSecond: number): string {
  if (nothing !== null) return `Nothing to fetch: ${nothing}.`;
  const seconds = Math.ceil(requests / requestsPerSecond);
  const time = seconds < 120 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`;
  return `${count(requests, 'request')} for ${count(valves, 'valve')}: at least ${time} at ${requestsPerSecond} requests a second. It may be interrupted, and goes on from there.`;
}
