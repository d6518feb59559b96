import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { planMigrations, type Migration } from '../../src/database/migrations-plan.ts';
import { loadMigrations, migrate, MigrationError, schemaState } from '../../src/database/migrations.ts';
import { REPOSITORY } from '../support/build.ts';
import { emptyDatabase, freshDatabase, type TestDatabase } from '../support/database.ts';

const SQL_DIR = `${REPOSITORY}sql`;

const ONE = migration(1, 'create table one ()');
const TWO = migration(2, 'create table two ()');
const THREE = migration(3, 'create table three ()');

function migration(number: number, sql: string): Migration {
  return { number, name: `000${number}_file.sql`, sql, sha256: `hash of ${sql}` };
}

function stateOf(client: pg.Client, migrations: readonly Migration[]) {
  const query = async <Row extends pg.QueryResultRow>(text: string) => (await client.query<Row>(text)).rows;
  return schemaState({ query }, migrations);
}

describe('planMigrations', () => {
  test.each([
    ['missing', []],
    ['older', [ONE]],
    ['current', [ONE, TWO, THREE]],
  ])('%s: what was not applied is pending, in order', (state, applied) => {
    const pending = [ONE, TWO, THREE].slice(applied.length);
    expect(planMigrations([ONE, TWO, THREE], applied)).toEqual({ state, pending });
  });

  test('a database with migrations beyond the last file is newer', () => {
    expect(planMigrations([ONE], [ONE, TWO, THREE])).toEqual({
      state: 'newer',
      problem: 'the database is newer than this program: it has 0002_file.sql, 0003_file.sql',
    });
  });

  test('an applied migration whose content changed is found, whatever else is the matter', () => {
    expect(planMigrations([ONE], [{ ...ONE, name: '0001_old.sql', sha256: 'other' }, TWO])).toEqual({
      state: 'altered',
      problem: '0001_file.sql has changed since it was applied to the database (then named 0001_old.sql)',
    });
  });

  test('a renamed file with the same content is still the same migration', () => {
    expect(planMigrations([{ ...ONE, name: '0001_renamed.sql' }], [ONE])).toEqual({ state: 'current', pending: [] });
  });

  test('an applied migration whose file is missing is found', () => {
    expect(planMigrations([ONE, THREE], [ONE, TWO])).toEqual({
      state: 'altered',
      problem: '0002_file.sql was applied to the database, but the file is missing',
    });
  });

  test('a migration that was passed over is found', () => {
    expect(planMigrations([ONE, TWO, THREE], [ONE, THREE])).toEqual({
      state: 'altered',
      problem: '0002_file.sql was never applied, though later migrations were',
    });
  });
});

describe('loadMigrations', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tasmart-migrations-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  test('reads the .sql files in order of their numbers', async () => {
    await writeFile(join(folder, '0010_b.sql'), 'select 2');
    await writeFile(join(folder, '0002_a.sql'), 'select 1');
    await writeFile(join(folder, '0002_a.sql~'), 'left by an editor');
    expect(await loadMigrations(folder)).toEqual([
      {
        number: 2,
        name: '0002_a.sql',
        sql: 'select 1',
        sha256: '822ae07d4783158bc1912bb623e5107cc9002d519e1143a9c200ed6ee18b6d0f',
      },
      {
        number: 10,
        name: '0010_b.sql',
        sql: 'select 2',
        sha256: '3cf988cc782b44bc24ceb17e445d9c3cfd06b6c848ecfff949e1bfdb9f705a61',
      },
    ]);
  });

  test('hashes a checkout with Windows line endings alike', async () => {
    await writeFile(join(folder, '0001_unix.sql'), 'select\n1\n');
    await writeFile(join(folder, '0002_windows.sql'), 'select\r\n1\r\n');
    const [unix, windows] = await loadMigrations(folder);
    expect(unix?.sha256).toBe(windows?.sha256);
  });

  test('refuses a .sql file without a number', async () => {
    await writeFile(join(folder, 'runs.sql'), '');
    await expect(loadMigrations(folder)).rejects.toThrow(/runs\.sql: a migration is named like 0001_lower_case\.sql$/);
  });

  test('refuses two files with one number', async () => {
    await writeFile(join(folder, '0001_a.sql'), '');
    await writeFile(join(folder, '0001_b.sql'), '');
    await expect(loadMigrations(folder)).rejects.toThrow('0001_b.sql: another migration has the same number');
  });
});

