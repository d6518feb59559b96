import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startSimulator, type Simulator } from '../../scripts/simulator/simulator.ts';
import { REPOSITORY } from '../support/build.ts';
import { runCli } from '../support/cli.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';

const PARTITION = join(REPOSITORY, 'scripts', 'partition.sql');
const VALVES = 3;

let simulator: Simulator;
let database: TestDatabase;
let client: pg.Client;
let folder: string;

beforeEach(async () => {
  simulator = await startSimulator({ valves: VALVES });
  database = await freshDatabase();
  client = await database.client();
  folder = await mkdtemp(join(tmpdir(), 'tasmart-partitions-'));
  const config = { target_project_name: simulator.projects[0]?.name, requests_per_second: 1000 };
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
});

afterEach(async () => {
  await simulator.close();
  await database.drop();
  await rm(folder, { recursive: true });
});

async function tasmart(...args: string[]): Promise<string> {
  const env = { ...simulator.env(), DATABASE_URL: database.url };
  const { code, stdout, stderr } = await runCli(args, { cwd: folder, env });
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

async function poll(): Promise<{ stored: number; unchanged: number }> {
  const { run } = JSON.parse(await tasmart('poll', '--format', 'json')) as {
    run: { stored: number; unchanged: number };
  };
  return run;
}

async function partition(): Promise<void> {
  await client.query(await readFile(PARTITION, 'utf8'));
}

/** The first column. */
async function column<T>(sql: string): Promise<T[]> {
  const { rows } = await client.query<[T]>({ text: sql, rowMode: 'array' });
  return rows.map(([value]) => value);
}

/** A reading a day of one valve, from `first` months after this one's begin for so many days. */
async function addReadings(first: number, days: number, valve = 'old valve'): Promise<void> {
  await client.query(
    `insert into tasmart_data_table ("timestamp", tasmart_id, "time", energy_counter_regime_1)
     select extract(epoch from day), $3, day, extract(epoch from day) / 86400 * 50
     from generate_series(0, $2 - 1) as n,
       lateral (select (date_trunc('month', now() at time zone 'UTC') + make_interval(months => $1, days => n)) at time zone 'UTC') as days (day)`,
    [first, days, valve],
  );
}

const PARTITIONS = `
  select replace(relname, 'tasmart_data_table_', '') from pg_inherits join pg_class on pg_class.oid = inhrelid
  where inhparent = 'tasmart_data_table'::regclass order by relname`;

/** Names as the partitions have them, of months relative to this one. */
async function months(...offsets: number[]): Promise<string[]> {
  const list = offsets.join(', ');
  return column(
    `select to_char(now() at time zone 'UTC' + make_interval(months => n), 'YYYY_MM') from unnest(array[${list}]) as n`,
  );
}

/** The settings of each table that holds rows. */
const SETTINGS = `
  select distinct reloptions::text from pg_class
  where oid in (select relid from pg_partition_tree('tasmart_data_table') where isleaf)`;

const CONSUMPTION = `
  select row_to_json(bucket)::text
  from tasmart_consumption('day', date_trunc('month', now()) - interval '3 months', date_trunc('hour', now()), 'UTC')
    as bucket`;
const CONTENT = `select row_to_json(reading)::text from tasmart_data_table as reading order by id`;
const VIEW = `select row_to_json(reading)::text from tasmart_readings as reading order by tasmart_id, "timestamp"`;

test('the table becomes partitioned by month, and everything that uses it goes on as before', async () => {
  await addReadings(-3, 80);
  expect((await poll()).stored).toBe(VALVES);
  const role = `reader_${database.database}`;
  await client.query(`create role ${role}`);
  await client.query(`grant select on tasmart_data_table, tasmart_readings to ${role}`);
  await client.query(`grant update (measured_flow) on tasmart_data_table to ${role} with grant option`);
  await client.query('create view daily with (security_barrier) as select max(id) as newest from tasmart_data_table');
  const indexes = `select indexname from pg_indexes where tablename = 'tasmart_data_table' order by 1`;
  const described = `select col_description('tasmart_data_table'::regclass, attnum) from pg_attribute
    where attrelid = 'tasmart_data_table'::regclass and attnum > 0 order by attname`;
  const seen = [CONTENT, VIEW, CONSUMPTION, indexes, described, 'select newest from daily'];
  const look = async (): Promise<unknown[][]> => {
    const answers = [];
    for (const sql of seen) answers.push(await column(sql));
    return answers;
  };
  const before = await look();
  const settings = await column(`select reloptions::text from pg_class where oid = 'tasmart_data_table'::regclass`);

  await partition();

  expect(await look()).toEqual(before);
  expect(await column(PARTITIONS)).toEqual([...(await months(1, 2, 3)), 'default', 'history']);
  expect(await column(SETTINGS)).toEqual(settings);
  expect(await column(`select has_table_privilege('${role}', 'tasmart_data_table', 'select')`)).toEqual([true]);
  const update = `'${role}', 'tasmart_data_table', 'measured_flow', 'update with grant option'`;
  expect(await column(`select has_column_privilege(${update})`)).toEqual([true]);
  expect(await column(`select reloptions from pg_class where relname = 'daily'`)).toEqual([['security_barrier=true']]);
  await client.query(`set role ${role}`);
  expect(await column('select count(*)::integer from tasmart_readings')).toEqual([80 + VALVES]);
  await client.query('reset role');

  const duplicate = `insert into tasmart_data_table ("timestamp", tasmart_id, "time")
    select "timestamp", tasmart_id, "time" from tasmart_data_table limit 1`;
  await expect(client.query(duplicate)).rejects.toThrow('duplicate key value');
  const { rowCount } = await client.query(`${duplicate} on conflict (tasmart_id, "timestamp") do nothing`);
  expect(rowCount).toBe(0);
  await expect(partition()).rejects.toThrow('partitioned already');
  await client.query('rollback');
  await client.query(`drop owned by ${role}`);
  await client.query(`drop role ${role}`);
});

test('polls store into the months; old months are split off and detached', async () => {
  await addReadings(-3, 80);
  await addReadings(-3, 5, 'another valve');
  await partition();
  expect((await poll()).stored).toBe(VALVES);
  const before = await column(CONTENT);
  const consumption = await column(CONSUMPTION);

  const split: (string | null)[] = [];
  while (split.at(-1) !== null) split.push(...(await column<string | null>('select tasmart_split_history()')));
  const past = await months(-3, -2, -1, 0);
  expect(split).toEqual([...past.map((month) => `tasmart_data_table_${month}`), null]);
  expect(await column(PARTITIONS)).toEqual([...(await months(-3, -2, -1, 0, 1, 2, 3)), 'default']);
  expect(await column(CONTENT)).toEqual(before);
  expect(await column(CONSUMPTION)).toEqual(consumption);
  const oldest = `tasmart_data_table_${past[0] ?? ''}`;
  expect(await column(`select tasmart_id from ${oldest} order by ctid limit 6`)).toEqual([
    ...Array.from({ length: 5 }, () => 'another valve'),
    'old valve',
  ]);

  expect((await poll()).stored).toBeLessThanOrEqual(VALVES);
  expect(await column(`select count(*)::integer from tasmart_data_table_${past[3] ?? ''}`)).toEqual([
    (await column<number>(`select count(*)::integer from tasmart_data_table where tasmart_id not like '% valve'`))[0],
  ]);

  await client.query(`alter table tasmart_data_table detach partition ${oldest}`);
  expect(await column(`select min(id)::integer > 1 from tasmart_data_table where tasmart_id = 'old valve'`)).toEqual([
    true,
  ]);
  await tasmart('poll');
  expect(await tasmart('migrate')).toContain('nothing to do');
  await client.query('delete from tasmart_definitions');
  expect(await tasmart('migrate')).toContain('applied definitions/readings.sql');
});

test('months whose partition was forgotten get it later, with their rows', async () => {
  await partition();
  await addReadings(4, 40);
  expect(await column('select count(*)::integer from tasmart_data_table_default')).toEqual([40]);
  const before = await column(CONTENT);
  const added = await column('select tasmart_add_partitions(5)');
  expect(added).toEqual((await months(4, 5)).map((month) => `tasmart_data_table_${month}`));
  expect(await column('select count(*)::integer from tasmart_data_table_default')).toEqual([0]);
  expect(await column(CONTENT)).toEqual(before);
  expect(await column('select tasmart_add_partitions(5)')).toEqual([]);
});

test('readings that another program inserts are marked as unjudged, whatever partition they go to', async () => {
  await addReadings(-3, 80);
  await poll();
  await partition();
  expect(await column('select tasmart_id from tasmart_unjudged')).toEqual([]);
  await addReadings(-2, 1, 'in the history');
  await addReadings(1, 1, 'in a month');
  await addReadings(20, 1, 'in the default');
  expect(await column('select tasmart_id from tasmart_unjudged order by 1')).toEqual([
    'in a month',
    'in the default',
    'in the history',
  ]);
});

test('what could not be carried over is named, and nothing is touched', async () => {
  await client.query('create materialized view totals as select count(*) from tasmart_data_table');
  await client.query(`create function ours() returns trigger language plpgsql as 'begin return null; end'`);
  await client.query('create trigger ours after insert on tasmart_data_table execute function ours()');
  await expect(partition()).rejects.toThrow('materialized view totals, trigger ours');
  await client.query('rollback');
  expect(await column(`select relkind from pg_class where relname = 'tasmart_data_table'`)).toEqual(['r']);
  expect(await column(`select proname from pg_proc where proname = 'tasmart_add_partitions'`)).toEqual([]);
});
