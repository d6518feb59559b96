/** The part of `tasmart check` about the database. */
import { join } from 'node:path';
import type { Config } from '../../config/config.ts';
import { isLoopback } from '../../config/environment.ts';
import type { Database } from '../../database/connection.ts';
import { exists } from '../../database/embedded/files.ts';
import {
  hasReadingsKey,
  knowsTimezone,
  loadServerFacts,
  missingGrants,
  RIGHTS,
  schemaOpenToAll,
  type ServerFacts,
} from '../../database/inspect.ts';
import { NEW_DATABASE, schemaState } from '../../database/migrations.ts';
import { loadSchemaFiles } from '../../database/schema-files.ts';
import { SchemaError, withAnyDatabase } from '../../database/open.ts';
import { loadLastPolls } from '../../database/last-polls.ts';
import type { Account } from '../../domain/account.ts';
import { KnownError } from '../../domain/errors.ts';
import { US_PER_MINUTE } from '../../domain/time.ts';
import { loadMemory, type Memory } from '../../polling/memory.ts';
import { failed, ok, skipped, warning, type CheckItem } from '../../reporting/check.ts';
import { durationText } from '../../reporting/units.ts';
import { withAccountName } from '../shared/accounts.ts';
import { OPEN_OPTIONS, SQL_DIR } from '../shared/package.ts';
import { clockItem } from './clock.ts';

/** After this many intervals without a poll, the item fails. A single missed poll is not a failure. */
const MISSED_INTERVALS = 3;

export interface DatabaseCheck {
  items: CheckItem[];
  /** what the database remembers of HyCloud, by the account's name */
  memories: Map<string, Memory>;
}

/** Checks the connection, the server, the schema, the role's rights, and the last runs. A database error becomes an item. */
export async function checkDatabase(config: Config, giveUp: AbortSignal): Promise<DatabaseCheck> {
  const folder = config.database.embeddedFolder;
  if (folder !== undefined && !(await exists(join(folder, 'postgresql')))) {
    return { items: [ok('database', `embedded in ${folder}: the first run will make it`)], memories: new Map() };
  }
  const check: DatabaseCheck = { items: [], memories: new Map() };
  try {
    await withAnyDatabase(config.database, { ...OPEN_OPTIONS, giveUp }, (database) => inspect(database, config, check));
  } catch (error) {
    if (!(error instanceof KnownError)) throw error;
    check.items.push(failed('database', error.message, error.remedy));
  }
  return check;
}

/** Adds to `check`, so that the items found before an error remain. */
async function inspect(database: Database, config: Config, check: DatabaseCheck): Promise<void> {
  const facts = await loadServerFacts(database);
  const localUs = Date.now() * 1000;
  const clock = clockItem('clock of the database', {
    clock: "the database's",
    other: 'ours',
    aheadUs: facts.clockUs - localUs,
    remedy: 'set both by NTP: ages in "tasmart status" go by the database',
  });
  check.items.push(serverItem(facts), tlsItem(facts, config), clock);
  check.items.push(await timezoneItem(database, config.timezone), await publicRightsItem(database));
  const schema = await schemaItem(database);
  check.items.push(schema);
  if (schema.state !== 'ok') {
    check.items.push(skipped('rights, key, runs', 'not tried: the schema comes first'));
    return;
  }
  for (const command of Object.keys(RIGHTS) as (keyof typeof RIGHTS)[]) {
    check.items.push(await rightsItem(database, command, facts.user));
  }
  check.items.push(await keyItem(database));
  for (const account of config.accounts) {
    check.items.push(withAccountName(account, await lastRunItem(database, account, config.intervalMinutes)));
    check.memories.set(account.name, await loadMemory(database, account, account.targets));
  }
}

function serverItem({ version, user, isReadOnly, encoding }: ServerFacts): CheckItem {
  const seen = `PostgreSQL ${version}, as ${user}`;
  if (encoding !== 'UTF8') return failed('database', `${seen}: encoded in ${encoding}, not UTF8`, NEW_DATABASE);
  if (!isReadOnly) return ok('database', seen);
  return failed('database', `${seen}: read-only`, 'it is a replica, or set so: name the writer endpoint');
}

