/** Polls one account for `tasmart poll`. */
import type { Logger } from 'pino';
import type { AccountConfig, Config } from '../../config/config.ts';
import { withDatabase } from '../../database/open.ts';
import { withRun, type RunEnd } from '../../database/runs.ts';
import type { Account } from '../../domain/account.ts';
import { formatRfc3339, US_PER_DAY, US_PER_HOUR, US_PER_MINUTE } from '../../domain/time.ts';
import type { HyCloud } from '../../hycloud/client.ts';
import type { Claims } from '../../polling/claims.ts';
import { shardPace } from '../../polling/pace.ts';
import { createReport, type PollReport } from '../../polling/report.ts';
import { poll, type PollDependencies, type PollSettings } from '../../polling/run.ts';
import { runFields, type PollSummary } from '../../reporting/poll.ts';
import { accountsAfter } from '../shared/accounts.ts';
import type { GlobalOptions } from '../shared/context.ts';
import type { RunLimits } from './deadline.ts';
import { errorStatus, pollStatus } from '../shared/exit-status.ts';
import { endOfError, endOfReport, warnOfFailures } from '../shared/failures.ts';
import { withHyCloud } from '../shared/hycloud.ts';
import { judgeAfter, judgeStored, type JudgingRun } from '../shared/judging.ts';
import { OPEN_OPTIONS, RUN_PROCESS } from '../shared/package.ts';
import type { AccountEnding, RunListener } from './run-listener.ts';

export interface AccountPoll {
  config: Config;
  dryRun: boolean;
  /** of the whole run, by performance.now() */
  startedMs: number;
  account: AccountConfig;
  /** the names of `--valve`; empty: every targeted valve */
  valveNames: readonly string[];
  limits: RunLimits;
  /** aborts only at the user's signal; that of `limits` aborts at the deadline too */
  signal: AbortSignal;
  globals: GlobalOptions;
  claims: Claims;
  judging: JudgingRun;
  /** filled in while the account is polled, also if polling fails */
  ending: AccountEnding;
  listeners: readonly RunListener[];
  log: Logger;
}

/** Polls one account, logs the report, and completes the account's `ending`, however it ends. */
export async function pollAccount(run: AccountPoll): Promise<PollReport> {
  const { dryRun, startedMs, ending, log } = run;
  const elapsedSeconds = () => (performance.now() - startedMs) / 1000;
  try {
    const report = await (dryRun ? pollOnly(run) : pollAndStore(run));
    const { requests, retries } = ending;
    logReport({ report, dryRun, requests, retries, seconds: elapsedSeconds() }, log);
    Object.assign(ending, { report, status: pollStatus(report) });
    return report;
  } catch (error) {
    ending.status = errorStatus(error);
    throw error;
  } finally {
    ending.seconds = elapsedSeconds();
  }
}

/** A dry run: opens no database. */
async function pollOnly(run: AccountPoll): Promise<PollReport> {
  const onPolled = notifyPolled(run.listeners, run.account);
  return withRunHyCloud(run, run.limits.signal, (hycloud) =>
    poll({ hycloud, database: null, log: run.log, claims: run.claims, onPolled }, pollSettings(run)),
  );
}

async function pollAndStore(run: AccountPoll): Promise<PollReport> {
  const { config, account, limits, signal, globals, claims, judging, ending, listeners, log } = run;
  /** for a run that an error ends */
  const reportSoFar = createReport(0, []);
  const onPolled = notifyPolled([{ polled: reportSoFar.add }, ...listeners], account);
  const start = { ...RUN_PROCESS, account, mode: 'poll', shard: config.shard } as const;
  const describeEnd = (result: { report: PollReport } | { error: unknown }): RunEnd => {
    const { requests, retries } = ending;
    const end =
      'report' in result ? endOfReport(result.report, signal) : endOfError(result.error, signal, reportSoFar.result());
    return { ...end, requests, retries };
  };
  return withDatabase(config.database, { ...OPEN_OPTIONS, giveUp: limits.giveUp }, async (database) => {
    // Stop reading when the session is lost: nothing could be stored.
    const stop = AbortSignal.any([limits.signal, database.lost]);
    const work = (lockedRuns: number) => {
      ending.lockedRuns = lockedRuns;
      for (const listener of listeners) listener.begun?.();
      const polling = withRunHyCloud(run, stop, (hycloud) =>
        poll({ hycloud, database, log, claims, onPolled }, pollSettings(run)),
      );
      return judgeAfter(polling, () => judgeStored(database, config, log, { globals, signal: stop }, judging));
    };
    return withRun(database, start, work, describeEnd);
  });
}

/** Calls `use` with a HyCloud client. Afterwards, notes its requests and retries in the account's `ending`. */
async function withRunHyCloud<T>(
  { config, account, limits, ending, log }: AccountPoll,
  signal: AbortSignal,
  use: (hycloud: HyCloud) => Promise<T>,
): Promise<T> {
  const pace = { ...config, requestsPerSecond: shardPace(config.requestsPerSecond, config.shard) };
  return withHyCloud(account.hycloud, pace, { ...limits, signal }, log, (hycloud) =>
    use(hycloud).finally(() => Object.assign(ending, hycloud.stats)),
  );
}

/** Passes each batch on to the listeners, with its account. */
function notifyPolled(listeners: readonly RunListener[], account: Account): NonNullable<PollDependencies['onPolled']> {
  return (valves, nowUs) => {
    for (const listener of listeners) listener.polled?.(valves, nowUs, account);
  };
}

function pollSettings({ config, account, valveNames }: AccountPoll): PollSettings {
  return {
    ...config,
    account,
    later: accountsAfter(config, account),
    targets: account.targets,
    only: valveNames,
    intervalUs: config.intervalMinutes * US_PER_MINUTE,
    catchUpUs: config.catchUpDays * US_PER_DAY,
    initialHistoryUs: config.initialHistoryHours * US_PER_HOUR,
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
