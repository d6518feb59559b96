/** Chooses the state from which readings are judged again after a change. Pure. */
import type { Micros } from '../domain/time.ts';
import { REGIMES, type Checkpoint, type JudgeState } from '../domain/energy.ts';

/**
 * The newest state from which a change at `changeUs` can be judged, for both counters. `{}`: from scratch.
 *
 * @param states those at the ends of months, oldest first, then that of the last run
 */
export function stateToRestartFrom(states: readonly JudgeState[], changeUs: Micros): JudgeState {
  const usable = states.filter(canGoOnFrom);
  const possible = REGIMES.flatMap((regime) => {
    const checkpoints = usable.flatMap((state) => state[regime] ?? []);
    return checkpointsBefore(checkpoints, states.at(-1)?.[regime] ?? null, changeUs);
  });
  // A counter without an entry had no reading until then, so it begins from scratch.
  const checkpointsOf = (state: JudgeState) => Object.values(state).filter((checkpoint) => checkpoint !== null);
  const isPossible = (state: JudgeState) => checkpointsOf(state).every((checkpoint) => possible.includes(checkpoint));
  return usable.findLast((state) => newestOf(state) !== null && isPossible(state)) ?? {};
}

/** False: a counter has readings but no checkpoint (null). A counter without an entry had no reading. */
export function canGoOnFrom(state: JudgeState): boolean {
  return !Object.values(state).includes(null);
}

/** The newest reading of both counters that the state's run has seen. */
export function newestOf(state: JudgeState): Micros | null {
  const times = REGIMES.flatMap((regime) => state[regime]?.newestUs ?? []);
  return times.length > 0 ? Math.max(...times) : null;
}

/**
 * The checkpoints that a run can begin at if a reading or a correction changes at `changeUs`. Begin at the newest, and
 * forget the checkpoints after it.
 *
 * @param checkpoints all that are known, oldest first
 * @param current the checkpoint of the last run. Null: there is none
 */
export function checkpointsBefore(
  checkpoints: readonly Checkpoint[],
  current: Checkpoint | null,
  changeUs: Micros,
): Checkpoint[] {
  const unchanged = checkpoints.filter(({ newestUs }) => newestUs < changeUs);
  // Runs after the newest of these may have drawn the curve again from its oldest level on, by readings that have now changed.
  // So a checkpoint is usable if it ends before that level, which the newest itself never does,
  const redrawnFromUs = unchanged.at(-1)?.levels[0]?.sinceUs ?? -Infinity;
  // or if the counter still stands at its level, and no rise was drawn since.
  const standsSinceUs = current?.redrawsRise === false ? current.levels.at(-1)?.sinceUs : undefined;
  return unchanged.filter(({ levels }) => {
    const level = levels.at(-1);
    return level !== undefined && (level.acceptedUs < redrawnFromUs || level.sinceUs === standsSinceUs);
  });
}
