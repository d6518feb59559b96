/** Writes the registry: projects, valves, and which projects the targets of each account mean. */
import type { Account } from '../domain/account.ts';
import type { Project, Valve } from '../domain/valve.ts';
import type { Database } from './connection.ts';
import { LOCK_KEYS, LOCK_SPACE } from './locks.ts';

/** Valves per statement. Small, because building the statement blocks a poll that reads HyCloud's answers meanwhile. */
const VALVES_PER_STATEMENT = 1000;

/** The account that records, and its place in config.json. */
export interface Recorder {
  account: Account;
  /** names of the accounts that come later in config.json: of a project that both list, the earlier account is the owner */
  later: readonly string[];
}

/** What an account's targets mean in HyCloud now. */
export interface ResolvedProjects {
  /** with the targeted valves only; a valve of two projects is in the first */
  projects: readonly Project[];
  /** the same projects, each once, with all of their valves */
  listings: readonly Project[];
  /** by target (a project's name in Unicode's NFC, or its id): the id of the project */
  meanings: ReadonlyMap<string, string>;
}

/** A valve, and the project that lists it. */
interface ListedValve {
  projectId: string;
  valve: Valve;
}

/**
 * Records which projects and valves were seen, and each change of a name, firmware or project with its date.
 *
 * Takes several transactions. The first records which projects list which valves, so this is never half done. The others
 * write up to VALVES_PER_STATEMENT valves each.
 *
 * @throws DatabaseError
 */
export async function recordProjects(
  database: Database,
  recorder: Recorder,
  resolved: ResolvedProjects,
): Promise<void> {
  await oneAtATime(database, async () => {
    await recordListings(database, recorder, resolved);
    await recordMeanings(database, recorder, resolved);
    await moveValvesToAccounts(database, resolved);
  });
  const listed: ListedValve[] = [];
  for (const { id: projectId, valves } of resolved.projects) {
    for (const valve of valves) listed.push({ projectId, valve });
  }
  for (let start = 0; start < listed.length; start += VALVES_PER_STATEMENT) {
    const valves = listed.slice(start, start + VALVES_PER_STATEMENT);
    await oneAtATime(database, async () => {
      await lockValves(database, valves);
      await recordValves(database, valves, recorder, resolved);
      await recordSeen(database, valves);
    });
  }
}

/** Runs `work` in a transaction, one at a time across all processes: it must see what the previous one wrote. */
async function oneAtATime(database: Database, work: () => Promise<void>): Promise<void> {
  await database.transaction(async () => {
    await database.query('select pg_advisory_xact_lock($1, $2)', [LOCK_SPACE, LOCK_KEYS.registry]);
    await work();
  });
}

/**
 * A project belongs to the first account in config.json that lists it. An account loses its claim if it has not listed
 * the project for a week: it was renamed or removed. Naming an unnamed account moves its projects at once: what the same
 * key listed without a name is not a claim.
 *
 * A valve is in its project's newest list if its `last_seen_at` in `tasmart_project_valves` is not before the project's in
 * `tasmart_projects`. It is after the project's if the newest list could not be read in full: such a project keeps its old
 * `last_seen_at`. `loadProjects` and `loadRegisteredValves` also count a valve whose `last_seen_at` is up to a day before the
 * project's: for a day, `status` treats a valve that has left as late.
 */
async function recordListings(
  database: Database,
  { account, later }: Recorder,
  { listings }: ResolvedProjects,
): Promise<void> {
  await database.query(
    `with registered as (
       insert into tasmart_projects as project (project_id, name, account)
       select project_id, name, $3 from unnest($1::text[], $2::text[]) as listed (project_id, name) order by project_id
       on conflict (project_id) do update set name = excluded.name, account = case
         when project.account <> all ($5::text[]) and exists (
           select from tasmart_target_projects as claim
           where claim.account = project.account and claim.project_id = project.project_id
             and claim.resolved_at > now() - interval '7 days'
             and not (claim.account = '' and claim.key_id in ('', $4))
         ) then project.account
         else excluded.account
       end
       returning project_id, name
     )
     insert into tasmart_project_names (project_id, name)
     select project_id, name from registered
     where name is distinct from (
       select newest.name from tasmart_project_names as newest
       where newest.project_id = registered.project_id order by since desc limit 1
     )`,
    [listings.map(({ id }) => id), listings.map(({ name }) => name), account.name, account.keyId, later],
  );
  for (const { id, valves } of listings) {
    await database.query(
      `insert into tasmart_project_valves (project_id, tasmart_id)
       select distinct $1, tasmart_id from unnest($2::text[]) as listed (tasmart_id)
       on conflict (project_id, tasmart_id) do update set last_seen_at = now()`,
      [id, valves.map((valve) => valve.id)],
    );
  }
  // A valve that is missing from an incomplete list has not left its project.
  const complete = listings.filter(({ unreadable }) => unreadable.length === 0);
  await database.query('update tasmart_projects set last_seen_at = now() where project_id = any ($1::text[])', [
    complete.map(({ id }) => id),
  ]);
}

