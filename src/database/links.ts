/** The links of valves to registers of the operator's own backend. A register belongs to one valve of an account. */
import type { Account } from '../domain/account.ts';
import type { Database } from './connection.ts';
import { LOCK_KEYS, LOCK_SPACE } from './locks.ts';

/** A valve, and the register to link it to; null: unlink it. */
export interface Link {
  tasmartId: string;
  register: string | null;
}

/** A link whose register belongs to another valve of the account, `holderId`: already, or by an earlier link. */
export interface LinkConflict {
  link: Link;
  holderId: string;
}

export type LinkOutcome =
  | { /** what each valve had before, in the order of the links */ before: (string | null)[] }
  | { conflicts: LinkConflict[] };

interface LinkedValve {
  tasmart_id: string;
  account: string;
  backend_ref: string | null;
}

/** Makes all of these links, or none if registers belong to other valves. @throws DatabaseError */
export async function linkValves(database: Database, links: readonly Link[]): Promise<LinkOutcome> {
  return database.transaction(async () => {
    await database.query('select pg_advisory_xact_lock($1, $2)', [LOCK_SPACE, LOCK_KEYS.links]);
    const ids = links.map(({ tasmartId }) => tasmartId);
    const registers = links.map(({ register }) => register);
    // Lock rows in id order, like every other writer of tasmart_valves, to avoid deadlocks.
    const valves = await database.query<LinkedValve>(
      `select tasmart_id, account, backend_ref from tasmart_valves
       where tasmart_id = any ($1::text[]) or backend_ref = any ($2::text[])
       order by tasmart_id for update`,
      [ids, registers],
    );
    const conflicts = findConflicts(links, valves);
    if (conflicts.length > 0) return { conflicts };
    await database.query(
      `update tasmart_valves as valve set backend_ref = link.register
       from unnest($1::text[], $2::text[]) as link (tasmart_id, register)
       where valve.tasmart_id = link.tasmart_id and backend_ref is distinct from link.register`,
      [ids, registers],
    );
    const before = new Map(valves.map((valve) => [valve.tasmart_id, valve.backend_ref]));
    return { before: ids.map((id) => before.get(id) ?? null) };
  });
}

/**
 * Loads registers that several valves of an account have. "tasmart link" does not allow this, but a valve keeps its
 * register when it moves to another account.
 *
 * @throws DatabaseError
 */
export async function loadSharedRegisters(
  database: Database,
  { name }: Pick<Account, 'name'>,
): Promise<{ register: string; tasmartIds: string[] }[]> {
  return database.query<{ register: string; tasmartIds: string[] }>(
    `select backend_ref as register, array_agg(tasmart_id order by tasmart_id) as "tasmartIds"
     from tasmart_valves where account = $1 and backend_ref is not null
     group by backend_ref having count(*) > 1 order by backend_ref`,
    [name],
  );
}

/**
 * Goes through the links in order: each takes its register, if no valve of the account has it yet. A valve that is linked gives
 * its old register up first.
 *
 * @param valves those to link, and those that have one of the registers
 */
function findConflicts(links: readonly Link[], valves: readonly LinkedValve[]): LinkConflict[] {
  const idsToLink = new Set(links.map(({ tasmartId }) => tasmartId));
  const accounts = new Map(valves.map((valve) => [valve.tasmart_id, valve.account]));
  const registerKey = (id: string, register: string) => JSON.stringify([accounts.get(id), register]);
  const holderIds = new Map<string, string>();
  for (const { tasmart_id: id, backend_ref: register } of valves) {
    if (register !== null && !idsToLink.has(id)) holderIds.set(registerKey(id, register), id);
  }
  const conflicts: LinkConflict[] = [];
  for (const link of links) {
    if (link.register === null) continue;
    const key = registerKey(link.tasmartId, link.register);
    const holderId = holderIds.get(key);
    if (holderId === undefined) holderIds.set(key, link.tasmartId);
    else conflicts.push({ link, holderId });
  }
  return conflicts;
}
