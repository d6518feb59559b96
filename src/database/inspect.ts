/** Inspects the server and the rights of our role, for `check` and `migrate`. */
import type { Micros } from '../domain/time.ts';
import type { Database } from './connection.ts';
import { DatabaseError } from './errors.ts';
import { micros } from './repository.ts';

/** Facts about the server and the session. */
export interface ServerFacts {
  version: string;
  user: string;
  /** a replica, or a database that is set to read-only */
  isReadOnly: boolean;
  /** "UTF8" */
  encoding: string;
  /** "TLSv1.3"; null: not in use */
  tlsVersion: string | null;
  clockUs: Micros;
}

/** @throws DatabaseError */
export async function loadServerFacts(database: Database): Promise<ServerFacts> {
  const [facts] = await database.query<ServerFacts>(
    `select current_setting('server_version') as version, current_user as user,
       current_setting('transaction_read_only')::boolean as "isReadOnly", current_setting('server_encoding') as encoding,
       (select ssl.version from pg_stat_ssl as ssl where pid = pg_backend_pid()) as "tlsVersion",
       ${micros('clock_timestamp()')} as "clockUs"`,
  );
  if (!facts) throw new Error('a select without a from gives one row');
  return facts;
}

/** Whether PostgreSQL knows a time zone by this name. @throws DatabaseError */
export async function knowsTimezone(database: Database, timezone: string): Promise<boolean> {
  try {
    await database.query('select now() at time zone $1::text', [timezone]);
    return true;
  } catch (error) {
    if (error instanceof DatabaseError && error.code === '22023') return false; // invalid_parameter_value
    throw error;
  }
}

/** Whether the table has a key that prevents duplicate readings, and that `on conflict` can use. @throws DatabaseError */
export async function hasReadingsKey(database: Database): Promise<boolean> {
  const [row] = await database.query<{ found: boolean }>(
    `select exists (
       select from pg_index
       where indrelid = 'tasmart_data_table'::regclass and indisunique and indisvalid
         and indimmediate and indpred is null and indexprs is null
         and array(
           select attname::text from pg_attribute where attrelid = indrelid and attnum = any ((indkey::int2[])[0:indnkeyatts - 1]) order by 1
         ) = '{tasmart_id,timestamp}'
     ) as found`,
  );
  return row?.found ?? false;
}

/** The schema of tasmart's tables, if every role may create objects in it, as before PostgreSQL 15. @throws DatabaseError */
export async function schemaOpenToAll(database: Database): Promise<string | null> {
  const [row] = await database.query<{ name: string }>(
    `select nspname as name from pg_namespace
     where nspname = current_schema() and has_schema_privilege('public', oid, 'create')`,
  );
  return row?.name ?? null;
}

type Privilege = 'select' | 'insert' | 'update' | 'delete';
type Rights = Readonly<Record<string, readonly Privilege[]>>;

/** Every command needs these, to check the schema's version. */
const SCHEMA: Rights = { tasmart_definitions: ['select'], tasmart_migrations: ['select'] };

/** A command that judges needs these, to keep the stored kWh up to date. */
export const JUDGING: Rights = {
  tasmart_energy: ['select', 'insert', 'update', 'delete'],
  tasmart_counter_events: ['select', 'insert', 'delete'],
  tasmart_corrections: ['select'],
  tasmart_judgements: ['select', 'insert', 'update'],
  tasmart_checkpoints: ['select', 'insert', 'update', 'delete'],
  tasmart_unjudged: ['select', 'insert', 'delete'],
  tasmart_settings: ['select', 'insert'],
};

const POLL: Rights = {
  ...SCHEMA,
  tasmart_projects: ['select', 'insert', 'update'],
  tasmart_project_names: ['select', 'insert'],
  tasmart_project_valves: ['select', 'insert', 'update'],
  tasmart_target_projects: ['select', 'insert', 'update'],
  tasmart_valves: ['select', 'insert', 'update'],
  tasmart_valve_history: ['insert'],
  tasmart_data_table: ['select', 'insert'],
  tasmart_runs: ['select', 'insert', 'update'],
  ...JUDGING,
};

