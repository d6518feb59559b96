/** Loads what the database knows of single valves. */
import type { Micros } from '../domain/time.ts';
import type { Database } from './connection.ts';
import { micros, nullableNumber } from './repository.ts';

/** What the registry knows of a valve and HyCloud does not. */
export interface KnownValve {
  backendRef: string | null;
  latestReadingUs: Micros | null;
}

/** By id. Each of these valves gets an entry, also if the registry does not know it. @throws DatabaseError */
export async function loadKnownValves(
  database: Database,
  tasmartIds: readonly string[],
): Promise<Map<string, KnownValve>> {
  const rows = await database.query<{ tasmart_id: string; backend_ref: string | null; latest_us: string | null }>(
    `select wanted.tasmart_id, valve.backend_ref, ${micros('newest."time"')} as latest_us
     from unnest($1::text[]) as wanted (tasmart_id)
     left join tasmart_valves as valve using (tasmart_id)
     left join lateral (
       select "time" from tasmart_data_table as reading
       where reading.tasmart_id = wanted.tasmart_id order by "timestamp" desc limit 1
     ) as newest on true`,
    [tasmartIds],
  );
  return new Map(
    rows.map((row) => [
      row.tasmart_id,
      { backendRef: row.backend_ref, latestReadingUs: nullableNumber(row.latest_us) },
    ]),
  );
}
