import type { Database } from './connection.ts';
import { DatabaseError } from './errors.ts';

/** What linking a valve came to. */
export type LinkOutcome =
  { changed: boolean; before: string | null } | { /** the valve that holds the register */ heldBy: string };

const UNIQUE_VIOLATION = '23505';

/** Ties a valve to a register of our own backend, or to none (null). @throws DatabaseError */
export async function linkValve(database: Database, tasmartId: string, register: string | null): Promise<LinkOutcome> {
  try {
    const [row] = await database.query<{ before: string | null; changed: boolean }>(
      `update tasmart_valves as valve set backend_ref = $2
       from (select tasmart_id, backend_ref from tasmart_valves where tasmart_id = $1 for update) as old
       where valve.tasmart_id = old.tasmart_id
       returning old.backend_ref as before, old.backend_ref is distinct from valve.backend_ref as changed`,
      [tasmartId, register],
    );
    return { changed: row?.changed ?? false, before: row?.before ?? null };
  } catch (error) {
    // Asked afterwards, not before: between a question and the update somebody else may take it.
    if (!(error instanceof DatabaseError) || error.code !== UNIQUE_VIOLATION) throw error;
    const [holder] = await database.query<{ tasmart_id: string }>(
      'select tasmart_id from tasmart_valves where backend_ref = $1',
      [register],
    );
    if (!holder) throw error;
    return { heldBy: holder.tasmart_id };
  }
}
