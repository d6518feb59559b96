/** Which stored readings are judged when, and from which checkpoint on. Stores the results. */
import type { Database } from '../database/connection.ts';
import { loadExtent } from '../database/counter-readings.ts';
import { cutCurves, storeResults } from '../database/energy.ts';
import {
  claimValves,
  forgetCheckpoints,
  loadCheckpoints,
  loadLimits,
  loadUnjudged,
  markUnjudged,
  storeCheckpoints,
  storeStates,
  type ClaimedValve,
} from '../database/judgements.ts';
import { requireReadings } from '../database/retired-readings.ts';
import type { Micros } from '../domain/time.ts';
import { judgeValves, type JudgedValve, type ValveJudgement } from './judge-valves.ts';
import { canGoOnFrom, newestOf, stateToRestartFrom } from './restart.ts';
import { REGIMES, type Limits, type Regime } from '../domain/energy.ts';

/** A valve that could not be judged. Its readings are stored, and it stays marked as unjudged. */
export interface JudgeFailure {
  tasmartId: string;
  error: unknown;
}

/**
 * Judges the readings that the transaction has just stored. Call in that transaction. Only valves in step are judged: those
 * whose unjudged readings are all newer than the judged ones. The others stay marked for `judgePending`.
 *
 * A failure here must not lose readings: it is rolled back to a savepoint, and the valves stay marked.
 *
 * @param stored by valve, the oldest reading that this transaction has stored; Infinity: none
 * @throws DatabaseError if the session is lost
 */
export async function judgeInStep(
  database: Database,
  stored: ReadonlyMap<string, Micros>,
  configured: Limits,
): Promise<void> {
  await database.query('savepoint judging');
  try {
    const claimed = await claimValves(database, [...stored.keys()]);
    const limits = await loadLimits(database, configured);
    const inStep = claimed.filter((valve) => isInStep(valve, stored.get(valve.tasmartId) ?? Infinity));
    // A valve that cannot be judged costs no other valve. `judgePending` says why it cannot.
    const failed: ClaimedValve[] = [];
    const judgements = await judgeValves(database, inStep, Infinity, limits, (valve) => failed.push(valve));
    await storeJudgements(database, judgements);
    await markUnjudged(database, [...claimed.filter((valve) => !inStep.includes(valve)), ...failed]);
  } catch (error) {
    if (database.lost.aborted) throw error;
    await database.query('rollback to savepoint judging');
  }
}

/** A valve without judged readings is in step if all of its readings are in this transaction. */
function isInStep(valve: ClaimedValve, oldestStoredUs: Micros): boolean {
  return valve.judgedUntilUs === null ? valve.unjudgedSinceUs >= oldestStoredUs : canGoOn(valve);
}

/** Whether judging can go on from the state of the last run: all unjudged readings are newer. */
function canGoOn({ unjudgedSinceUs, judgedUntilUs, state }: ClaimedValve): boolean {
  return judgedUntilUs !== null && unjudgedSinceUs > judgedUntilUs && canGoOnFrom(state);
}

export interface PendingOptions {
  /** called after each valve */
  onJudged?: (done: number, total: number) => void;
  signal?: AbortSignal;
}

/**
 * Judges every valve that has unjudged readings, each in a transaction of its own. A valve that fails stays marked. The
 * others are judged all the same. If the signal aborts, returns early: the others stay marked.
 *
 * @param configured the limits to store if the database has none. Valves are judged by those in the database.
 * @throws DatabaseError if the session is lost
 */
export async function judgePending(
  database: Database,
  configured: Limits,
  { onJudged, signal }: PendingOptions = {},
): Promise<JudgeFailure[]> {
  const tasmartIds = await loadUnjudged(database);
  const failures: JudgeFailure[] = [];
  for (const [index, tasmartId] of tasmartIds.entries()) {
    if (signal?.aborted) break;
    try {
      await database.transaction(() => judgeOne(database, tasmartId, configured));
    } catch (error) {
      if (database.lost.aborted) throw error;
      failures.push({ tasmartId, error });
    }
    onJudged?.(index + 1, tasmartIds.length);
  }
  return failures;
}

/**
 * Judges the unjudged readings of a valve, unless another session is doing it. Call in a transaction.
 *
 * Read the limits only after the valve is locked. The command `rejudge` changes them, waits for this lock, and then marks
 * the valve. So no valve keeps kWh by the old limits.
 *
 * @throws DatabaseError, KnownError if readings are gone, and what the judge throws
 */
export async function judgeOne(database: Database, tasmartId: string, configured: Limits): Promise<void> {
  const [valve] = await claimValves(database, [tasmartId]);
  if (valve) await judgeByMonth(database, valve, await loadLimits(database, configured));
}

