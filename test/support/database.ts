/** A database of its own for a test. */
import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import { inject } from 'vitest';
import { connect, TEMPLATE, urlOf, withSession } from './template.ts';
import type { Coordinates } from './postgres.ts';

export interface TestDatabase extends Coordinates {
  database: string;
  url: string;
  /** connected; drop() ends it */
  client: () => Promise<pg.Client>;
  drop: () => Promise<void>;
}

/** A database with the current schema, on the server that all tests of a run share. */
export async function freshDatabase(): Promise<TestDatabase> {
  return createDatabase(TEMPLATE);
}

/** A database without any schema. `options`: appended to `create database`. */
export async function emptyDatabase(options = ''): Promise<TestDatabase> {
  return createDatabase('template0', options);
}

async function createDatabase(template: string, options = ''): Promise<TestDatabase> {
  const server = inject('postgres');
  const database = `test_${randomBytes(6).toString('hex')}`;
  await withSession(server, 'postgres', async (admin) => {
    const { rows } = await admin.query<{ version: number }>(
      `select current_setting('server_version_num')::integer as version`,
    );
    // PostgreSQL 14 always copies files, and does not know the option.
    const strategy = (rows[0]?.version ?? 0) < 150_000 ? '' : 'strategy file_copy';
    await admin.query(`create database ${database} template ${template} ${strategy} ${options}`);
  });
  const clients: pg.Client[] = [];
  return {
    ...server,
    database,
    url: urlOf(server, database),
    async client() {
      const client = await connect(server, database);
      clients.push(client);
      return client;
    },
    async drop() {
      await Promise.all(clients.map((client) => client.end()));
      await withSession(server, 'postgres', (admin) => admin.query(`drop database ${database} with (force)`));
    },
  };
}
