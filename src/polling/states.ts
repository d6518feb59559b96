import type { Database } from '../database/connection.ts';
import { loadSyncStates } from '../database/repository.ts';
import type { Micros } from '../domain/time.ts';
import type { Valve } from '../domain/valve.ts';
import type { ValveState } from './plan.ts';

const CHUNK = 5000;

/** A valve and what the database knows of it. */
export interface Work {
  valve: Valve;
  state: ValveState;
}

/**
 * The valves with their states, longest ago tried first. The states are kept in columns of numbers: of a hundred
 * thousand valves, objects would take ten times as much.
 *
 * @param window of the last boundary, (fromUs, toUs]
 * @throws DatabaseError
 */
export async function loadWork(
  database: Database,
  valves: readonly Valve[],
  window: { fromUs: Micros; toUs: Micros },
): Promise<Iterable<Work>> {
  const [synced, boundary, attempt] = [column(valves), column(valves), column(valves)];
  for (let start = 0; start < valves.length; start += CHUNK) {
    const ids = valves.slice(start, start + CHUNK).map(({ id }) => id);
    const states = await loadSyncStates(database, ids, window);
    ids.forEach((id, offset) => {
      const state = states.get(id);
      synced[start + offset] = state?.syncedUntilUs ?? NaN;
      boundary[start + offset] = state?.boundaryReadingUs ?? NaN;
      attempt[start + offset] = state?.lastAttemptUs ?? 0;
    });
  }
  const order = Uint32Array.from(valves.keys()).sort((a, b) => at(attempt, a) - at(attempt, b));
  return {
    *[Symbol.iterator]() {
      for (const index of order) {
        const valve = valves[index];
        const state = { syncedUntilUs: known(at(synced, index)), boundaryReadingUs: known(at(boundary, index)) };
        if (valve) yield { valve, state };
      }
    },
  };
}

function column({ length }: readonly Valve[]): Float64Array {
  return new Float64Array(length);
}

function at(numbers: Float64Array, index: number): number {
  return numbers[index] ?? NaN;
}

function known(timeUs: number): Micros | null {
  return Number.isNaN(timeUs) ? null : timeUs;
}
