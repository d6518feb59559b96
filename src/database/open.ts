/** Opens a database session for a command, with a current schema. */
import type { DatabaseSettings } from '../domain/database-settings.ts';
import { KnownError } from '../domain/errors.ts';
import { withConnection, type ConnectionOptions, type Database } from './connection.ts';
import { describeSchema, type UnusableSchema } from './migrations-plan.ts';
import { migrate, schemaState } from './migrations.ts';
import { loadSchemaFiles } from './schema-files.ts';

export interface OpenOptions extends ConnectionOptions {
  /** the folder with the migrations and definitions */
  sqlDir: string;
}

/**
 * Calls `use` with a session, after checking that the schema is current. Creates and migrates an embedded database. On a
 * server, the user must run `tasmart migrate`.
 *
 * Definitions have no order: of two programs that differ in definitions only, each puts its own into an embedded database.
 *
 * @throws SchemaError; what `withAnyDatabase`, `loadSchemaFiles` and `migrate` throw
 */
export async function withDatabase<T>(
  settings: DatabaseSettings,
  options: OpenOptions,
  use: (database: Database) => Promise<T>,
): Promise<T> {
  const files = await loadSchemaFiles(options.sqlDir);
  return withAnyDatabase(settings, options, async (database) => {
    const schema = await schemaState(database, files);
    if (schema.state !== 'current') {
      const canMigrate = settings.embeddedFolder !== undefined && !('problem' in schema);
      if (!canMigrate) throw new SchemaError(schema);
      await migrate(database.client, files);
    }
    return use(database);
  });
}

/**
 * Like `withDatabase`, but accepts any schema: for `migrate` and `check`.
 *
 * @throws EmbeddedPostgresError; what `withConnection` throws
 */
export async function withAnyDatabase<T>(
  settings: DatabaseSettings,
  options: OpenOptions,
  use: (database: Database) => Promise<T>,
): Promise<T> {
  if (settings.embeddedFolder === undefined) return withConnection(settings, options, use);
  const { openEmbedded } = await import('./embedded.ts');
  const server = await openEmbedded(settings.embeddedFolder, { signal: options.giveUp });
  try {
    return await withConnection({ ...server, sslMode: 'disable', sslCaFile: null }, options, use);
  } finally {
    await server.close();
  }
}

/** Exit 78: the schema is not the one this program works with. */
export class SchemaError extends KnownError {
  override readonly name = 'SchemaError';

  constructor(schema: UnusableSchema) {
    const detail = describeSchema(schema);
    const messages = {
      missing: 'the database has no tasmart schema yet',
      older: `the database's schema is not that of this program (${detail})`,
      newer: detail,
      altered: detail,
    };
    const remedies = {
      missing: 'run "tasmart migrate"',
      older: 'run "tasmart migrate"; first update tasmart, if another machine runs a newer version',
      newer: 'update tasmart on this machine',
      altered: 'install tasmart as it was released: "tasmart migrate" cannot mend this',
    };
    super('config', messages[schema.state], { remedy: remedies[schema.state] });
  }
}
