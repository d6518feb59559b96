/** `tasmart backfill`: fills history from HyCloud. */
import { hostname } from 'node:os';
import type { Logger } from 'pino';
import type { AccountConfig, Config } from '../config/config.ts';
import { withDatabase } from '../database/open.ts';
import { withRun, type RunEnd } from '../database/runs.ts';
import { EXIT_STATUS } from '../domain/errors.ts';
import { count } from '../domain/text.ts';
import type { Span } from '../domain/time.ts';
import type { HyCloudStats } from '../hycloud/client.ts';
import type { HyCloudError } from '../hycloud/errors.ts';
import { backfill, type BackfillPlan, type BackfillProgress, type BackfillReport } from '../polling/backfill.ts';
import type { PollFailure } from '../polling/report.ts';
import { createBackfillProgress } from '../reporting/progress.ts';
import {
  accountsAfter,
  accountsStatus,
  createEndMarker,
  forEachAccount,
  inAccount,
  judgeAfter,
  requireNamedValves,
  valuesOf,
  withNamedValves,
} from './accounts.ts';
import type { CommandContext } from './context.ts';
import { endOfError, warnOfFailures } from './failures.ts';
import { withHyCloud } from './hycloud.ts';
import { judgeStored } from './judging.ts';
import { createLog, isForPeople, progressTerminal } from './log.ts';
import { OPEN_OPTIONS, VERSION } from './package.ts';
import { loadConfig } from './settings.ts';
import { parseSpan } from './time.ts';

export interface BackfillOptions {
  from: string;
  to?: string;
  valve?: string[];
}

/** A backfill may take hours, so it has no deadline. But it ends if HyCloud asks for a longer pause than this. */
const LONGEST_PAUSE_MS = 3_600_000;

/** Fills the accounts' history one after the other. Returns the exit status. */
export async function run(options: BackfillOptions, context: CommandContext): Promise<number> {
  const startedMs = performance.now();
  const { globals, signal } = context;
  const log = await createLog(globals);
  const config = await loadConfig(globals, ['targets', 'hycloud', 'database'], log);
  const span = parseSpan(options, config.timezone, Date.now() * 1000);
  // Without --to, the span ends at HyCloud's clock: this machine's clock may be slow.
  if (options.to === undefined) span.toUs = Infinity;
  // One after the other, so that the progress bar shows one account at a time.
  let before: Promise<unknown> = Promise.resolve();
  const markEnded = createEndMarker(config.accounts);
  const only = options.valve ?? [];
  const results = await forEachAccount(config.accounts, signal, log, (account, accountLog) => {
    const work = before.then(() =>
      backfillAccount({ config, account, markEnded, span, only, context, log: accountLog }),
    );
    before = work.catch(() => undefined).finally(() => markEnded(account));
    return work;
  });
  const found = withNamedValves(results);
  const reports = valuesOf(found);
  const sum = (count: (report: BackfillReport) => number) =>
    reports.reduce((total, report) => total + count(report), 0);
  const [stored, valves] = [sum((report) => report.stored), sum((report) => report.valves)];
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  if (reports.length > 0) {
    process.stdout.write(
      `${count(stored, 'reading')} stored in ${seconds} s; ${sum(({ unchanged }) => unchanged)} of ${count(valves, 'valve')} unchanged, ${sum(failedCount)} failed.\n`,
    );
  }
  requireNamedValves(results);
  return accountsStatus(found, statusOf);
}

function statusOf(report: BackfillReport): number {
  // Without an error, HyCloud has answered, but with malformed points.
  if (report.nothingRead) return EXIT_STATUS[firstError(report)?.kind ?? 'hycloud'];
  return failedCount(report) > 0 ? EXIT_STATUS.partial : 0;
}

interface AccountBackfill {
  config: Config;
  account: AccountConfig;
  /** marks the account as ended; true: all accounts have ended */
  markEnded: (account: AccountConfig) => boolean;
  span: Span;
  only: readonly string[];
  context: CommandContext;
  log: Logger;
}

