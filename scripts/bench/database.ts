/** Databases for the bench. */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import type { ServerSettings } from '../../src/domain/database-settings.ts';
import { formatRfc3339, type Micros } from '../../src/domain/time.ts';
import { startPostgres } from '../../test/support/postgres.ts';
import type { Project } from '../simulator/fleet.ts';

export interface BenchDatabase {
  server: ServerSettings;
  url: string;
  query: <Row extends pg.QueryResultRow>(sql: string, values?: unknown[]) => Promise<Row[]>;
}

export interface BenchServer {
  /** A new database: a copy of the template, or empty. */
  createDatabase: (template?: BenchDatabase) => Promise<BenchDatabase>;
  stop: () => Promise<void>;
}

/** As in production: a commit waits for the disk. */
const DURABLE = { fsync: 'on', synchronous_commit: 'on', full_page_writes: 'on' };

export async function startServer(): Promise<BenchServer> {
  const { stop, host, port, user, password } = await startPostgres(DURABLE);
  const databaseNamed = (database: string): BenchDatabase => {
    const server: ServerSettings = { host, port, user, password, database, sslMode: 'disable', sslCaFile: null };
    const url = `postgres://${user}:${password}@${host}:${port}/${database}`;
    return { server, url, query: (sql, values) => queryOnce(url, sql, values) };
  };
  return {
    stop,
    async createDatabase(template) {
      const name = `bench_${randomBytes(4).toString('hex')}`;
      await databaseNamed('postgres').query(
        `create database ${name} template ${template?.server.database ?? 'template0'}`,
      );
      return databaseNamed(name);
    },
  };
}

/** Opens a session per query, so that none is open during a measurement. */
async function queryOnce<Row extends pg.QueryResultRow>(url: string, sql: string, values?: unknown[]): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<Row>(sql, values)).rows;
  } finally {
    await client.end();
  }
}

/**
 * Registers all projects and valves as synced until `untilUs`, as after runs without a gap. The first poll still has to record
 * which project lists which valve.
 */
export async function registerFleet(
  database: BenchDatabase,
  projects: readonly Project[],
  untilUs: Micros,
): Promise<void> {
  for (const { id, name, valves: valvesById } of projects) {
    const valves = [...valvesById.values()];
    await database.query('insert into tasmart_projects (project_id, name) values ($1, $2)', [id, name]);
    await database.query(
      `insert into tasmart_valves
         (tasmart_id, project_id, synced_until, full_sn, short_sn, cloud_identifier, user_id, kind, fw_version)
       select tasmart_id, $1, $2, full_sn, short_sn, 'TA-Smart-' || short_sn, user_id, kind, fw_version
       from unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
         as valve (tasmart_id, full_sn, short_sn, user_id, kind, fw_version)
       on conflict do nothing`,
      [
        id,
        formatRfc3339(untilUs),
        valves.map((valve) => valve.id),
        valves.map((valve) => valve.fullSn),
        valves.map((valve) => valve.shortSn),
        valves.map((valve) => valve.userId ?? null),
        valves.map((valve) => valve.kind),
        valves.map((valve) => valve.fwVersion ?? null),
      ],
    );
  }
  await database.query('analyze');
}
