/** Projects and their valves, as the registry knows them. */
import type { Database } from './connection.ts';

export interface StoredProject {
  id: string;
  name: string;
  /** '': the unnamed one */
  account: string;
  /** ids of the valves that the project lists, or listed last */
  valveIds: readonly string[];
}

/** @throws DatabaseError */
export async function loadProjects(database: Database): Promise<StoredProject[]> {
  const rows = await database.query<{ project_id: string; name: string; account: string; valve_ids: string[] }>(
    `select project_id, name, project.account, array(
       select tasmart_id from tasmart_project_valves as listed
       where listed.project_id = project.project_id and listed.last_seen_at >= project.last_seen_at - interval '1 day'
       union
       select tasmart_id from tasmart_valves as valve where valve.project_id = project.project_id
     ) as valve_ids
     from tasmart_projects as project
     order by name, project_id`,
  );
  return rows.map(({ project_id: id, name, account, valve_ids: valveIds }) => ({ id, name, account, valveIds }));
}
