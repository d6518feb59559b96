/** The database that tests copy: it holds the current schema and nothing else. */
import pg from 'pg';
import { migrate } from '../../src/database/migrations.ts';
import { loadSchemaFiles } from '../../src/database/schema-files.ts';
import { REPOSITORY } from './build.ts';
import type { Coordinates } from './postgres.ts';

export const TEMPLATE = 'tasmart_template';

/** Forbids connections to the template afterwards: PostgreSQL cannot copy a database that has a session. */
export async function makeTemplate(server: Coordinates): Promise<void> {
  const files = await loadSchemaFiles(`${REPOSITORY}sql`);
  await withSession(server, 'postgres', async (admin) => {
    await admin.query(`drop database if exists ${TEMPLATE}`); // scripts/matrix.ts uses a server for several runs
    await admin.query(`create database ${TEMPLATE}`);
  });
  await withSession(server, TEMPLATE, (client) => migrate(client, files));
  await withSession(server, 'postgres', (admin) => admin.query(`alter database ${TEMPLATE} allow_connections false`));
}

export async function withSession<T>(
  server: Coordinates,
  database: string,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = await connect(server, database);
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

export async function connect(server: Coordinates, database: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: urlOf(server, database) });
  client.on('error', () => undefined); // some tests end the server's sessions
  await client.connect();
  return client;
}

export function urlOf({ host, port, user, password }: Coordinates, database: string): string {
  return `postgres://${user}:${password}@${host}:${port}/${database}`;
}
