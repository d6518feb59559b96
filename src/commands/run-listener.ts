import type { Account } from '../domain/account.ts';
import type { PolledValve, PollReport } from '../polling/report.ts';
import type { Micros } from '../domain/time.ts';
import type { PollSummary } from '../reporting/poll.ts';

/** How a poll ended, of all accounts together. */
export interface Ending {
  status: number;
  /** null: the run failed before it had a report */
  summary: PollSummary | null;
  /** what ended the run early; null: nothing */
  error: unknown;
  /** each account's own part; none if the run failed before it came to them */
  accounts: readonly AccountEnding[];
}

/** How the poll of one account ended. */
export interface AccountEnding {
  account: Account;
  status: number;
  /** null: it failed before it had one */
  report: PollReport | null;
  requests: number;
  retries: number;
  seconds: number;
  /** polls of the account that have ever found another one at work; null: not known */
  lockedRuns: number | null;
}

/** Follows a poll: metrics, the monitor and the output each listen to it. */
export interface RunListener {
  /** Called once an account's run holds its lock. */
  begun?: () => void;
  /** Called once per batch, after the batch is stored. */
  polled?: (valves: readonly PolledValve[], nowUs: Micros, account: Account) => void;
  /** Called last, also where the run failed. Must not throw. */
  ended?: (ending: Ending) => Promise<void>;
}
