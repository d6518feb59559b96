import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import { loadSchemaFiles, migrate } from '../../src/database/migrations.ts';
import { REPOSITORY } from './build.ts';
import type { Coordinates } from './postgres.ts';

export interface TestDatabase extends Coordinates {
  database: string;
  url: string;
  /** connected; drop() ends it */
  client: () => Promise<pg.Client>;
  drop: () => Promise<void>;
}

const TEMPLATE = 'tasmart_template';

/** A database with the current schema, on the run's server. */
export async function freshDatabase(): Promise<TestDatabase> {
  await withSession('postgres', makeTemplate);
  return createDatabase(TEMPLATE);
}

/** A database without any schema. */
export async function emptyDatabase(options = ''): Promise<TestDatabase> {
  return createDatabase('template0', options);
}

async function createDatabase(template: string, options = ''): Promise<TestDatabase> {
  const database = `test_${randomBytes(6).toString('hex')}`;
  await withSession('postgres', async (admin) => {
    const { rows } = await admin.query<{ version: number }>(
      `select current_setting('server_version_num')::integer as version`,
    );
    // Before 15 there was no other.
    const strategy = (rows[0]?.version ?? 0) < 150_000 ? '' : 'strategy file_copy';
    await admin.query(`create database ${database} template ${template} ${strategy} ${options}`);
  });
  const clients: pg.Client[] = [];
  return {
    ...inject('postgres'),
    database,
    url: urlOf(database),
    async client() {
      const client = await connect(database);
      clients.push(client);
      return client;
    },
    async drop() {
      await Promise.all(clients.map((client) => client.end()));
      await withSession('postgres', (admin) => admin.query(`drop database ${database} with (force)`));
    },
  };
}

/**
 * Once per run, by whichever worker comes first. `datistemplate` says that it is finished, and nobody may connect to it:
 * a session there would keep it from being cloned.
 */
async function makeTemplate(admin: pg.Client): Promise<void> {
  await admin.query('select pg_advisory_lock(1)');
  const { rowCount } = await admin.query(`select from pg_database where datname = '${TEMPLATE}' and datistemplate`);
  if (rowCount === 1) return;
  await admin.query(`drop database if exists ${TEMPLATE} with (force)`);
  await admin.query(`create database ${TEMPLATE}`);
  const files = await loadSchemaFiles(`${REPOSITORY}sql`);
  await withSession(TEMPLATE, (client) => migrate(client, files));
  await admin.query(`alter database ${TEMPLATE} with is_template true allow_connections false`);
}

async function withSession<T>(database: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = await connect(database);
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function connect(database: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: urlOf(database) });
  client.on('error', () => undefined); // a test that ends the server's sessions means to
  await client.connect();
  return client;
}

function urlOf(database: string): string {
  const { host, port, user, password } = inject('postgres');
  return `postgres://${user}:${password}@${host}:${port}/${database}`;
}
