/** Judges stored readings, and keeps the results beside them. */
import type { Database } from '../database/connection.ts';
import { loadCorrectionsInForce } from '../database/corrections.ts';
import { loadExtent, loadReadings, type StoredReading } from '../database/counter-readings.ts';
import { storeResults, type CounterResult } from '../database/energy.ts';
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
import { checkpointBefore, judge } from './judge.ts';
import {
  REGIMES,
  type Checkpoint,
  type Correction,
  type CounterReading,
  type JudgeState,
  type Limits,
  type Regime,
} from './types.ts';

/** A valve whose judge goes on from `state`. */
interface JudgedValve {
  tasmartId: string;
  /** null: from scratch */
  judgedUntilUs: Micros | null;
  state: JudgeState;
}

/** One run of the judge over a valve's readings. */
interface Judgement {
  before: JudgedValve;
  after: JudgedValve & { judgedUntilUs: Micros };
  /** those that the results were made of */
  readings: readonly StoredReading[];
  results: CounterResult[];
}

/** A valve that could not be judged. Its readings are stored, and it stays marked as unjudged. */
export interface JudgeFailure {
  tasmartId: string;
  error: unknown;
}

/**
 * Judges what a transaction has just stored; a part of that transaction. Only valves in step are judged here: those
 * whose unjudged readings are all newer than the judged ones. The others keep their marks for `judgePending`.
 *
 * Whatever fails here never costs a reading: the work is undone up to a savepoint, and all marks stay.
 *
 * @param stored valves, with the oldest reading that this transaction has stored of each
 * @throws DatabaseError where the session is lost
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
    await storeJudgements(database, await judgeReadings(database, inStep, Infinity, limits));
    await markUnjudged(
      database,
      claimed.filter((valve) => !inStep.includes(valve)),
    );
  } catch (error) {
    if (database.lost.aborted) throw error;
    await database.query('rollback to savepoint judging');
  }
}

/** A new valve is in step if all of its readings have just been stored. */
function isInStep({ unjudgedSinceUs, judgedUntilUs, state }: ClaimedValve, oldestStoredUs: Micros): boolean {
  if (judgedUntilUs === null) return unjudgedSinceUs >= oldestStoredUs;
  return unjudgedSinceUs > judgedUntilUs && isFinal(state);
}

/** Whether every counter has a checkpoint to go on from. */
function isFinal(state: JudgeState): boolean {
  return !Object.values(state).includes(null);
}

export interface PendingOptions {
  /** called after each valve */
  onJudged?: (done: number, total: number) => void;
  signal?: AbortSignal;
}

/**
 * Judges every valve that has unjudged readings, each in a transaction of its own. A valve that fails keeps its marks,
 * and costs no other valve.
 *
 * @throws DatabaseError where the session is lost
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
 * Judges the unjudged readings of a valve, unless another session does. A part of a transaction.
 *
 * The limits are read once the valve is locked. `rejudge` changes them before it marks the valves, and waits for this
 * lock. So no valve keeps kWh by the limits of before.
 *
 * @throws DatabaseError, KnownError where readings are gone, and what the judge throws
 */
export async function judgeOne(database: Database, tasmartId: string, configured: Limits): Promise<void> {
  const [valve] = await claimValves(database, [tasmartId]);
  if (valve) await judgeValve(database, valve, await loadLimits(database, configured));
}

/** Month by month, so that memory stays flat and each month leaves a checkpoint to come back to. */
async function judgeValve(database: Database, claimed: ClaimedValve, limits: Limits): Promise<void> {
  const extent = await loadExtent(database, claimed.tasmartId);
  if (!extent) return;
  let valve = await restart(database, claimed);
  for (let beforeUs = valve.judgedUntilUs ?? extent.fromUs; beforeUs <= extent.toUs;) {
    beforeUs = startOfNextMonth(beforeUs);
    const judgements = await judgeReadings(database, [valve], beforeUs, limits);
    // Where no checkpoint is possible, the next month is judged together with this one.
    const isLast = beforeUs > extent.toUs;
    if (!isLast && !judgements.every(({ after }) => isFinal(after.state))) continue;
    await storeJudgements(database, judgements);
    valve = judgements[0]?.after ?? valve;
  }
}

/** Where the judge of a valve begins, given its oldest unjudged reading. */
async function restart(database: Database, claimed: ClaimedValve): Promise<JudgedValve> {
  const { tasmartId, unjudgedSinceUs } = claimed;
  if (claimed.judgedUntilUs !== null && isInStep(claimed, unjudgedSinceUs)) return claimed;
  const state = restartBefore(await loadCheckpoints(database, tasmartId), unjudgedSinceUs);
  const judgedUntilUs = newestOf(state);
  if (judgedUntilUs === null) await requireReadings(database, tasmartId);
  await forgetCheckpoints(database, tasmartId, judgedUntilUs ?? -Infinity);
  return { tasmartId, judgedUntilUs, state };
}

