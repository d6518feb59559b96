import type { KnownError } from '../domain/errors.ts';
import { storedOf, type PolledValve, type PollFailure, type PollReport } from './report.ts';
import type { TargetProblem } from './targets.ts';
import type { ValveOutcome } from './valve.ts';

export interface Tally {
  add: (outcomes: readonly ValveOutcome[], polled: readonly PolledValve[]) => void;
  result: () => Omit<PollReport, 'nowUs'>;
}

/** Counts what becomes of the valves; of those that are well, it keeps nothing else. */
export function createTally(problems: readonly TargetProblem[]): Tally {
  const failures: PollFailure[] = problems.map(({ reason, remedy }) => ({ valve: null, reason, remedy }));
  let valves = 0;
  let readings = 0;
  let stored = 0;
  let unchanged = 0;
  let silent = 0;
  let unread = 0;
  let firstError: KnownError | null = null;

  function add(outcomes: readonly ValveOutcome[], polled: readonly PolledValve[]): void {
    for (const { failure } of outcomes) {
      if (!failure?.error) continue;
      unread += 1;
      firstError ??= failure.error;
    }
    for (const valve of polled) {
      const added = storedOf(valve);
      valves += 1;
      readings += valve.readings.length;
      stored += added;
      if (valve.silent) silent += 1;
      if (valve.failure !== null) failures.push({ valve: valve.valve, reason: valve.failure, remedy: valve.remedy });
      else if (!valve.silent && added === 0) unchanged += 1;
    }
  }

  function result(): Omit<PollReport, 'nowUs'> {
    const nothingRead = valves > 0 && unread === valves && readings === 0;
    return {
      outcome: failures.length === 0 ? 'success' : nothingRead ? 'failed' : 'partial',
      valves: valves + problems.length,
      failures,
      stored,
      unchanged,
      silent,
      error: nothingRead ? firstError : null,
    };
  }

  return { add, result };
}
