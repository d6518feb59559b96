/** Loads the readings of valves, and judges both counters of each. Stores nothing. */
import type { Database } from '../database/connection.ts';
import { loadCorrectionsInForce } from '../database/corrections.ts';
import { loadCounterReadings, type StoredReading } from '../database/counter-readings.ts';
import type { CounterResult } from '../database/energy.ts';
import { requireReadings } from '../database/retired-readings.ts';
import type { Micros } from '../domain/time.ts';
import { judge } from './judge.ts';
import {
  REGIMES,
  type Checkpoint,
  type Correction,
  type CounterReading,
  type JudgeState,
  type Limits,
  type Regime,
} from '../domain/energy.ts';

/** A valve, and where the judge goes on from. */
export interface JudgedValve {
  tasmartId: string;
  /** the newest judged reading; null: judge from scratch */
  judgedUntilUs: Micros | null;
  state: JudgeState;
}

/** One run of the judge over the readings of a valve. */
export interface ValveJudgement {
  before: JudgedValve;
  after: JudgedValve & { judgedUntilUs: Micros };
  /** the readings that the judge was given */
  readings: readonly StoredReading[];
  results: CounterResult[];
}

/**
 * Judges each valve from its state on, up to `beforeUs`. The result omits valves without readings in that time, and those
 * that failed.
 */
export async function judgeValves<Valve extends JudgedValve>(
  database: Database,
  valves: readonly Valve[],
  beforeUs: Micros,
  limits: Limits,
  onFailure: (valve: Valve, error: unknown) => void,
): Promise<ValveJudgement[]> {
  if (valves.length === 0) return [];
  const ids = valves.map(({ tasmartId }) => tasmartId);
  const spans = valves.map((valve) => ({ tasmartId: valve.tasmartId, fromUs: readingsFrom(valve), beforeUs }));
  const readings = await loadCounterReadings(database, spans);
  const corrections = await loadCorrectionsInForce(database, ids);
  const judgements: ValveJudgement[] = [];
  for (const valve of valves) {
    const supplied = { fromUs: readingsFrom(valve), readings: readings.get(valve.tasmartId) ?? [] };
    try {
      const judgement = await judgeValve(database, valve, supplied, corrections.get(valve.tasmartId) ?? [], limits);
      if (judgement) judgements.push(judgement);
    } catch (error) {
      onFailure(valve, error);
    }
  }
  return judgements;
}

/**
 * The checkpoints need the readings from here on. A counter without a checkpoint needs those that are not judged yet. From
 * scratch: all.
 */
function readingsFrom({ judgedUntilUs, state }: JudgedValve): Micros {
  const wanted = REGIMES.flatMap((regime) => state[regime]?.readingsFromUs ?? []);
  return Math.min(...wanted, judgedUntilUs ?? -Infinity);
}

/** The readings of a valve from `fromUs` on. */
interface Supplied {
  fromUs: Micros;
  readings: readonly StoredReading[];
}

/** Null: the valve has no reading in this time. */
async function judgeValve(
  database: Database,
  before: JudgedValve,
  loaded: Supplied,
  corrections: readonly Correction[],
  limits: Limits,
): Promise<ValveJudgement | null> {
  const { tasmartId } = before;
  const newest = loaded.readings.at(-1);
  if (!newest) return null;
  let supplied = loaded;
  const results: CounterResult[] = [];
  const state: JudgeState = {};
  for (const regime of REGIMES) {
    const checkpoint = before.state[regime] ?? null;
    let judgement = judgeCounter(regime, checkpoint, supplied, corrections, limits);
    while (judgement?.kind === 'needs-history') {
      supplied = await extendBack(database, tasmartId, supplied, judgement.readingsFromUs);
      judgement = judgeCounter(regime, checkpoint, supplied, corrections, limits);
    }
    if (judgement) {
      if (checkpoint) await requireTail(database, tasmartId, regime, checkpoint, supplied.readings);
      state[regime] = judgement.checkpoint;
      results.push({ tasmartId, regime, ...judgement });
    } else if (checkpoint) {
      // The counter sends nothing any more. If it sends again, the judge goes on from here.
      state[regime] = checkpoint;
    }
  }
  const after = { tasmartId, judgedUntilUs: newest.timeUs, state };
  return { before, after, readings: supplied.readings, results };
}

/** Where the checkpoint's last reading is gone: @throws KnownError if later readings with kWh are gone, too */
async function requireTail(
  database: Database,
  tasmartId: string,
  regime: Regime,
  { levels }: Checkpoint,
  readings: readonly StoredReading[],
): Promise<void> {
  const lastUs = levels.at(-1)?.acceptedUs ?? -Infinity;
  if (readings.some(({ timeUs }) => timeUs === lastUs)) return;
  await requireReadings(database, tasmartId, { [regime]: lastUs });
}

async function extendBack(
  database: Database,
  tasmartId: string,
  { fromUs: beforeUs, readings }: Supplied,
  fromUs: Micros,
): Promise<Supplied> {
  const older = await loadCounterReadings(database, [{ tasmartId, fromUs, beforeUs }]);
  return { fromUs, readings: [...(older.get(tasmartId) ?? []), ...readings] };
}

/** Null: the counter has no reading in this time. */
function judgeCounter(
  regime: Regime,
  checkpoint: Checkpoint | null,
  { fromUs: suppliedFromUs, readings: stored }: Supplied,
  corrections: readonly Correction[],
  limits: Limits,
) {
  const readings = stored.flatMap(({ timeUs, powerKw, counters }): CounterReading[] => {
    const counterKwh = counters[regime];
    return counterKwh === null ? [] : [{ timeUs, counterKwh, powerKw }];
  });
  if (readings.length === 0) return null;
  return judge({ checkpoint, readings, suppliedFromUs, corrections, limits });
}
