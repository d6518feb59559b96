import type { Micros } from '../domain/time.ts';
import type { Project, Valve } from '../domain/valve.ts';
import type { Database } from './connection.ts';
import { LOCK_KEYS, LOCK_SPACE } from './locks.ts';
import { micros } from './repository.ts';

/** Valves in one statement. Small: while it is put together, the answers of HyCloud that a poll reads meanwhile wait. */
const CHUNK = 1000;

/** What the registry remembers of a valve, beyond what HyCloud says. */
export interface KnownValve {
  backendRef: string | null;
  latestReadingUs: Micros | null;
}

/** A valve, and the project that lists it. */
interface ListedValve {
  projectId: string;
  valve: Valve;
}

/**
 * Writes down which projects and valves were seen, and every change of a name, firmware or project with its date. In
 * several transactions, each of which locks valves in the order of their ids, as everybody does who writes them: so
 * nobody waits for another in a circle. A project counts as seen once all of its valves do; those that are not written
 * when this breaks off would seem to have left it.
 *
 * @param targets by the id of the project: the name by which it is meant, in Unicode's NFC
 * @throws DatabaseError
 */
export async function recordProjects(
  database: Database,
  projects: readonly Project[],
  targets: ReadonlyMap<string, string> = new Map(),
): Promise<void> {
  const count = projects.reduce((sum, { valves }) => sum + valves.length, 0);
  let written = 0;
  for (const valves of chunks(projects)) {
    const isFirst = written === 0;
    written += valves.length;
    const isLast = written === count;
    await oneAtATime(database, async () => {
      if (isFirst) await recordNames(database, projects, targets);
      await recordValves(database, valves);
      if (isLast) await recordSeen(database, projects);
    });
  }
}

/** What changed is told from what the one before left. */
async function oneAtATime(database: Database, work: () => Promise<void>): Promise<void> {
  await database.transaction(async () => {
    await database.query('select pg_advisory_xact_lock($1, $2)', [LOCK_SPACE, LOCK_KEYS.registry]);
    await work();
  });
}

/** At least one, if only an empty one. */
function* chunks(projects: readonly Project[]): Generator<ListedValve[]> {
  let chunk: ListedValve[] = [];
  for (const { id: projectId, valves } of projects) {
    for (const valve of valves) {
      if (chunk.length === CHUNK) {
        yield chunk;
        chunk = [];
      }
      chunk.push({ projectId, valve });
    }
  }
  yield chunk;
}

/** A name that is the latest already is written down once more where it is polled by that name for the first time. */
async function recordNames(
  database: Database,
  projects: readonly Project[],
  targets: ReadonlyMap<string, string>,
): Promise<void> {
  await database.query(
    `with seen as (
       select distinct on (project_id) * from unnest($1::text[], $2::text[], $3::text[]) as project (project_id, name, target)
     ), registered as (
       insert into tasmart_projects (project_id, name) select project_id, name from seen
       on conflict (project_id) do update set name = excluded.name
       returning project_id, name
     )
     insert into tasmart_project_names (project_id, name, is_target)
     select project_id, name, is_target
     from registered
     join (select project_id, target from seen) as meant using (project_id)
     cross join lateral (select coalesce(normalize(name, nfc) = target, false) as is_target) as named
     where name is distinct from (
         select known.name from tasmart_project_names as known
         where known.project_id = registered.project_id order by since desc limit 1
       )
       or is_target and not exists (
         select from tasmart_project_names as known
         where known.project_id = registered.project_id and known.is_target and normalize(known.name, nfc) = target
       )`,
    [projects.map(({ id }) => id), projects.map(({ name }) => name), projects.map(({ id }) => targets.get(id) ?? null)],
  );
}

async function recordSeen(database: Database, projects: readonly Project[]): Promise<void> {
  const ids = projects.map(({ id }) => id);
  await database.query('update tasmart_projects set last_seen_at = now() where project_id = any ($1::text[])', [ids]);
}

