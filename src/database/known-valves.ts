/** Loads what the database knows of single valves. */
import type { Micros } from '../domain/time.ts';
import type { Database } from './connection.ts';
import { micros } from './repository.ts';

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
  const rows = await database.query<KnownValve & { id: string }>(
    `select wanted.tasmart_id as id, valve.backend_ref as "backendRef", ${micros('newest."time"')} as "latestReadingUs"
     from unnest($1::text[]) as wanted (tasmart_id)
     left join tasmart_valves as valve using (tasmart_id)
     left join lateral (
       select "time" from tasmart_data_table as reading
       where reading.tasmart_id = wanted.tasmart_id order by "timestamp" desc limit 1
     ) as newest on true`,
    [tasmartIds],
  );
  return new Map(rows.map(({ id, ...valve }) => [id, valve]));
}
