/** Judges stored readings, and stores the results. */
import type { Database } from '../database/connection.ts';
import { loadCorrectionsInForce } from '../database/corrections.ts';
import { loadExtent, loadCounterReadings, type StoredReading } from '../database/counter-readings.ts';
import { forgetResults, storeResults, type CounterResult } from '../database/energy.ts';
import {
  claimValves,
  forgetCheckpoints,
  loadCheckpoints,
  loadLimits,
  loadUnjudged,
  markUnjudged,
  requireReadings,
  storeCheckpoints,
  storeStates,
  type ClaimedValve,
} from '../database/judgements.ts';
import { KnownError } from '../domain/errors.ts';
import { formatRfc3339, type Micros } from '../domain/time.ts';
import { judge } from './judge.ts';
import { canGoOnFrom, newestOf, stateToRestartFrom } from './restart.ts';
import {
  REGIMES,
  type Checkpoint,
  type Correction,
  type CounterReading,
  type JudgeState,
  type Limits,
  type Regime,
} from './types.ts';

/** A valve, and where the judge goes on from. */
interface JudgedValve {
  tasmartId: string;
  /** the newest judged reading; null: judge from scratch */
  judgedUntilUs: Micros | null;
  state: JudgeState;
}

/** One run of the judge over the readings of a valve. */
interface ValveJudgement {
  before: JudgedValve;
  after: JudgedValve & { judgedUntilUs: Micros };
  /** the readings that the judge was given */
  readings: readonly StoredReading[];
  results: CounterResult[];
}

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
 * @param stored by valve, the oldest reading that this transaction has stored
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
function isInStep({ unjudgedSinceUs, judgedUntilUs, state }: ClaimedValve, oldestStoredUs: Micros): boolean {
  if (judgedUntilUs === null) return unjudgedSinceUs >= oldestStoredUs;
  return unjudgedSinceUs > judgedUntilUs && canGoOnFrom(state);
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
  let valve = await restart(database, claimed);
  for (let beforeUs = valve.judgedUntilUs ?? extent.oldestUs; beforeUs <= extent.newestUs;) {
    beforeUs = startOfNextMonth(beforeUs);
    const judgements = await judgeValves(database, [valve], beforeUs, limits, rethrow);
    // If no checkpoint is possible at the end of this month, judge the next month together with it.
    const isLast = beforeUs > extent.newestUs;
    if (!isLast && !judgements.every(({ after }) => canGoOnFrom(after.state))) continue;
    await storeJudgements(database, judgements);
    valve = judgements[0]?.after ?? valve;
  }
}

/** Chooses a state early enough for the oldest unjudged reading. Deletes the checkpoints and results after that state. */
async function restart(database: Database, claimed: ClaimedValve): Promise<JudgedValve> {
  const { tasmartId, unjudgedSinceUs } = claimed;
  if (claimed.judgedUntilUs !== null && isInStep(claimed, unjudgedSinceUs)) return claimed;
  const state = stateToRestartFrom(await loadCheckpoints(database, tasmartId), unjudgedSinceUs);
  const judgedUntilUs = newestOf(state);
  if (judgedUntilUs === null) await requireReadings(database, tasmartId);
  await forgetCheckpoints(database, tasmartId, judgedUntilUs ?? -Infinity);
  await forgetResults(database, tasmartId, judgedUntilUs);
  return { tasmartId, judgedUntilUs, state };
}

/**
 * Judges the readings of a valve from `fromUs` on again, for `verify`. Stores nothing. Begins at a checkpoint before `fromUs`,
 * so the results begin earlier. Null: there are no readings since that checkpoint.
 *
 * @throws DatabaseError, and what the judge throws
 */
export async function recompute(
  database: Database,
  tasmartId: string,
  fromUs: Micros,
  limits: Limits,
): Promise<Pick<ValveJudgement, 'readings' | 'results'> | null> {
  const state = stateToRestartFrom(await loadCheckpoints(database, tasmartId), fromUs);
  const valve = { tasmartId, judgedUntilUs: newestOf(state), state };
  const [judgement] = await judgeValves(database, [valve], Infinity, limits, rethrow);
  return judgement ?? null;
}

/**
 * Judges each valve from its state on, up to `beforeUs`. Stores nothing. The result omits valves without readings in that
 * time.
 */