/**
 * What the judge makes of a valve's stored readings from `fromUs` on. Begins at a checkpoint of a month that ends well
 * before. Stores nothing. Null: there are no readings since that checkpoint.
 *
 * @throws DatabaseError, and what the judge throws
 */
export async function rejudge(
  database: Database,
  tasmartId: string,
  fromUs: Micros,
  limits: Limits,
): Promise<Pick<Judgement, 'readings' | 'results'> | null> {
  const state = restartBefore(await loadCheckpoints(database, tasmartId), fromUs);
  const valve = { tasmartId, judgedUntilUs: newestOf(state), state };
  const [judgement] = await judgeReadings(database, [valve], Infinity, limits);
  return judgement ?? null;
}

/**
 * The newest of the states from which a change at `changeUs` can be judged. Empty: from scratch.
 *
 * @param states at the ends of months, oldest first
 */
export function restartBefore(states: readonly JudgeState[], changeUs: Micros): JudgeState {
  const usable = states.filter(isFinal);
  const restarts = REGIMES.filter((regime) => usable.some((state) => regime in state)).map((regime) => {
    const checkpoints = usable.flatMap((state) => state[regime] ?? []);
    const checkpoint = checkpointBefore(checkpoints, changeUs);
    return usable.findIndex((state) => checkpoint !== null && state[regime] === checkpoint);
  });
  return usable[Math.min(...restarts)] ?? {};
}

function newestOf(state: JudgeState): Micros | null {
  const times = REGIMES.flatMap((regime) => state[regime]?.newestUs ?? []);
  return times.length > 0 ? Math.max(...times) : null;
}

/**
 * Judges on from each valve's state through its readings before `beforeUs`. Stores nothing. Valves without such readings
 * are left out.
 */
async function judgeReadings(
  database: Database,
  valves: readonly JudgedValve[],
  beforeUs: Micros,
  limits: Limits,
): Promise<Judgement[]> {
  if (valves.length === 0) return [];
  const ids = valves.map(({ tasmartId }) => tasmartId);
  const spans = valves.map((valve) => ({ tasmartId: valve.tasmartId, fromUs: suppliedFrom(valve), beforeUs }));
  const readings = await loadReadings(database, spans);
  const corrections = await loadCorrectionsInForce(database, ids);
  const judgements: Judgement[] = [];
  for (const valve of valves) {
    const history = createHistory(database, valve, readings.get(valve.tasmartId) ?? []);
    const judgement = await judgeValveReadings(valve, history, corrections.get(valve.tasmartId) ?? [], limits);
    if (judgement) judgements.push(judgement);
  }
  return judgements;
}

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
      const older = await loadReadings(database, [span]);
      readings = [...(older.get(valve.tasmartId) ?? []), ...readings];
      suppliedFromUs = fromUs;
    },
  };
}

async function judgeValveReadings(
  before: JudgedValve,
  history: History,
  corrections: readonly Correction[],
  limits: Limits,
): Promise<Judgement | null> {
  const newest = history.readings().at(-1);
  if (!newest) return null;
  const results: CounterResult[] = [];
  const state: JudgeState = {};
  for (const regime of REGIMES) {
    const judgement = await judgeCounter(regime, before.state[regime] ?? null, history, corrections, limits);
    if (!judgement) continue;
    state[regime] = judgement.checkpoint;
    results.push({ tasmartId: before.tasmartId, regime, ...judgement });
  }
  const after = { tasmartId: before.tasmartId, judgedUntilUs: newest.timeUs, state };
  return { before, after, readings: history.readings(), results };
}

/** Null: the counter has never had a reading. */
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

/** The judge goes on from the checkpoint's last accepted reading. @throws KnownError exit 78: it is gone */
function requireReadingOf(checkpoint: Checkpoint | null, readings: readonly CounterReading[]): void {
  const acceptedUs = checkpoint?.levels.at(-1)?.acceptedUs;
  if (acceptedUs === undefined || readings.some(({ timeUs }) => timeUs === acceptedUs)) return;
  throw new KnownError('config', `the reading of ${formatRfc3339(acceptedUs)} is gone, from which kWh are counted on`, {
    remedy: 'attach the partition of that month again',
  });
}

async function storeJudgements(database: Database, judgements: readonly Judgement[]): Promise<void> {
  if (judgements.length === 0) return;
  await storeResults(
    database,
    judgements.flatMap(({ results }) => results),
  );
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