/** A firmware version that HyCloud does not mention is not a change; a customer's name that is gone is. */
async function recordValves(database: Database, valves: readonly ListedValve[]): Promise<void> {
  const column = (value: (valve: Valve) => string | null) => valves.map(({ valve }) => value(valve));
  await database.query(
    `with seen as (
       select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
         as valve (tasmart_id, project_id, full_sn, short_sn, cloud_identifier, user_id, kind, fw_version)
     ), before as (
       select * from tasmart_valves where tasmart_id in (select tasmart_id from seen)
     ), registered as (
       insert into tasmart_valves
         (tasmart_id, project_id, full_sn, short_sn, cloud_identifier, user_id, kind, fw_version)
       select * from seen order by tasmart_id
       on conflict (tasmart_id) do update set
         project_id = excluded.project_id,
         full_sn = coalesce(excluded.full_sn, tasmart_valves.full_sn),
         short_sn = coalesce(excluded.short_sn, tasmart_valves.short_sn),
         cloud_identifier = coalesce(excluded.cloud_identifier, tasmart_valves.cloud_identifier),
         user_id = excluded.user_id,
         kind = coalesce(excluded.kind, tasmart_valves.kind),
         fw_version = coalesce(excluded.fw_version, tasmart_valves.fw_version),
         last_seen_at = now()
       returning *
     )
     insert into tasmart_valve_history (tasmart_id, attribute, old_value, new_value)
     select tasmart_id, change.attribute, change.old_value, change.new_value
     from before
     join registered using (tasmart_id)
     cross join lateral (values
       ('project_id', before.project_id, registered.project_id),
       ('user_id', before.user_id, registered.user_id),
       ('fw_version', before.fw_version, registered.fw_version)
     ) as change (attribute, old_value, new_value)
     where change.old_value is distinct from change.new_value`,
    [
      column(({ id }) => id),
      valves.map(({ projectId }) => projectId),
      column(({ fullSn }) => fullSn),
      column(({ shortSn }) => shortSn),
      column(({ cloudIdentifier }) => cloudIdentifier),
      column(({ userId }) => userId),
      column(({ kind }) => kind),
      column(({ firmware }) => firmware),
    ],
  );
}

/** How many valves were seen in each of these projects, and in no other since; those without any are absent. @throws DatabaseError */
export async function countRegistered(database: Database, projectIds: readonly string[]): Promise<Map<string, number>> {
  if (projectIds.length === 0) return new Map();
  const rows = await database.query<{ project_id: string; valves: string }>(
    'select project_id, count(*) as valves from tasmart_valves where project_id = any ($1::text[]) group by project_id',
    [projectIds],
  );
  return new Map(rows.map((row) => [row.project_id, Number(row.valves)]));
}

/** What is known of these valves here; those never polled are absent. @throws DatabaseError */
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
    rows.map(({ tasmart_id: id, backend_ref: backendRef, latest_us: latestUs }) => [
      id,
      { backendRef, latestReadingUs: latestUs === null ? null : Number(latestUs) },
    ]),
  );
}

/**
 * Which project each name meant when one was first polled by it, and what that project was called last.
 *
 * @param names in Unicode's NFC
 * @throws DatabaseError
 */
export async function loadKnownProjects(
  database: Database,
  names: readonly string[],
): Promise<Map<string, { id: string; name: string }>> {
  if (names.length === 0) return new Map();
  const rows = await database.query<{ wanted: string; project_id: string; name: string }>(
    `select wanted, first.project_id, project.name
     from unnest($1::text[]) as wanted
     cross join lateral (
       select project_id from tasmart_project_names as known
       where known.is_target and normalize(known.name, nfc) = wanted
       order by since, project_id limit 1
     ) as first
     join tasmart_projects as project on project.project_id = first.project_id`,
    [names],
  );
  return new Map(rows.map((row) => [row.wanted, { id: row.project_id, name: row.name }]));
}
