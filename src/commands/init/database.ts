/** The part of `tasmart init` about the database: connects, and applies the migrations. */
import type { Problem } from '../../config/config.ts';
import { isLoopback, parseDatabase, readVariable, type Environment } from '../../config/environment.ts';
import { migrate, schemaState } from '../../database/migrations.ts';
import { loadSchemaFiles } from '../../database/schema-files.ts';
import { SchemaError, withAnyDatabase } from '../../database/open.ts';
import { KnownError } from '../../domain/errors.ts';
import { OPEN_OPTIONS, SQL_DIR } from '../shared/package.ts';
import type { Prompt } from './prompt.ts';
import { askUntilAccepted, type Session } from './session.ts';

/** All variables about the database. `init` removes those from the env file that the accepted answer does not set. */
export const DATABASE_VARIABLES = [
  'DATABASE_URL',
  'DB_HOST',
  'DB_PORT',
  'DB_USER',
  'DB_PASS',
  'DB_PASS_COMMAND',
  'DB_DATABASE',
  'DB_SSLMODE',
  'DB_SSL_CA',
  'DB_SSL_CERT',
  'DB_SSL_KEY',
] as const;

/** The given answer: all variables about the database. undefined: none of them names a database */
export function readDatabaseAnswer(env: Environment): Environment | undefined {
  const given = DATABASE_VARIABLES.flatMap((name) => (readVariable(env, name) ? [[name, env[name]] as const] : []));
  return given.some(([name]) => name === 'DATABASE_URL' || name === 'DB_HOST') ? Object.fromEntries(given) : undefined;
}

/** Takes or asks for a database, and connects to it. Returns the variables that name it. */
export async function acceptDatabase(session: Session, mayMigrate: boolean): Promise<Environment> {
  return askUntilAccepted(session, {
    given: readDatabaseAnswer(session.env),
    ask: () => (session.prompt ? askForDatabase(session.prompt, session.say) : undefined),
    test: (variables) => tryDatabase(variables, session, mayMigrate),
  });
}

async function askForDatabase(prompt: Prompt, say: Session['say']): Promise<Environment> {
  say('Readings go into an embedded PostgreSQL in a folder, or to a server.');
  const where = await prompt.ask('Folder or host name [./data]: ', './data');
  const isUrl = /:\/\/|@/.test(where);
  if (isUrl) throw new KnownError('config', 'write the host name alone: the rest is asked for');
  const folder = where.replace(/^embedded:/, '');
  if (folder.startsWith('~')) throw new KnownError('config', 'write the whole path: "~" stands for no folder here');
  const isFolder = folder !== where || /^\.|[/\\]/.test(where);
  if (isFolder) return { DATABASE_URL: `embedded:${folder}` };
  const isRemote = !isLoopback(where);
  const caFile = isRemote ? await prompt.ask('File with the CA certificates (for RDS its bundle) [none]: ') : '';
  return {
    DB_HOST: where,
    DB_PORT: await prompt.ask('Port [5432]: ', '5432'),
    DB_DATABASE: await prompt.ask('Database [tasmart]: ', 'tasmart'),
    DB_USER: await prompt.ask('User [tasmart]: ', 'tasmart'),
    DB_PASS: await prompt.askSecret('Password (it is not shown): '),
    ...(caFile !== '' && { DB_SSL_CA: caFile }),
  };
}

/** Connects, and creates the schema: of an embedded database always, on a server only with --migrate or if the user agrees. */
async function tryDatabase(
  variables: Environment,
  { prompt, say, giveUp }: Session,
  mayMigrate: boolean,
): Promise<string> {
  const problems: Problem[] = [];
  const settings = parseDatabase(variables, problems);
  if (problems.length > 0) {
    throw new KnownError('config', problems.map(({ key, message }) => `${key} ${message}`).join('; '));
  }
  const isEmbedded = settings.embeddedFolder !== undefined;
  const files = await loadSchemaFiles(SQL_DIR);
  return withAnyDatabase(settings, { ...OPEN_OPTIONS, giveUp }, async (database) => {
    const schema = await schemaState(database, files);
    if ('problem' in schema) throw new SchemaError(schema);
    const { state } = schema;
    const name = isEmbedded ? `an embedded PostgreSQL in ${settings.embeddedFolder}` : 'the database';
    if (state === 'current') return `${name} is ready`;
    const agreed = isEmbedded || mayMigrate || (await prompt?.confirm(`Its schema is ${state}. Create it now?`, true));
    if (!agreed) return `${name} answers; its schema is ${state}: run "tasmart migrate" as the owner of the tables`;
    await migrate(database.client, files, say);
    return `${name} is ready, its schema is up to date`;
  });
}
