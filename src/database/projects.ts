/** Reads the registry by project. registry.ts writes it. */
import type { Account } from '../domain/account.ts';
import type { Meaning } from '../domain/target.ts';
import type { Database } from './connection.ts';

export interface StoredProject {
  id: string;
  name: string;
  /** '': the unnamed one */
  account: string;
  /** ids of the valves that it has listed within a day of its newest list (see recordListings in registry.ts), or owns */
  valveIds: readonly string[];
}

/** @throws DatabaseError */
export async function loadProjects(database: Database): Promise<StoredProject[]> {
  return database.query<StoredProject>(
    `select project_id as id, name, project.account, array(
       select tasmart_id from tasmart_project_valves as listed
       where listed.project_id = project.project_id and listed.last_seen_at >= project.last_seen_at - interval '1 day'
       union
       select tasmart_id from tasmart_valves as valve where valve.project_id = project.project_id
     ) as "valveIds"
     from tasmart_projects as project
     order by name, project_id`,
  );
}

/** Counts the registered valves of each project. Projects without valves are absent. @throws DatabaseError */
export async function countRegistered(database: Database, projectIds: readonly string[]): Promise<Map<string, number>> {
  if (projectIds.length === 0) return new Map();
  const rows = await database.query<{ id: string; valves: number }>(
    'select project_id as id, count(*) as valves from tasmart_valves where project_id = any ($1::text[]) group by project_id',
    [projectIds],
  );
  return new Map(rows.map(({ id, valves }) => [id, valves]));
}

/**
 * Loads what targets meant in earlier runs: by target (a project's name in Unicode's NFC, or its id), its projects, the
 * likeliest first.
 *
 * @throws DatabaseError
 */
export async function loadMeanings(
  database: Database,
  { name, server, keyId }: Account,
): Promise<Map<string, Meaning[]>> {
  const meanings = new Map<string, Meaning[]>();
  const rows = await database.query<Meaning & { target: string }>(
    `select target, project_id as "projectId", project.name, source as "from"
     from tasmart_target_projects as meaning
     join tasmart_projects as project using (project_id)
     cross join lateral (select case
       -- Where no key is configured, as on a machine that only watches, every key of the account counts.
       when meaning.account = $1 and server = $2 and $3 in (key_id, '') then 'own'
       when key_id in ($3, '') then 'inherited'
       else 'other key'
     end) as origin (source) -- Meaning.from
     where key_id in ($3, '') or meaning.account = $1 and server = $2
     order by array_position('{own,inherited,other key}', source), key_id = '', resolved_at desc, project_id`,
    [name, server, keyId],
  );
  for (const { target, ...meaning } of rows) {
    meanings.set(target, [...(meanings.get(target) ?? []), meaning]);
  }
  return meanings;
}

/**
 * Loads the ids of the projects that list these valves (see recordListings in registry.ts), by uuid or serial in lower case.
 * Unknown valves are absent.
 *
 * @throws DatabaseError
 */
export async function loadListedIn(database: Database, wanted: readonly string[]): Promise<Map<string, string[]>> {
  if (wanted.length === 0) return new Map();
  const rows = await database.query<{ wanted: string; projectIds: string[] }>(
    `select wanted, array_agg(distinct listed.project_id) as "projectIds"
     from unnest($1::text[]) as wanted
     join tasmart_valves as valve on wanted in (lower(valve.tasmart_id), lower(full_sn), lower(short_sn))
     join tasmart_project_valves as listed using (tasmart_id)
     join tasmart_projects as project on project.project_id = listed.project_id
     where listed.last_seen_at >= project.last_seen_at
     group by wanted`,
    [wanted],
  );
  return new Map(rows.map(({ wanted: idOrSerial, projectIds }) => [idOrSerial, projectIds]));
}