/** Month by month: memory stays flat, and each month leaves a checkpoint to restart from. */
async function judgeByMonth(database: Database, claimed: ClaimedValve, limits: Limits): Promise<void> {
  const extent = await loadExtent(database, claimed.tasmartId);
  if (!extent) return;
  const goesBack = !canGoOn(claimed);
  let valve: JudgedValve = goesBack ? await findRestart(database, claimed.tasmartId, claimed.unjudgedSinceUs) : claimed;
  let beforeUs = valve.judgedUntilUs ?? extent.oldestUs;
  if (beforeUs > extent.newestUs) return; // all readings that would be judged again are gone: their kWh stay
  if (goesBack) await goBack(database, valve);
  while (beforeUs <= extent.newestUs) {
    beforeUs = startOfNextMonth(beforeUs);
    const [judgement] = await judgeValves(database, [valve], beforeUs, limits, rethrow);
    if (judgement === undefined) continue; // a month without readings
    // If no checkpoint is possible at the end of this month, judge the next month together with it.
    const isLast = beforeUs > extent.newestUs;
    if (!isLast && !canGoOnFrom(judgement.after.state)) continue;
    await cutCurves(database, judgement.results);
    await storeJudgements(database, [judgement]);
    valve = judgement.after;
  }
}

/** The newest state from which a change at `changeUs` can be judged. */
async function findRestart(database: Database, tasmartId: string, changeUs: Micros): Promise<JudgedValve> {
  const state = stateToRestartFrom(await loadCheckpoints(database, tasmartId), changeUs);
  return { tasmartId, judgedUntilUs: newestOf(state), state };
}

/** @throws KnownError if judging on from this state would lose kWh */
async function requireReadingsAfter(database: Database, { tasmartId, state }: JudgedValve): Promise<void> {
  const lastUs = (regime: Regime) => state[regime]?.levels.at(-1)?.acceptedUs ?? -Infinity;
  await requireReadings(database, tasmartId, { 1: lastUs(1), 2: lastUs(2) });
}

/**
 * Goes back to an earlier state. Deletes the checkpoints after that state, and what is stored of counters without a checkpoint
 * in it: they begin from scratch, or have no readings any more.
 */
async function goBack(database: Database, valve: JudgedValve): Promise<void> {
  const { tasmartId, judgedUntilUs, state } = valve;
  await requireReadingsAfter(database, valve);
  await forgetCheckpoints(database, tasmartId, judgedUntilUs ?? -Infinity);
  const nothing = { quarters: [], replacesQuartersFromUs: null, events: [], replacesEventsAfterUs: null };
  const fromScratch = REGIMES.filter((regime) => !state[regime]).map((regime) => ({ tasmartId, regime, ...nothing }));
  await cutCurves(database, fromScratch);
  await storeResults(database, fromScratch);
}

/**
 * Judges the readings of a valve from `fromUs` on again, for `verify`. Stores nothing. Begins at a checkpoint before `fromUs`,
 * so the results begin earlier. Null: there are no readings from `fromUs` on, so there are no kWh either.
 *
 * @throws DatabaseError, KnownError if readings are gone, and what the judge throws
 */
export async function recompute(
  database: Database,
  tasmartId: string,
  fromUs: Micros,
  limits: Limits,
): Promise<Pick<ValveJudgement, 'readings' | 'results'> | null> {
  const extent = await loadExtent(database, tasmartId);
  if (!extent || extent.newestUs < fromUs) return null;
  const valve = await findRestart(database, tasmartId, fromUs);
  await requireReadingsAfter(database, valve);
  const [judgement] = await judgeValves(database, [valve], Infinity, limits, rethrow);
  return judgement ?? null;
}

function rethrow(_valve: JudgedValve, error: unknown): never {
  throw error;
}

async function storeJudgements(database: Database, judgements: readonly ValveJudgement[]): Promise<void> {
  if (judgements.length === 0) return;
  await storeResults(
    database,
    judgements.flatMap(({ results }) => results),
  );
  // A run that enters a new month keeps the state that it began with, as the checkpoint of the month before.
  const monthEnds = judgements.flatMap(({ before: { tasmartId, judgedUntilUs, state }, after }) => {
    const isMonthEnd = judgedUntilUs !== null && after.judgedUntilUs >= startOfNextMonth(judgedUntilUs);
    return isMonthEnd ? [{ tasmartId, newestUs: judgedUntilUs, state }] : [];
  });
  await storeCheckpoints(database, monthEnds);
  await storeStates(
    database,
    judgements.map(({ after }) => after),
  );
}

/** In UTC, as storeCheckpoints and forgetCheckpoints cut months. */
function startOfNextMonth(timeUs: Micros): Micros {
  const date = new Date(timeUs / 1000);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1) * 1000;
}