function tlsItem({ tlsVersion }: ServerFacts, { database }: Config): CheckItem {
  if (database.embeddedFolder !== undefined) return ok('TLS', 'not needed: the database is embedded');
  if (tlsVersion === null) {
    const seen = `not in use: sslmode ${database.sslMode}`;
    if (database.host.startsWith('/') || isLoopback(database.host)) return ok('TLS', `${seen}, on this machine`);
    return warning('TLS', seen, 'set DB_SSLMODE=verify-full (and DB_SSL_CA): password and readings travel in clear');
  }
  if (database.sslMode !== 'require' || database.sslCaFile !== null)
    return ok('TLS', `${tlsVersion}, ${database.sslMode}`);
  const remedy = 'set DB_SSLMODE=verify-full (and DB_SSL_CA)';
  return warning('TLS', `${tlsVersion}, but the server's certificate is not verified (sslmode require)`, remedy);
}

async function timezoneItem(database: Database, timezone: string): Promise<CheckItem> {
  if (await knowsTimezone(database, timezone)) return ok('time zone', `PostgreSQL knows ${timezone}`);
  const remedy = 'update its time zone data, or choose another "timezone" in config.json';
  return failed('time zone', `PostgreSQL does not know ${timezone}`, remedy);
}

async function schemaItem(database: Database): Promise<CheckItem> {
  const files = await loadSchemaFiles(SQL_DIR);
  const schema = await schemaState(database, files);
  if (schema.state === 'current') return ok('schema', `up to date: ${files.migrations.at(-1)?.name ?? 'empty'}`);
  const { message, remedy } = new SchemaError(schema);
  return failed('schema', message, remedy);
}

async function publicRightsItem(database: Database): Promise<CheckItem> {
  const name = 'rights of others';
  const schema = await schemaOpenToAll(database);
  if (schema === null) return ok(name, "no other role can create objects beside tasmart's tables");
  const seen = `every role may create objects in schema ${schema}, which could run with your rights`;
  return warning(name, seen, `revoke create on schema ${schema} from public`);
}

/** Fails if rights to poll are missing. For other commands only warns: the role may be meant for polling only. */
async function rightsItem(database: Database, command: keyof typeof RIGHTS, user: string): Promise<CheckItem> {
  const name = `rights to ${command}`;
  const grants = await missingGrants(database, command);
  if (grants.length === 0) return ok(name, `${user} has them`);
  const item = command === 'poll' ? failed : warning;
  return item(name, `${user} lacks some`, grants.join('; '));
}

async function keyItem(database: Database): Promise<CheckItem> {
  if (await hasReadingsKey(database)) return ok('duplicates', 'the key of tasmart_data_table allows none');
  const remedy = 'alter table tasmart_data_table add primary key (tasmart_id, "timestamp")';
  return failed('duplicates', 'tasmart_data_table has no key on tasmart_id and timestamp', remedy);
}

async function lastRunItem(database: Database, account: Account, intervalMinutes: number): Promise<CheckItem> {
  const name = 'runs by themselves';
  const { newest } = await loadLastPolls(database, [account]);
  if (!newest) {
    return warning(name, 'no poll yet', 'run "tasmart poll"; then let cron or systemd do it (README, "Deployment")');
  }
  const error = newest.error === null ? '' : `: ${newest.error}`;
  const seen = `the last poll began ${durationText(newest.ageUs)} ago: ${newest.outcome}${error}`;
  if (newest.ageUs > MISSED_INTERVALS * intervalMinutes * US_PER_MINUTE) {
    const remedy = 'no job starts it: see crontab -l or systemctl list-timers, and logs/tasmart.log';
    return failed(name, seen, remedy);
  }
  if (['success', 'running'].includes(newest.outcome)) return ok(name, seen);
  return warning(name, seen, 'see logs/tasmart.log');
}
