/** Adds up the polls of several accounts. */
import type { AccountConfig } from '../config/config.ts';
import type { PollFailure, PollReport } from '../polling/report.ts';
import { inAccount, valuesOf, type AccountResult } from './accounts.ts';

/**
 * One report of all accounts. An account that failed as a whole counts as one failed target. `skipped`, `error` and
 * `missing` stay null: they are reported for each account.
 */
export function together(results: readonly AccountResult<PollReport>[]): PollReport {
  const reports = valuesOf(results);
  const [first] = reports;
  if (first && results.length === 1) return first;
  const failures = results.flatMap((result): PollFailure[] => {
    if ('value' in result) return result.value.failures.map((failure) => placed(result.account, failure));
    const { message, remedy } = result.error;
    return [placed(result.account, { valve: null, reason: message, remedy })];
  });
  const sum = (key: 'valves' | 'stored' | 'unchanged' | 'silent') =>
    reports.reduce((total, report) => total + report[key], 0);
  const isFailed = reports.every(({ outcome }) => outcome === 'failed');
  return {
    outcome: failures.length === 0 ? 'success' : isFailed ? 'failed' : 'partial',
    nowUs: Math.max(...reports.map(({ nowUs }) => nowUs)),
    valves: sum('valves') + results.length - reports.length,
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
function placed(account: AccountConfig, failure: PollFailure): PollFailure {
  return failure.valve === null ? { ...failure, reason: inAccount(account, failure.reason) } : failure;
}