describe('migrate', () => {
  let database: TestDatabase;
  let client: pg.Client;
  beforeEach(async () => {
    database = await emptyDatabase();
    client = await database.client();
  });
  afterEach(() => database.drop());

  test('an empty database gets all of the schema, without a word; a second time changes nothing', async () => {
    const migrations = await loadMigrations(SQL_DIR);
    const notices: string[] = [];
    expect((await stateOf(client, migrations)).state).toBe('missing');
    expect(await migrate(client, migrations, (notice) => notices.push(notice))).toEqual(migrations);
    expect((await stateOf(client, migrations)).state).toBe('current');
    expect(await migrate(client, migrations, (notice) => notices.push(notice))).toEqual([]);
    expect(notices).toEqual([]);
    expect(await relations(client)).toEqual([
      'tasmart_backfills',
      'tasmart_data_set_aside',
      'tasmart_data_table',
      'tasmart_migrations',
      'tasmart_project_names',
      'tasmart_projects',
      'tasmart_readings',
      'tasmart_runs',
      'tasmart_valve_history',
      'tasmart_valves',
    ]);
  });

  test('twenty at once all succeed, and one does the work', async () => {
    const migrations = await loadMigrations(SQL_DIR);
    const applied = await Promise.all(
      Array.from({ length: 20 }, async () => migrate(await database.client(), migrations)),
    );
    expect(applied.filter((done) => done.length > 0)).toEqual([migrations]);
    expect((await stateOf(client, migrations)).state).toBe('current');
  });

  test('goes on from where an older program stopped', async () => {
    await migrate(client, [ONE]);
    expect(await stateOf(client, [ONE, TWO, THREE])).toEqual({ state: 'older', pending: [TWO, THREE] });
    expect(await migrate(client, [ONE, TWO, THREE])).toEqual([TWO, THREE]);
    expect(await relations(client)).toEqual(['one', 'tasmart_migrations', 'three', 'two']);
  });

  test('touches nothing where an applied migration has changed', async () => {
    await migrate(client, [ONE]);
    const changed = migration(1, 'create table uno ()');
    await expect(migrate(client, [changed, TWO])).rejects.toThrow(
      new MigrationError(
        '0001_file.sql has changed since it was applied to the database (then named 0001_file.sql). ' +
          'Nothing was touched; restore the files as they were released.',
      ),
    );
    expect(await relations(client)).toEqual(['one', 'tasmart_migrations']);
  });

  test('touches nothing where the database is newer', async () => {
    await migrate(client, [ONE, TWO]);
    await expect(migrate(client, [ONE])).rejects.toThrow(
      new MigrationError(
        'the database is newer than this program: it has 0002_file.sql. Nothing was touched; update tasmart.',
      ),
    );
  });

  test('a failing migration is rolled back whole and named with its line; those before it stay', async () => {
    const broken = migration(2, "create table half ();\n-- °\ninsert into half select 'm³' from nowhere;");
    const failure = await rejection(migrate(client, [ONE, broken, THREE]));
    expect(failure.message).toBe(
      '0002_file.sql, line 3: relation "nowhere" does not exist. Nothing of this migration was kept.',
    );
    expect(failure.cause).toMatchObject({ code: '42P01' });
    expect(await relations(client)).toEqual(['one', 'tasmart_migrations']);
    expect(await stateOf(client, [ONE, TWO])).toEqual({ state: 'older', pending: [TWO] });
  });

  test('the first of all migrations leaves nothing behind when it fails', async () => {
    await rejection(migrate(client, [migration(1, 'create table half (); select 1/0')]));
    expect(await relations(client)).toEqual([]);
  });

  test('a failing migration lets the next one in', async () => {
    await rejection(migrate(client, [migration(1, 'select 1/0')]));
    expect(await migrate(await database.client(), [ONE])).toEqual([ONE]);
  });

  test('a connection that breaks is told as such, not as a failing rollback', async () => {
    const fatal = migration(2, 'create table half (); select pg_terminate_backend(pg_backend_pid())');
    const failure = await rejection(migrate(client, [ONE, fatal]));
    expect(failure.message).toBe(
      '0002_file.sql: terminating connection due to administrator command. Nothing of this migration was kept.',
    );
    expect(failure.cause).toMatchObject({ code: '57P01' });
    expect(await relations(await database.client())).toEqual(['one', 'tasmart_migrations']);
  });

  test('a table in use is not waited for without end', async () => {
    await migrate(client, [ONE]);
    const reader = await database.client();
    await reader.query('begin; select * from one');
    const limit: string[] = [];
    const blocked = migration(
      2,
      `do $$ begin raise notice '%', current_setting('lock_timeout'); end $$;
       set local lock_timeout = '10ms';
       drop table one`,
    );
    const failure = await rejection(migrate(client, [ONE, blocked], (notice) => limit.push(notice)));
    expect(failure.message).toBe(
      '0002_file.sql: canceling statement due to lock timeout. Another session uses the table (pg_stat_activity ' +
        'shows it): let it finish, then run tasmart migrate again. Nothing of this migration was kept.',
    );
    expect(limit).toEqual(['30s']);
  });

  test('a role without rights is told what it lacks', async () => {
    await withRole(client, async (role) => {
      await client.query(`set role ${role}`);
      const failure = await rejection(migrate(client, [ONE]));
      expect(failure.message).toBe(
        '0001_file.sql: permission denied for schema public. ' +
          'Run it as the owner of the tables, with the right to create in the schema. ' +
          'Nothing of this migration was kept.',
      );
    });
  });

  test('says that it waits for another process, and then finds nothing to do', async () => {
    const other = await database.client();
    const notices: string[] = [];
    let waiting: Promise<readonly Migration[]> | undefined;
    await new Promise<void>((resolve, reject) => {
      const slow = migration(1, `do $$ begin raise notice 'at work'; perform pg_sleep(0.2); end $$`);
      migrate(client, [slow], () => {
        waiting = migrate(other, [slow], (notice) => notices.push(notice));
      }).then(() => resolve(), reject);
    });
    expect(await waiting).toEqual([]);
    expect(notices).toEqual(['another process is changing the schema; waiting for it']);
  });
});

test('the state of the schema can be seen by a role that may only read tasmart_migrations', async () => {
  const database = await freshDatabase();
  const client = await database.client();
  await withRole(client, async (role) => {
    await client.query(`grant select on tasmart_migrations to ${role}; set role ${role}`);
    expect((await stateOf(client, await loadMigrations(SQL_DIR))).state).toBe('current');
  });
  await database.drop();
});

async function rejection(promise: Promise<unknown>): Promise<MigrationError> {
  const error: unknown = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (error instanceof MigrationError) return error;
  throw new Error(`expected a MigrationError, not ${String(error)}`);
}

async function relations(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ relname: string }>(
    `select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'v') order by 1`,
  );
  return rows.map(({ relname }) => relname);
}

/** Roles belong to the whole server, so each test has its own. */
async function withRole(client: pg.Client, work: (role: string) => Promise<void>): Promise<void> {
  const role = `${client.database ?? ''}_role`;
  await client.query(`create role ${role}`);
  try {
    await work(role);
  } finally {
    await client.query(`reset role; drop owned by ${role}; drop role ${role}`);
  }
}