/** Records what the targets mean, and every listed project under its own id: the account's claim on the project. */
async function recordMeanings(
  database: Database,
  { account }: Recorder,
  { listings, meanings }: ResolvedProjects,
): Promise<void> {
  const idsByTarget = new Map([...listings.map(({ id }) => [id, id] as const), ...meanings]);
  await database.query(
    `insert into tasmart_target_projects (account, server, key_id, target, project_id)
     select $1, $2, $3, * from unnest($4::text[], $5::text[]) as meaning (target, project_id) order by target
     on conflict (account, server, key_id, target) do update
       set project_id = excluded.project_id, resolved_at = now()`,
    [account.name, account.server, account.keyId, [...idsByTarget.keys()], [...idsByTarget.values()]],
  );
}

/** Gives each valve of these projects the account of its project, which `recordListings` may have changed. */
async function moveValvesToAccounts(database: Database, { listings }: ResolvedProjects): Promise<void> {
  await database.query(
    `with moving as (
       select tasmart_id, project.account
       from tasmart_valves as valve join tasmart_projects as project using (project_id)
       where project.project_id = any ($1::text[]) and valve.account <> project.account
       order by tasmart_id for no key update of valve
     )
     update tasmart_valves as valve set account = moving.account from moving
     where valve.tasmart_id = moving.tasmart_id`,
    [listings.map(({ id }) => id)],
  );
}

/**
 * Writes the valves' rows, and their changes to the history. A row belongs to one project, and only that project writes it.
 * Another project takes the row over if
 *
 * - the old project no longer lists the valve, or was not polled for a week: the valve has moved, which is a change
 * - this account lists the old project too: the old project comes later in the targets (or is the same project)
 * - the old account comes later in config.json
 *
 * A missing firmware version is not a change. A missing customer's name is a change.
 */
async function recordValves(
  database: Database,
  valves: readonly ListedValve[],
  { account, later }: Recorder,
  { listings }: ResolvedProjects,
): Promise<void> {
  const column = (value: (valve: Valve) => string | null) => valves.map(({ valve }) => value(valve));
  await database.query(
    `with listed_now as ( -- with the accounts of the projects, see recordListings; columns in the order of the insert below
       select valve.*, project.account
       from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
         as valve (tasmart_id, project_id, full_sn, short_sn, cloud_identifier, user_id, kind, fw_version)
       join tasmart_projects as project using (project_id)
     ), before as ( -- the rows as they are before this statement
       select valve.*, coalesce(
         listed.last_seen_at >= project.last_seen_at and listed.last_seen_at > now() - interval '7 days', false
       ) as old_project_lists_it
       from tasmart_valves as valve
       left join tasmart_projects as project using (project_id)
       left join tasmart_project_valves as listed using (project_id, tasmart_id)
       where tasmart_id = any ($1::text[])
     ), registered as (
       insert into tasmart_valves
         (tasmart_id, project_id, full_sn, short_sn, cloud_identifier, user_id, kind, fw_version, account)
       select listed_now.* from listed_now left join before using (tasmart_id)
       where old_project_lists_it is not true -- null: a new valve
         or before.project_id = any ($9::text[]) or before.account = any ($10::text[])
       order by tasmart_id
       on conflict (tasmart_id) do update set
         project_id = excluded.project_id,
         account = excluded.account,
         full_sn = coalesce(excluded.full_sn, tasmart_valves.full_sn),
         short_sn = coalesce(excluded.short_sn, tasmart_valves.short_sn),
         cloud_identifier = coalesce(excluded.cloud_identifier, tasmart_valves.cloud_identifier),
         user_id = excluded.user_id,
         kind = coalesce(excluded.kind, tasmart_valves.kind),
         fw_version = coalesce(excluded.fw_version, tasmart_valves.fw_version),
         last_seen_at = now()
       returning *
     )
     insert into tasmart_valve_history (tasmart_id, attribute, old_value, new_value, account)
     select tasmart_id, change.attribute, change.old_value, change.new_value, $11
     from before
     join registered using (tasmart_id)
     cross join lateral (values
       -- While the old project lists the valve too, the valve has not moved.
       ('project_id', before.project_id, case when old_project_lists_it then before.project_id else registered.project_id end),
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
      listings.map(({ id }) => id),
      later,
      account.name,
    ],
  );
}

/** Locks all rows in id order before the first is written, like every other writer of `tasmart_valves`, to avoid deadlocks. */
async function lockValves(database: Database, valves: readonly ListedValve[]): Promise<void> {
  await database.query(
    'select from tasmart_valves where tasmart_id = any ($1::text[]) order by tasmart_id for no key update',
    [valves.map(({ valve }) => valve.id)],
  );
}

/** Every project that lists a valve writes `last_seen_at`, also to a row that `recordValves` left to another project. */
async function recordSeen(database: Database, valves: readonly ListedValve[]): Promise<void> {
  await database.query(
    'update tasmart_valves set last_seen_at = now() where tasmart_id = any ($1::text[]) and last_seen_at < now()',
    [valves.map(({ valve }) => valve.id)],
  );
}
