/** Chooses the state from which readings are judged again after a change. Pure. */
import type { Micros } from '../domain/time.ts';
import { REGIMES, type Checkpoint, type JudgeState } from '../domain/energy.ts';

/**
 * The newest state from which a change at `changeUs` can be judged, for both counters. `{}`: from scratch.
 *
 * @param states of the ends of months, oldest first, then of the last run: see loadCheckpoints in database/judgements.ts
 */
export function stateToRestartFrom(states: readonly JudgeState[], changeUs: Micros): JudgeState {
  const usable = states.filter(canGoOnFrom);
  const possible = REGIMES.flatMap((regime) => {
    const checkpoints = usable.flatMap((state) => state[regime] ?? []);
    return checkpointsBefore(checkpoints, states.at(-1)?.[regime] ?? null, changeUs);
  });
  // A counter without an entry had no reading until then, so it begins from scratch.
  const isPossible = (state: JudgeState) =>
    Object.values(state).every((checkpoint) => checkpoint !== null && possible.includes(checkpoint));
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
  // So the curve is stored as a checkpoint holds it only if the checkpoint ends before that level. The newest never does.
  const redrawnFromUs = unchanged.at(-1)?.levels[0]?.sinceUs ?? -Infinity;
  // If the counter has stood at one level from the checkpoint until now, no rise was drawn, so the checkpoint holds too.
  const standsSinceUs = current?.redrawsRise === false ? current.levels.at(-1)?.sinceUs : undefined;
  return unchanged.filter(({ levels }) => {
    const level = levels.at(-1);
    return level !== undefined && (level.acceptedUs < redrawnFromUs || level.sinceUs === standsSinceUs);
  });
}