async function backfillAccount({
  config,
  account,
  markEnded,
  span,
  only,
  context,
  log,
}: AccountBackfill): Promise<BackfillReport> {
  const { globals, signal, giveUp } = context;
  signal.throwIfAborted();
  const { targets } = account;
  const settings = { ...config, account, later: accountsAfter(config, account), targets, span, only };
  const progress = createBackfillProgress(progressTerminal(globals), log);
  const onPlan = (plan: BackfillPlan) => {
    const text = announce(plan, config.requestsPerSecond);
    if (isForPeople(globals)) process.stderr.write(`${inAccount(account, text)}\n`);
    else log.info({ valves: plan.valves, requests: plan.requests }, text);
    progress.start(plan);
  };
  let stored = 0;
  const onProgress = (done: BackfillProgress) => {
    ({ stored } = done);
    progress.update(done);
  };

  const cost = { requests: 0, retries: 0 };
  const start = {
    account,
    mode: 'backfill',
    shard: null,
    host: hostname(),
    processId: process.pid,
    version: VERSION,
  } as const;
  const nothing = { valves: 0, unchanged: 0, silent: 0, failures: [] };
  const describe = (result: { report: BackfillReport } | { error: unknown }): RunEnd => ({
    ...('report' in result ? endOfReport(result.report) : endOfError(result.error, signal, { ...nothing, stored })),
    ...cost,
  });

  const report = await withDatabase(config.database, { ...OPEN_OPTIONS, giveUp }, (database) => {
    const limits = {
      signal: AbortSignal.any([signal, database.lost]),
      deadlineMs: () => performance.now() + LONGEST_PAUSE_MS,
    };
    const work = async () => {
      const filling = withHyCloud(account.hycloud, config, limits, log, (hycloud) =>
        backfill({ hycloud, database, log, onPlan, onProgress }, settings).finally(() =>
          Object.assign(cost, hycloud.stats),
        ),
      );
      const judge = (judgeLog: Logger) => {
        progress.stop();
        return judgeStored(database, config, judgeLog, { globals, signal: limits.signal });
      };
      const { done: report, unjudged } = await judgeAfter(filling, judge, () => markEnded(account), log);
      if (unjudged.length === 0) return report;
      const reason = `the kWh of ${count(unjudged.length, 'valve')} could not be judged`;
      return { ...report, problems: [...report.problems, { reason, remedy: null, error: null }] };
    };
    return withRun(database, start, work, describe);
  }).finally(progress.stop);

  warnOfFailures(failuresOf(report), 'other valves failed too: run it again to see what remains', log);
  return report;
}

function announce({ valves, requests, nothing }: BackfillPlan, requestsPerSecond: number): string {
  if (nothing !== null) return `Nothing to fetch: ${nothing}.`;
  const seconds = Math.ceil(requests / requestsPerSecond);
  const time = seconds < 120 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`;
  return `${count(requests, 'request')} for ${count(valves, 'valve')}: at least ${time} at ${requestsPerSecond} requests a second. It may be interrupted, and goes on from there.`;
}

function failedCount({ failures, problems }: BackfillReport): number {
  return failures.size + problems.length;
}

function firstError({ failures }: BackfillReport): HyCloudError | null {
  const [first] = failures.values();
  return first?.error ?? null;
}

function endOfReport(report: BackfillReport): Omit<RunEnd, keyof HyCloudStats> {
  const [first] = report.failures.values();
  return {
    valves: report.valves,
    stored: report.stored,
    unchanged: report.unchanged,
    silent: 0,
    failed: failedCount(report),
    outcome: report.nothingRead ? 'failed' : failedCount(report) > 0 ? 'partial' : 'success',
    error: report.problems[0]?.reason ?? first?.reason ?? null,
  };
}

function failuresOf({ failures, problems }: BackfillReport): PollFailure[] {
  return [
    ...problems.map(({ reason, remedy }) => ({ valve: null, reason, remedy })),
    ...Array.from(failures.values(), ({ valve, reason, error }) => ({ valve, reason, remedy: error?.remedy ?? null })),
  ];
}
