/** Keeps the stored kWh up to date with the readings. */
import type { Logger } from 'pino';
import type { Config } from '../../config/config.ts';
import type { Database } from '../../database/connection.ts';
import { loadLimits, loadUnjudged, mayJudge } from '../../database/judgements.ts';
import { KnownError } from '../../domain/errors.ts';
import { count } from '../../domain/text.ts';
import { US_PER_MINUTE } from '../../domain/time.ts';
import { judgePending, type JudgeFailure } from '../../energy/bookkeeping.ts';
import type { Limits } from '../../domain/energy.ts';
import type { PollReport } from '../../polling/report.ts';
import { createValveProgress } from '../../reporting/progress.ts';
import type { CommandContext } from './context.ts';
import { progressTerminal } from './log.ts';

/** The limits of config.json. The judge uses those in the database, if it has any. */
export function configuredLimits({ intervalMinutes, maxPowerKw }: Config): Limits {
  return { intervalUs: intervalMinutes * US_PER_MINUTE, maxPowerKw };
}

/** Shared by the accounts of a run, so that only one of them warns of what concerns the whole database. */
export interface JudgingRun {
  hasWarned: boolean;
}

/**
 * Judges all unjudged readings, also those that other programs have inserted, by the limits in the database. Warns if the
 * configured limits differ from these. If this session may only read, judges nothing, and warns if there are unjudged
 * readings. Logs and returns the valves that could not be judged.
 *
 * If the signal aborts, returns early: the other valves stay marked as unjudged.
 *
 * @throws DatabaseError if the session is lost
 */
export async function judgeStored(
  database: Database,
  config: Config,
  log: Logger,
  { globals, signal }: Pick<CommandContext, 'globals' | 'signal'>,
  run: JudgingRun = { hasWarned: false },
): Promise<JudgeFailure[]> {
  const warns = !run.hasWarned;
  run.hasWarned = true;
  if (!(await mayJudge(database))) {
    const unjudged = await loadUnjudged(database);
    const remedy = 'the next poll judges them';
    if (warns && unjudged.length > 0)
      log.warn({ remedy }, `${count(unjudged.length, 'valve')} have readings without kWh yet`);
    return [];
  }
  const configured = configuredLimits(config);
  const limits = await loadLimits(database, configured);
  if (warns) warnOfOtherLimits(limits, config, log);
  return judgeWithProgress(database, configured, log, { globals, signal });
}

/**
 * Judges all unjudged readings by the limits in the database. Shows progress, and logs failures. If the signal aborts, returns
 * early.
 *
 * @param configured the limits to store if the database has none
 * @throws DatabaseError
 */
export async function judgeWithProgress(
  database: Database,
  configured: Limits,
  log: Logger,
  { globals, signal }: Pick<CommandContext, 'globals' | 'signal'>,
): Promise<JudgeFailure[]> {
  const progress = createValveProgress(progressTerminal(globals), log, 'judging');
  try {
    const failures = await judgePending(database, configured, { onJudged: progress.update, signal });
    for (const { tasmartId, error } of failures) {
      const cause = error instanceof KnownError ? { reason: error.message, remedy: error.remedy } : { err: error };
      log.error({ tasmart_id: tasmartId, ...cause }, 'the kWh of a valve could not be judged');
    }
    return failures;
  } finally {
    progress.stop();
  }
}

/**
 * Judges once an account's work is done, even if the work failed. Each account judges everything that is unjudged then. Readings
 * that are stored, but whose kWh could not be judged, make a run partial.
 *
 * @throws the error of the work
 */
export async function judgeAfter(work: Promise<PollReport>, judge: () => Promise<JudgeFailure[]>): Promise<PollReport> {
  const report = await work.catch(async (error: unknown) => {
    await judge().catch(() => undefined);
    throw error;
  });
  return withUnjudged(report, await judge());
}

function withUnjudged(report: PollReport, unjudged: readonly JudgeFailure[]): PollReport {
  if (unjudged.length === 0) return report;
  const reason = `the kWh of ${count(unjudged.length, 'valve')} could not be judged`;
  const outcome = report.outcome === 'success' ? 'partial' : report.outcome;
  const failures = [...report.failures, { valve: null, reason, remedy: null }];
  return { ...report, outcome, valves: report.valves + 1, failures };
}

function warnOfOtherLimits(limits: Limits, config: Config, log: Logger): void {
  const intervalMinutes = limits.intervalUs / US_PER_MINUTE;
  const differences: string[] = [];
  if (limits.maxPowerKw !== config.maxPowerKw) {
    differences.push(`max_power_kw is ${limits.maxPowerKw} there, ${config.maxPowerKw} in the configuration`);
  }
  if (intervalMinutes !== config.intervalMinutes) {
    differences.push(`interval_minutes is ${intervalMinutes} there, ${config.intervalMinutes} in the configuration`);
  }
  if (differences.length === 0) return;
  const remedy = 'to judge all stored kWh by the configuration, run "tasmart rejudge"';
  log.warn({ remedy }, `the kWh in the database were judged by other limits: ${differences.join('; ')}`);
}
