import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  planMigrations,
  type Definition,
  type Migration,
  type SchemaFiles,
} from '../../src/database/migrations-plan.ts';
import { migrate, MigrationError, schemaState } from '../../src/database/migrations.ts';
import { loadMigrations, loadSchemaFiles } from '../../src/database/schema-files.ts';
import { REPOSITORY } from '../support/build.ts';
import { runCli } from '../support/cli.ts';
import { emptyDatabase, freshDatabase, type TestDatabase } from '../support/database.ts';

const SQL_DIR = `${REPOSITORY}sql`;

const ONE = migration(1, 'create table one ()');
const TWO = migration(2, 'create table two ()');
const THREE = migration(3, 'create table three ()');

function migration(number: number, sql: string): Migration {
  return { number, name: `000${number}_file.sql`, sql, sha256: `hash of ${sql}` };
}

function only(...migrations: Migration[]): SchemaFiles {
  return { migrations, definitions: [] };
}

function stateOf(client: pg.Client, files: SchemaFiles) {
  const query = async <Row extends pg.QueryResultRow>(text: string) => (await client.query<Row>(text)).rows;
  return schemaState({ query }, files);
}

test("a sql/ that is not whole is the installation's fault: 78", async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tasmart-sql-'));
  await expect(loadSchemaFiles(folder)).rejects.toMatchObject({
    kind: 'config',
    message: expect.stringContaining(`${folder} cannot be read: ENOENT`) as string,
  });
  await rm(folder, { recursive: true });
});

