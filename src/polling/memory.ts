/** What earlier runs of an account know of its targets. */
import type { Database } from '../database/connection.ts';
import { loadListedIn, loadMeanings } from '../database/projects.ts';
import type { Account } from '../domain/account.ts';
import type { Meaning, Target } from '../domain/target.ts';

/** What earlier runs of this account recorded. */
export interface Memory {
  /** by configured project name, in Unicode's NFC: the projects it meant, the likeliest first */
  meanings: ReadonlyMap<string, readonly Meaning[]>;
  /** by uuid or serial in lower case: ids of the projects that list the valve */
  listedIn: ReadonlyMap<string, readonly string[]>;
}

export const NO_MEMORY: Memory = { meanings: new Map(), listedIn: new Map() };

/** @throws DatabaseError */
export async function loadMemory(database: Database, account: Account, targets: readonly Target[]): Promise<Memory> {
  const alone = targets.filter(({ projectId, projectName }) => projectId === null && projectName === null);
  const valves = alone.flatMap((target) => target.valves.map((valve) => valve.toLowerCase()));
  return {
    meanings: await loadMeanings(database, account),
    listedIn: await loadListedIn(database, valves),
  };
}
