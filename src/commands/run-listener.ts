/** What a poll tells its listeners: its output, the metrics and the healthcheck. */
import type { Account } from '../domain/account.ts';
import type { PolledValve, PollReport } from '../polling/report.ts';
import type { Micros } from '../domain/time.ts';
import type { PollSummary } from '../reporting/poll.ts';

/** How a poll of all accounts ended. */
export interface Ending {
  status: number;
  /** null: the run failed before it had a report */
  summary: PollSummary | null;
  /** what ended the run early; null: nothing */
  error: unknown;
  /** the part of each account; empty if the run failed before it polled any */
  accounts: readonly AccountEnding[];
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
  /** Called once an account's run holds its lock. */
  begun?: () => void;
  /** Called once per batch, after the batch is stored. */
  polled?: (valves: readonly PolledValve[], nowUs: Micros, account: Account) => void;
  /** Called last, also if the run failed. Must not throw. */
  ended?: (ending: Ending) => Promise<void>;
}
