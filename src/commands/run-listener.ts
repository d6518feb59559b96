import type { PolledValve } from '../polling/report.ts';
import type { Micros } from '../domain/time.ts';
import type { PollSummary } from '../reporting/poll.ts';

/** How a poll ended. */
export interface Ending {
  status: number;
  /** null: the run failed before it had a report */
  summary: PollSummary | null;
  /** what ended the run early; null: nothing */
  error: unknown;
  requests: number;
  retries: number;
  seconds: number;
}

/** Follows a poll: metrics, the monitor and the output each listen to it. */
export interface RunListener {
  /** Called once the run holds its lock. */
  begun?: () => void;
  /** Called once per batch, after the batch is stored. */
  polled?: (valves: readonly PolledValve[], nowUs: Micros) => void;
  /** Called last, also where the run failed. Must not throw. */
  ended?: (ending: Ending) => Promise<void>;
}
