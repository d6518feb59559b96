import type { Database } from '../database/connection.ts';
import { loadSyncStates } from '../database/repository.ts';
import type { Micros } from '../domain/time.ts';
import type { Valve } from '../domain/valve.ts';
import { UNKNOWN_VALVE, type ValveState } from './plan.ts';

/** A valve and what the database knows of it. */
export interface Work {
  valve: Valve;
  state: ValveState;
}

/** States are asked for, of so many valves at a time. */
const CHUNK = 5000;

/**
 * The valves, one after the other, each let go with its turn: a hundred thousand take tens of megabytes. Those tried
 * longest ago come first; without a database, as they are listed.
 *
 * @param window of the last boundary, (fromUs, toUs]
 * @param latestUs by HyCloud's clock; later, nobody can be synced
 * @throws DatabaseError
 */
export async function queue(
  database: Database | null,
  valves: readonly Valve[],
  window: { fromUs: Micros; toUs: Micros },
  latestUs: Micros,
): Promise<Iterable<Work>> {
  if (!database) return inTurn([...valves], valves.keys(), () => UNKNOWN_VALVE);
  // In columns of numbers: objects would take ten times as much.
  const [synced, boundary, attempt] = [column(valves), column(valves), column(valves)];
  for (let start = 0; start < valves.length; start += CHUNK) {
    const ids = valves.slice(start, start + CHUNK).map(({ id }) => id);
    const states = await loadSyncStates(database, ids, window, latestUs);
    synced.set(states.syncedUntilUs, start);
    boundary.set(states.boundaryReadingUs, start);
    attempt.set(states.lastAttemptUs, start);
  }
  const order = Uint32Array.from(valves.keys()).sort((a, b) => (attempt[a] ?? 0) - (attempt[b] ?? 0));
  return inTurn([...valves], order, (index) => ({
    syncedUntilUs: known(synced[index]),
    boundaryReadingUs: known(boundary[index]),
  }));
}

function* inTurn(
  valves: (Valve | undefined)[],
  order: Iterable<number>,
  stateOf: (index: number) => ValveState,
): Generator<Work, void, undefined> {
  for (const index of order) {
    const valve = valves[index];
    valves[index] = undefined;
    if (valve) yield { valve, state: stateOf(index) };
  }
}

function column({ length }: readonly Valve[]): Float64Array {
  return new Float64Array(length);
}

function known(timeUs = NaN): Micros | null {
  return Number.isNaN(timeUs) ? null : timeUs;
}