/**
 * The rights that a role needs, by command. Identity columns need no right on their sequences. `consumption` judges only if the
 * role has the rights of JUDGING too.
 */
export const RIGHTS = {
  poll: POLL,
  backfill: { ...POLL, tasmart_backfills: ['select', 'insert', 'update'] },
  link: {
    ...SCHEMA,
    tasmart_projects: ['select'],
    tasmart_project_valves: ['select'],
    tasmart_valves: ['select', 'update'],
  },
  status: {
    ...SCHEMA,
    tasmart_valves: ['select'],
    tasmart_data_table: ['select'],
    tasmart_projects: ['select'],
    tasmart_project_valves: ['select'],
    tasmart_target_projects: ['select'],
    tasmart_backfills: ['select'],
    tasmart_runs: ['select'],
  },
  consumption: {
    ...SCHEMA,
    tasmart_valves: ['select'],
    tasmart_energy: ['select'],
    tasmart_judgements: ['select'],
    tasmart_unjudged: ['select'],
  },
  correct: {
    ...SCHEMA,
    ...JUDGING,
    tasmart_valves: ['select'],
    tasmart_data_table: ['select'],
    tasmart_corrections: ['select', 'insert', 'update'],
    tasmart_settings: ['select', 'insert', 'update'],
  },
} as const satisfies Record<string, Rights>;

/** SQL: grants for a role for every command but `migrate`, and for a role for dashboards, which reads everything. */
export interface Grants {
  polling: readonly string[];
  reading: readonly string[];
}

/**
 * Grants for two roles, for the tables of this database. A table that no command needs is granted to the reading role only.
 *
 * @throws DatabaseError
 */
export async function printableGrants(database: Database, roles: Record<keyof Grants, string>): Promise<Grants> {
  const access = await database.query<{ statement: string }>(
    `select unnest(array[
       format('grant connect on database %I to', current_database()),
       format('grant usage on schema %I to', current_schema())
     ]) as statement`,
  );
  const accessGrants = (role: string) => access.map(({ statement }) => `${statement} ${role};`);
  const needed = new Map<string, Set<Privilege>>();
  for (const rights of Object.values<Rights>(RIGHTS)) {
    for (const [table, privileges] of Object.entries(rights)) {
      needed.set(table, new Set([...(needed.get(table) ?? []), ...privileges]));
    }
  }
  const tables = await database.query<{ name: string; quoted: string }>(
    `select relname as name, quote_ident(relname) as quoted from pg_class
     where relnamespace = current_schema()::regnamespace and relname like 'tasmart\\_%'
       and relkind in ('r', 'p', 'v', 'm') and not relispartition
     order by relname`,
  );
  const polling = accessGrants(roles.polling);
  for (const { name, quoted } of tables) {
    const privileges = needed.get(name);
    if (privileges) polling.push(`grant ${[...privileges].join(', ')} on ${quoted} to ${roles.polling};`);
  }
  const allTables = tables.map(({ quoted }) => quoted).join(', ');
  return { polling, reading: [...accessGrants(roles.reading), `grant select on ${allTables} to ${roles.reading};`] };
}

/**
 * The grants that the role lacks for a command, as SQL. Empty: it has all rights. Ignores a missing table: check the schema
 * first.
 *
 * @throws DatabaseError
 */
export async function missingGrants(database: Database, command: keyof typeof RIGHTS): Promise<string[]> {
  const wanted = Object.entries<readonly Privilege[]>(RIGHTS[command]).flatMap(([table, privileges]) =>
    privileges.map((privilege) => ({ table, privilege })),
  );
  const rows = await database.query<{ statement: string }>(
    `select format('grant %s on %I to %I', string_agg(privilege, ', ' order by position), wanted.name, current_user) as statement
     from unnest($1::text[], $2::text[]) with ordinality as wanted (name, privilege, position)
     where not has_table_privilege(to_regclass(wanted.name), privilege)
     group by wanted.name order by wanted.name`,
    [wanted.map(({ table }) => table), wanted.map(({ privilege }) => privilege)],
  );
  return rows.map(({ statement }) => statement);
}