async function judgeValves<Valve extends JudgedValve>(
  database: Database,
  valves: readonly Valve[],
  beforeUs: Micros,
  limits: Limits,
  onFailure: (valve: Valve, error: unknown) => void,
): Promise<ValveJudgement[]> {
  if (valves.length === 0) return [];
  const ids = valves.map(({ tasmartId }) => tasmartId);
  const spans = valves.map((valve) => ({ tasmartId: valve.tasmartId, fromUs: suppliedFrom(valve), beforeUs }));
  const readings = await loadCounterReadings(database, spans);
  const corrections = await loadCorrectionsInForce(database, ids);
  const judgements: ValveJudgement[] = [];
  for (const valve of valves) {
    const history = createHistory(database, valve, readings.get(valve.tasmartId) ?? []);
    try {
      const judgement = await judgeCounters(valve, history, corrections.get(valve.tasmartId) ?? [], limits);
      if (judgement) judgements.push(judgement);
    } catch (error) {
      onFailure(valve, error);
    }
  }
  return judgements;
}

function rethrow(_valve: JudgedValve, error: unknown): never {
  throw error;
}

/** The readings from here on are loaded: what the checkpoints need, and from scratch all. */
function suppliedFrom({ judgedUntilUs, state }: JudgedValve): Micros {
  const wanted = REGIMES.flatMap((regime) => state[regime]?.readingsFromUs ?? []);
  return Math.min(...wanted, judgedUntilUs ?? -Infinity);
}

/** The readings of a valve from some time on. Older ones are loaded when the judge needs them. */
interface History {
  fromUs: () => Micros;
  readings: () => readonly StoredReading[];
  extend: (fromUs: Micros) => Promise<void>;
}

function createHistory(database: Database, valve: JudgedValve, loaded: readonly StoredReading[]): History {
  let readings = loaded;
  let suppliedFromUs = suppliedFrom(valve);
  return {
    fromUs: () => suppliedFromUs,
    readings: () => readings,
    async extend(fromUs) {
      const span = { tasmartId: valve.tasmartId, fromUs, beforeUs: suppliedFromUs };
      const older = await loadCounterReadings(database, [span]);
      readings = [...(older.get(valve.tasmartId) ?? []), ...readings];
      suppliedFromUs = fromUs;
    },
  };
}

async function judgeCounters(
  before: JudgedValve,
  history: History,
  corrections: readonly Correction[],
  limits: Limits,
): Promise<ValveJudgement | null> {
  const newest = history.readings().at(-1);
  if (!newest) return null;
  const results: CounterResult[] = [];
  const state: JudgeState = {};
  for (const regime of REGIMES) {
    const checkpoint = before.state[regime];
    const judgement = await judgeCounter(regime, checkpoint ?? null, history, corrections, limits);
    if (!judgement) {
      // The counter sends nothing any more, and its last readings are gone. If it sends again, the judge goes on from here.
      if (checkpoint) state[regime] = checkpoint;
      continue;
    }
    state[regime] = judgement.checkpoint;
    results.push({ tasmartId: before.tasmartId, regime, ...judgement });
  }
  const after = { tasmartId: before.tasmartId, judgedUntilUs: newest.timeUs, state };
  return { before, after, readings: history.readings(), results };
}

/** Null: the counter has no reading in this time. */
async function judgeCounter(
  regime: Regime,
  checkpoint: Checkpoint | null,
  history: History,
  corrections: readonly Correction[],
  limits: Limits,
) {
  for (;;) {
    const readings = history.readings().flatMap(({ timeUs, powerKw, counters }) => {
      const counterKwh = counters[regime];
      return counterKwh === null ? [] : [{ timeUs, counterKwh, powerKw }];
    });
    if (readings.length === 0) return null;
    requireReadingOf(checkpoint, readings);
    const judgement = judge({ checkpoint, readings, suppliedFromUs: history.fromUs(), corrections, limits });
    if (judgement.kind === 'judged') return judgement;
    await history.extend(judgement.readingsFromUs);
  }
}

/** The judge needs the checkpoint's last accepted reading. @throws KnownError exit 78: this reading is gone */
function requireReadingOf(checkpoint: Checkpoint | null, readings: readonly CounterReading[]): void {
  const acceptedUs = checkpoint?.levels.at(-1)?.acceptedUs;
  if (acceptedUs === undefined || readings.some(({ timeUs }) => timeUs === acceptedUs)) return;
  throw new KnownError('config', `the reading of ${formatRfc3339(acceptedUs)} is gone, from which kWh are counted on`, {
    remedy: 'attach the partition of that month again',
  });
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

/** In UTC. */
function startOfNextMonth(timeUs: Micros): Micros {
  const date = new Date(timeUs / 1000);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1) * 1000;
}
