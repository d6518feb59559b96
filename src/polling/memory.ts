/** What earlier runs of an account recorded of its targets. */
import type { Database } from '../database/connection.ts';
import { loadListedIn, loadMeanings } from '../database/projects.ts';
import type { Account } from '../domain/account.ts';
import { isWithoutProject, type Meaning, type Target } from '../domain/target.ts';

export interface Memory {
  /** by configured project name, in Unicode's NFC: the projects it meant, the likeliest first */
  meanings: ReadonlyMap<string, readonly Meaning[]>;
  /** by uuid or serial in lower case: ids of the projects that list the valve */
  listedIn: ReadonlyMap<string, readonly string[]>;
}

export const NO_MEMORY: Memory = { meanings: new Map(), listedIn: new Map() };

/** @throws DatabaseError */
export async function loadMemory(database: Database, account: Account, targets: readonly Target[]): Promise<Memory> {
  const names = targets.filter(isWithoutProject).flatMap(({ valves }) => valves.map((name) => name.toLowerCase()));
  return { meanings: await loadMeanings(database, account), listedIn: await loadListedIn(database, names) };
}
