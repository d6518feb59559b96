import type { Database } from './connection.ts';
import { DatabaseError } from './errors.ts';

/** What linking a valve came to. */
export type LinkOutcome =
  { changed: boolean; before: string | null } | { /** the valve that holds the register */ heldBy: string };

const UNIQUE_VIOLATION = '23505';

/** Ties a valve to a register of our own backend, or to none (null). @throws DatabaseError */
export async function linkValve(database: Database, tasmartId: string, register: string | null): Promise<LinkOutcome> {
  try {
    return await database.transaction(() => link(database, tasmartId, register));
  } catch (error) {
    // Somebody else has taken it between our question and our update.
    if (!(error instanceof DatabaseError) || error.code !== UNIQUE_VIOLATION) throw error;
    const [holder] = await database.query<{ tasmart_id: string }>(
      'select tasmart_id from tasmart_valves where backend_ref = $1',
      [register],
    );
    if (!holder) throw error;
    return { heldBy: holder.tasmart_id };
  }
}

async function link(database: Database, tasmartId: string, register: string | null): Promise<LinkOutcome> {
  // Both in the order of their ids: an update alone would lock its own valve first, and then wait for the holder's.
  const valves = await database.query<{ tasmart_id: string; backend_ref: string | null }>(
    `select tasmart_id, backend_ref from tasmart_valves where tasmart_id = $1 or backend_ref = $2
     order by tasmart_id for update`,
    [tasmartId, register],
  );
  const holder = valves.find((valve) => valve.tasmart_id !== tasmartId);
  if (holder) return { heldBy: holder.tasmart_id };
  const updated = await database.query(
    `update tasmart_valves set backend_ref = $2 where tasmart_id = $1 and backend_ref is distinct from $2
     returning tasmart_id`,
    [tasmartId, register],
  );
  return { changed: updated.length > 0, before: valves[0]?.backend_ref ?? null };
}
