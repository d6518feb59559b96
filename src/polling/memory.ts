/** What earlier runs of an account know of its targets. */
import type { Database } from '../database/connection.ts';
import { loadListedIn, loadMeanings } from '../database/registry.ts';
import type { Account } from '../domain/account.ts';
import type { Target } from '../domain/target.ts';
import type { Memory } from './targets.ts';

/** @throws DatabaseError */
export async function loadMemory(database: Database, account: Account, targets: readonly Target[]): Promise<Memory> {
  const alone = targets.filter(({ projectId, projectName }) => projectId === null && projectName === null);
  const valves = alone.flatMap((target) => target.valves.map((valve) => valve.toLowerCase()));
  return {
    meanings: await loadMeanings(database, account),
    listedIn: await loadListedIn(database, valves),
  };
}
