/** What a poll or a backfill reports: counts and failures. */
import type { KnownError } from '../domain/errors.ts';
import type { Reading } from '../domain/reading.ts';
import type { Micros, Span } from '../domain/time.ts';
import type { Valve } from '../domain/valve.ts';
import type { NoSuchValve } from './target-errors.ts';
import type { TargetProblem } from './targets.ts';
import type { ValveOutcome } from './valve.ts';

/** A polled valve once its batch is stored. */
export interface PolledValve extends ValveOutcome {
  /** the readings that this run added; in a dry run, all */
  stored: ReadonlySet<Reading>;
}

/** A valve that failed; `valve` null: a target that could not be resolved to a valve. */
export interface PollFailure {
  valve: Valve | null;
  reason: string;
  /** what to do about it */
  remedy: string | null;
}

export interface PollReport {
  outcome: 'success' | 'partial' | 'failed';
  /** HyCloud's clock at the start */
  nowUs: Micros;
  /** valves, targets that could not be resolved, and one more if kWh could not be judged: each failure counts as one of them */
  valves: number;
  failures: readonly PollFailure[];
  /** readings */
  stored: number;
  /** valves with nothing new that are neither silent nor failed */
  unchanged: number;
  /** valves of which HyCloud has no point of the last interval */
  silent: number;
  /** valves with points older than catch_up_days that this run did not fetch, and the span of all of them; null: none */
  skipped: { valves: number; span: Span } | null;
  /** the first error of a run that `failed`, because no valve could be read; else, or if only malformed points came, null */
  error: KnownError | null;
  /** names of `--valve` that fit no valve of this account; null: none */
  missing: NoSuchValve | null;
}

/** Adds up the batches of a run. Keeps the failures, but only counts of other valves. */
export function createReport(
  nowUs: Micros,
  problems: readonly TargetProblem[],
  missing: NoSuchValve | null = null,
): { add: (batch: readonly PolledValve[]) => void; result: () => PollReport } {
  const failures: PollFailure[] = problems.map(({ reason, remedy }) => ({ valve: null, reason, remedy }));
  /** `readings`: to store, new or not; `unread`: valves of which a call failed */
  const counts = { valves: 0, readings: 0, stored: 0, unchanged: 0, silent: 0, unread: 0 };
  let skipped: PollReport['skipped'] = null;
  let firstError: KnownError | null = null;

  function add(batch: readonly PolledValve[]): void {
    for (const { valve, readings, stored, silent, failure, skipped: span } of batch) {
      counts.valves += 1;
      counts.readings += readings.length;
      counts.stored += stored.size;
      if (silent) counts.silent += 1;
      if (failure) failures.push({ valve, reason: failure.reason, remedy: failure.remedy });
      else if (!silent && stored.size === 0) counts.unchanged += 1;
      if (failure?.error) {
        counts.unread += 1;
        firstError ??= failure.error;
      }
      if (span) skipped = { valves: (skipped?.valves ?? 0) + 1, span: union(skipped?.span ?? span, span) };
    }
  }

  function result(): PollReport {
    const { valves, readings, stored, unchanged, silent, unread } = counts;
    const nothingRead = valves > 0 && unread === valves && readings === 0;
    const outcome = outcomeOf(failures.length, nothingRead);
    const error = nothingRead ? firstError : null;
    const polled = { valves: valves + problems.length, stored, unchanged, silent };
    return { outcome, nowUs, ...polled, failures, skipped, error, missing };
  }

  return { add, result };
}

/** The outcome of a run. @param failed the number of failures */
export function outcomeOf(failed: number, nothingRead: boolean): PollReport['outcome'] {
  if (failed === 0) return 'success';
  return nothingRead ? 'failed' : 'partial';
}

function union(a: Span, b: Span): Span {
  return { fromUs: Math.min(a.fromUs, b.fromUs), toUs: Math.max(a.toUs, b.toUs) };
}
