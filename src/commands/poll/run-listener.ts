/** What a poll tells its listeners: its output, the metrics and the healthcheck. */
import type { Account } from '../../domain/account.ts';
import type { PolledValve, PollReport } from '../../polling/report.ts';
import type { Micros } from '../../domain/time.ts';
import type { PollSummary } from '../../reporting/poll.ts';

/** How a poll of all accounts ended. */
export interface Ending {
  status: number;
  /** null: no account has a report, or the run ended with `error` before they were added up */
  summary: PollSummary | null;
  /** what the run threw, or the first account's error with this status; null: neither */
  error: unknown;
  /** the part of each account, without those that have none of the valves of --valve; empty if the run polled none */
  accounts: AccountEnding[];
}

/** How the poll of one account ended. */
export interface AccountEnding {
  account: Account;
  status: number;
  /** null: the account failed as a whole */
  report: PollReport | null;
  requests: number;
  retries: number;
  seconds: number;
  /** how many polls of the account were ever locked out by another run; null: unknown */
  lockedRuns: number | null;
}

/** Functions to call while a poll runs. */
export interface RunListener {
  /** Called for each account, as soon as its run holds its lock; not in a dry run. */
  begun?: () => void;
  /** Called once per batch, after the batch is stored. */
  polled?: (valves: readonly PolledValve[], nowUs: Micros, account: Account) => void;
  /** Called last, also if the run failed. Must not throw. */
  ended?: (ending: Ending) => Promise<void>;
}
