/** What a test of convergence goes through: a history of HyCloud, its valves, faults and runs. */
import type { Fault } from '../../scripts/simulator/faults.ts';
import type { PropertyName } from '../../src/domain/reading.ts';

/**
 * One history, as plain data: what fast-check prints of a failure can be pasted into a test. random-histories.ts makes them,
 * world.ts acts them out. Minutes count from START (world.ts).
 */
export interface History {
  /** seed of the simulated valves */
  seed: number;
  intervalMinutes: 5 | 15 | 60;
  properties: 'four' | 'some' | 'all';
  catchUpHours: number;
  initialHistoryHours: number;
  requestsPerSecond: number;
  maxConcurrency: number;
  deadlineSeconds: number;
  targets: 'both' | 'first' | 'by name';
  /** which of HyCloud's servers has the wrong clock of the `date` faults */
  wrongClockOf: 'projects' | 'points';
  valves: readonly ValveHistory[];
  steps: readonly Step[];
}

export interface ValveHistory {
  /** seconds between points; 15 is the real one, the others are cheaper */
  everyS: number;
  /** how long after the grid of `everyS` a point comes; 0, without a jitter: points on boundaries */
  phaseMs: number;
  jitterMs: number;
  livesIn: Place;
  /** the counters at the installation; `huge`: just below 2^53, above which a double is not exact */
  counter: 'new' | 'old' | 'huge';
  outages: readonly { atMin: number; minutes: number }[];
  /** `minutes` null: for good */
  resets: readonly { atMin: number; kwh: number; minutes: number | null }[];
  absences: readonly { property: PropertyName; as: 'absent' | 'null'; atMin: number; minutes: number }[];
  /** `copies` points besides the regular ones, `apartUs` apart; the first comes `offsetUs` after the n-th boundary from START */
  extras: readonly { boundary: number; offsetUs: number; copies: number; apartUs: number }[];
}

/** The project or projects that list a valve. */
export type Place = 'first' | 'second' | 'both' | 'none';

export interface Step {
  /** 0: the run begins `offsetUs` after the last run. n: `offsetUs` after (or before) the n-th boundary that follows. */
  boundaries: number;
  offsetUs: number;
  /** valves that another project lists from this step on */
  moves: readonly { valve: number; to: Place }[];
  inclusive: { from: boolean; to: boolean };
  timeFormat: 'micros' | 'short' | 'nanos';
  faults: readonly StepFault[];
  run: Run;
}

export type Run =
  | { kind: 'poll'; valve: number | null }
  | { kind: 'backfill'; valve: number | null; fromHours: number; hours: number }
  | { kind: 'two polls' }
  | { kind: 'poll and backfill'; fromHours: number; hours: number };

export type StepFault =
  /** `on` a number: the points of that valve */
  | { kind: 'http'; on: 'projects' | 'points' | 'all' | number; after: number; times: number; fault: HttpFault }
  /** the points of a stretch of time are malformed, in this step and in `steps` more */
  | { kind: 'malformed'; valve: number; agoMin: number; minutes: number; how: Malformation; steps: number }
  /** strikes at the n-th statement of the run, from 0 */
  | { kind: 'database'; what: DatabaseFault; at: number }
  /** strikes at the n-th request or statement of the run, from 0; program.ts cannot count statements, and uses `at` otherwise */
  | { kind: 'process'; what: 'abort' | 'crash'; on: 'request' | 'statement'; at: number }
  /** this machine's clock is wrong, and these answers of HyCloud have no `Date` */
  | { kind: 'clock'; aheadMin: number; dateless: 'projects' | 'points' | 'all' };

export type HttpFault = Exclude<Fault, { kind: 'transform' }>;

export type DatabaseFault =
  | 'terminated'
  /** the statement was executed, but its answer is lost with the session */
  | 'answer lost'
  | 'read-only'
  | 'locked'
  | 'full: readings'
  | 'full: valves';

export type Malformation = 'text' | 'fraction' | 'too large' | 'bad time' | 'no time' | 'no object';