describe('planMigrations', () => {
  test.each([
    ['missing', []],
    ['older', [ONE]],
    ['current', [ONE, TWO, THREE]],
  ])('%s: what was not applied is pending, in order', (state, applied) => {
    const pending = [ONE, TWO, THREE].slice(applied.length);
    expect(planMigrations(only(ONE, TWO, THREE), applied, [])).toEqual({ state, pending, outdated: [] });
  });

  test('a database with migrations beyond the last file is newer', () => {
    expect(planMigrations(only(ONE), [ONE, TWO, THREE], [])).toEqual({
      state: 'newer',
      problem: 'the database is newer than this program: it has 0002_file.sql, 0003_file.sql',
    });
  });

  test('an applied migration whose content changed is found, whatever else is the matter', () => {
    expect(planMigrations(only(ONE), [{ ...ONE, name: '0001_old.sql', sha256: 'other' }, TWO], [])).toEqual({
      state: 'altered',
      problem: '0001_file.sql has changed since it was applied to the database (then named 0001_old.sql)',
    });
  });

  test('a renamed file with the same content is still the same migration', () => {
    expect(planMigrations(only({ ...ONE, name: '0001_renamed.sql' }), [ONE], [])).toEqual({
      state: 'current',
      pending: [],
      outdated: [],
    });
  });

  test('a definition is outdated where its hash differs or is not recorded', () => {
    const a = { name: 'definitions/a.sql', sql: '', sha256: 'a' };
    const b = { name: 'definitions/b.sql', sql: '', sha256: 'b' };
    const c = { name: 'definitions/c.sql', sql: '', sha256: 'c' };
    const files = { migrations: [ONE], definitions: [a, b, c] };
    expect(planMigrations(files, [ONE], [a, { ...b, sha256: 'other' }])).toEqual({
      state: 'older',
      pending: [],
      outdated: [b, c],
    });
    expect(planMigrations(files, [ONE], [a, b, c]).state).toBe('current');
  });

  test('a retired migration needs no file, whatever its content was', () => {
    const retired = { number: 2, name: '0010_consumption.sql', sha256: 'any' };
    expect(planMigrations(only(ONE, THREE), [ONE, retired, THREE], [])).toMatchObject({ state: 'current' });
  });

  test('an applied migration whose file is missing is found', () => {
    expect(planMigrations(only(ONE, THREE), [ONE, TWO], [])).toEqual({
      state: 'altered',
      problem: '0002_file.sql was applied to the database, but the file is missing',
    });
  });

  test('a migration that was passed over is found', () => {
    expect(planMigrations(only(ONE, TWO, THREE), [ONE, THREE], [])).toEqual({
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
    const files = await loadSchemaFiles(SQL_DIR);
    const notices: string[] = [];
    expect((await stateOf(client, files)).state).toBe('missing');
    expect(await migrate(client, files, (notice) => notices.push(notice))).toEqual([
      ...files.migrations,
      ...files.definitions,
    ]);
    expect((await stateOf(client, files)).state).toBe('current');
    expect(await migrate(client, files, (notice) => notices.push(notice))).toEqual([]);
    expect(notices).toEqual([]);
    expect(await relations(client)).toEqual([
      'tasmart_backfills',
      'tasmart_checkpoints',
      'tasmart_corrections',
      'tasmart_counter_events',
      'tasmart_data_set_aside',
      'tasmart_data_table',
      'tasmart_definitions',
      'tasmart_energy',
      'tasmart_judgements',
      'tasmart_migrations',
      'tasmart_project_names',
      'tasmart_project_valves',
      'tasmart_projects',
      'tasmart_quarter_hours',
      'tasmart_readings',
      'tasmart_runs',
      'tasmart_settings',
      'tasmart_target_projects',
      'tasmart_unjudged',
      'tasmart_valve_history',
      'tasmart_valves',
    ]);
  });

  test('twenty at once all succeed, and one does the work', async () => {
    const files = await loadSchemaFiles(SQL_DIR);
    const applied = await Promise.all(Array.from({ length: 20 }, async () => migrate(await database.client(), files)));
    expect(applied.filter((done) => done.length > 0)).toEqual([[...files.migrations, ...files.definitions]]);
    expect((await stateOf(client, files)).state).toBe('current');
  });

  test('goes on from where an older program stopped', async () => {
    await migrate(client, only(ONE));
    expect(await stateOf(client, only(ONE, TWO, THREE))).toEqual({
      state: 'older',
      pending: [TWO, THREE],
      outdated: [],
    });
    expect(await migrate(client, only(ONE, TWO, THREE))).toEqual([TWO, THREE]);
    expect(await relations(client)).toEqual(['one', 'tasmart_migrations', 'three', 'two']);
  });

  test('touches nothing where an applied migration has changed', async () => {
    await migrate(client, only(ONE));
    const changed = migration(1, 'create table uno ()');
    await expect(migrate(client, only(changed, TWO))).rejects.toThrow(
      new MigrationError(
        '0001_file.sql has changed since it was applied to the database (then named 0001_file.sql). ' +
          'Nothing was touched; restore the files as they were released.',
      ),
    );
    expect(await relations(client)).toEqual(['one', 'tasmart_migrations']);
  });

  test('touches nothing where the database is newer', async () => {
    await migrate(client, only(ONE, TWO));
    await expect(migrate(client, only(ONE))).rejects.toThrow(
      new MigrationError(
        'the database is newer than this program: it has 0002_file.sql. Nothing was touched; update tasmart.',
      ),
    );
  });

  test('a failing migration is rolled back whole and named with its line; those before it stay', async () => {
    const broken = migration(2, "create table half ();\n-- °\ninsert into half select 'm³' from nowhere;");
    const failure = await rejection(migrate(client, only(ONE, broken, THREE)));
    expect(failure.message).toBe(
      '0002_file.sql, line 3: relation "nowhere" does not exist. Nothing of this migration was kept.',
    );
    expect(failure.cause).toMatchObject({ code: '42P01' });
    expect(await relations(client)).toEqual(['one', 'tasmart_migrations']);
    expect(await stateOf(client, only(ONE, TWO))).toEqual({ state: 'older', pending: [TWO], outdated: [] });
  });

  test('the first of all migrations leaves nothing behind when it fails', async () => {
    await rejection(migrate(client, only(migration(1, 'create table half (); select 1/0'))));
    expect(await relations(client)).toEqual([]);
  });

  test('a failing migration lets the next one in', async () => {
    await rejection(migrate(client, only(migration(1, 'select 1/0'))));
    expect(await migrate(await database.client(), only(ONE))).toEqual([ONE]);
  });

  test('a connection that breaks is told as such, not as a failing rollback', async () => {
    const fatal = migration(2, 'create table half (); select pg_terminate_backend(pg_backend_pid())');
    const failure = await rejection(migrate(client, only(ONE, fatal)));
    expect(failure.message).toBe(
      '0002_file.sql: terminating connection due to administrator command. Nothing of this migration was kept.',
    );
    expect(failure.cause).toMatchObject({ code: '57P01' });
    expect(await relations(await database.client())).toEqual(['one', 'tasmart_migrations']);
  });

  test('a table in use is not waited for without end', async () => {
    await migrate(client, only(ONE));
    const reader = await database.client();
    await reader.query('begin; select * from one');
    const limit: string[] = [];
    const blocked = migration(
      2,
      `do $$ begin raise notice '%', current_setting('lock_timeout'); end $$;
       set local lock_timeout = '10ms';
       drop table one`,
    );
    const failure = await rejection(migrate(client, only(ONE, blocked), (notice) => limit.push(notice)));
    expect(failure.message).toBe(
      '0002_file.sql: canceling statement due to lock timeout. Another session uses the table (pg_stat_activity ' +
        'shows it): let it finish, then run tasmart migrate again. Nothing of this migration was kept.',
    );
    expect(limit).toEqual(['30s']);
  });

  test('a role without rights is told what it lacks', async () => {
    await withRole(client, async (role) => {
      await client.query(`revoke create on schema public from public; set role ${role}`);
      const failure = await rejection(migrate(client, only(ONE)));
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
    let waiting: Promise<readonly Definition[]> | undefined;
    await new Promise<void>((resolve, reject) => {
      const slow = migration(1, `do $$ begin raise notice 'at work'; perform pg_sleep(0.2); end $$`);
      migrate(client, only(slow), () => {
        waiting = migrate(other, only(slow), (notice) => notices.push(notice));
      }).then(() => resolve(), reject);
    });
    expect(await waiting).toEqual([]);
    expect(notices).toEqual(['another process is changing the schema; waiting for it']);
  });
});

test('the state of the schema can be seen by a role that may only read the books of migrate', async () => {
  const database = await freshDatabase();
  const client = await database.client();
  await withRole(client, async (role) => {
    await client.query(`grant select on tasmart_migrations, tasmart_definitions to ${role}; set role ${role}`);
    expect((await stateOf(client, await loadSchemaFiles(SQL_DIR))).state).toBe('current');
  });
  await database.drop();
});

describe('definitions', () => {
  let database: TestDatabase;
  let client: pg.Client;
  beforeEach(async () => {
    database = await emptyDatabase();
    client = await database.client();
  });
  afterEach(() => database.drop());

  const BOOKS: Migration = migration(
    1,
    'create table tasmart_definitions (name text primary key, sha256 text, applied_at timestamptz default now())',
  );

  function answer(sql: string): Definition {
    return { name: 'definitions/answer.sql', sql, sha256: `hash of ${sql}` };
  }

  const FIRST = answer('create or replace view answer as select 41 as number');
  const SECOND = answer('create or replace view answer as select 42 as number');

  test('that changed are outdated, and applied again; grants on them stay', async () => {
    await migrate(client, { migrations: [BOOKS], definitions: [FIRST] });
    await withRole(client, async (role) => {
      await client.query(`grant select on answer to ${role}`);
      const files = { migrations: [BOOKS], definitions: [SECOND] };
      expect(await stateOf(client, files)).toEqual({ state: 'older', pending: [], outdated: [SECOND] });
      expect(await migrate(client, files)).toEqual([SECOND]);
      expect((await stateOf(client, files)).state).toBe('current');
      await client.query(`set role ${role}`);
      expect((await client.query('select number from answer')).rows).toEqual([{ number: 42 }]);
    });
  });

  test('are applied all or none, and the failing one is named with its line', async () => {
    const broken = { name: 'definitions/broken.sql', sql: '-- °\nselect * from nowhere', sha256: 'x' };
    const failure = await rejection(migrate(client, { migrations: [BOOKS], definitions: [FIRST, broken] }));
    expect(failure.message).toContain('definitions/broken.sql, line 2: relation "nowhere" does not exist.');
    expect(await relations(client)).toEqual(['tasmart_definitions', 'tasmart_migrations']);
  });

  test('a role that may not read their books is told the grant', async () => {
    const files = { migrations: [BOOKS], definitions: [FIRST] };
    await migrate(client, files);
    await withRole(client, async (role) => {
      await client.query(`grant select on tasmart_migrations to ${role}; set role ${role}`);
      await expect(stateOf(client, files)).rejects.toMatchObject({
        kind: 'credentials',
        message: 'the role may not read tasmart_definitions',
        remedy: `grant select on tasmart_definitions to ${role}`,
      });
    });
  });

  /** As released last before the stored kWh: migrations up to 0014, and functions that read kWh from the readings. */
  async function atLastRelease(): Promise<void> {
    const { migrations } = await loadSchemaFiles(SQL_DIR);
    const { definitions } = await loadSchemaFiles(`${REPOSITORY}test/database/fixtures`);
    await migrate(client, { migrations: migrations.filter(({ number }) => number < 15), definitions });
    await client.query(`
      insert into tasmart_data_table ("timestamp", tasmart_id, "time", energy_counter_regime_1)
      select extract(epoch from at), 'a', at, 100 + row_number() over (order by at)
      from generate_series('2026-01-01 00:00Z'::timestamptz, '2026-01-05 00:00Z', interval '15 minutes') as at`);
  }

  /** The same release before that: with the migrations that are retired now. */
  async function withRetiredMigrations(): Promise<void> {
    await client.query(`
      delete from tasmart_migrations where number = 14;
      drop table tasmart_definitions;
      insert into tasmart_migrations (number, name, sha256) values
        (5, '0005_readings_view.sql', ''), (10, '0010_consumption.sql', ''),
        (11, '0011_consumption_speed.sql', ''), (12, '0012_shape_of_large_powers.sql', '')`);
  }

  test.each([
    ['the last release', async () => Promise.resolve(), []],
    ['the release before it', withRetiredMigrations, ['0014_definitions.sql']],
  ])('a database of %s upgrades to what a fresh one has, and keeps its readings', async (_, age, first) => {
    await atLastRelease();
    await age();
    const files = await loadSchemaFiles(SQL_DIR);
    // `account` is new in the view.
    const readings = `select to_jsonb(r) - 'account' as reading from tasmart_readings as r order by "timestamp"`;
    const seen = async () => (await client.query<object>(readings)).rows;
    const before = await seen();
    expect(before).toHaveLength(385);

    const notices: string[] = [];
    const applied = await migrate(client, files, (notice) => notices.push(notice));

    expect(applied.map(({ name }) => name)).toEqual(
      expect.arrayContaining([...first, '0015_energy.sql', 'definitions/consumption.sql', 'definitions/energy.sql']),
    );
    expect(notices).toEqual([]);
    expect((await stateOf(client, files)).state).toBe('current');
    expect(await seen()).toEqual(before);
    const { rows } = await client.query('select distinct tasmart_id, since::text from tasmart_unjudged');
    expect(rows).toEqual([{ tasmart_id: 'a', since: '2026-01-01 00:00:00+00' }]);
    const fresh = await freshDatabase();
    expect(await routines(client)).toEqual(await routines(await fresh.client()));
    await fresh.drop();
  });
});

test('a database that 1.0.0 made upgrades to what a fresh one has, and keeps readings, kWh, links and corrections', async () => {
  const database = await emptyDatabase();
  const restoring = await database.client();
  await restoring.query(await readFile(`${REPOSITORY}test/database/fixtures/databases/1.0.0.sql`, 'utf8'));
  // The dump has emptied the search path of its session.
  const client = await database.client();
  const tasmart = (...args: string[]) => runCli(args, { env: { DATABASE_URL: database.url } });
  expect((await tasmart('migrate')).code).toBe(0);
  const fresh = await emptyDatabase();
  expect((await runCli(['migrate'], { env: { DATABASE_URL: fresh.url } })).code).toBe(0);
  expect(await routines(client)).toEqual(await routines(await fresh.client()));
  await fresh.drop();

  const { code, stdout } = await tasmart('verify', '--from', '2026-11-28', '--to', '2026-11-30');
  expect({ code, verdict: stdout.trimEnd().split('\n').at(-1) }).toEqual({
    code: 0,
    verdict:
      '✓ 420 quarter hours of 2 valves: the stored kWh are what the readings give, and the counters agree with measured power',
  });
  expect((await tasmart('link', '--list', '--format', 'csv')).stdout).toContain('IT-4711');
  expect((await tasmart('correct', '--list')).stdout).toContain('heating off for repairs');
  await database.drop();
});

/** Functions, the view and the indexes, with all that defines them. */
async function routines(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ line: string }>(`
    select concat_ws(' -- ', pg_get_functiondef(oid), obj_description(oid, 'pg_proc')) as line
    from pg_proc where pronamespace = 'public'::regnamespace
    union all
    select pg_get_viewdef(view::regclass) from unnest('{tasmart_readings,tasmart_quarter_hours}'::text[]) as view
    union all
    select pg_get_triggerdef(oid) from pg_trigger where tgrelid = 'tasmart_data_table'::regclass
    union all
    select indexdef from pg_indexes where schemaname = 'public'
    order by line`);
  return rows.map(({ line }) => line);
}

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
