import type pg from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { SchemaFiles } from '../../src/database/migrations-plan.ts';
import { migrate } from '../../src/database/migrations.ts';
import { loadSchemaFiles } from '../../src/database/schema-files.ts';
import { REPOSITORY } from '../support/build.ts';
import { emptyDatabase, type TestDatabase } from '../support/database.ts';

/** As the prototype made it. */
const PROTOTYPE = `
  create table tasmart_data_table (
    id serial primary key,
    timestamp integer,
    tasmart_id varchar(255),
    measured_flow integer,
    measured_power integer,
    energy_counter_regime_1 integer,
    energy_counter_regime_2 integer
  )`;

/** id, timestamp, tasmart_id, flow, power, counter 1, counter 2 */
type Row = [number, number | null, string | null, number | null, number | null, number | null, number | null];

const T = 1_700_000_000;

let database: TestDatabase;
let client: pg.Client;
let files: SchemaFiles;

beforeEach(async () => {
  database = await emptyDatabase();
  client = await database.client();
  files = await loadSchemaFiles(`${REPOSITORY}sql`);
});
afterEach(() => database.drop());

describe('the rows of the prototype', () => {
  test.each<{ what: string; before: Row[]; kept: Row[]; setAside?: [number, string][] }>([
    {
      what: 'points that are alone stay as they are, nulls and zeros included',
      before: [
        [1, T, 'a', 1, 2, 3, 0],
        [2, T + 1, 'a', 0, 0, null, null],
        [3, T, 'b', null, null, null, null],
      ],
      kept: [
        [1, T, 'a', 1, 2, 3, 0],
        [2, T + 1, 'a', 0, 0, null, null],
        [3, T, 'b', null, null, null, null],
      ],
    },
    {
      what: 'equal rows of one point are folded into the first, equal nulls included',
      before: [
        [1, T, 'a', 1, 2, 3, null],
        [2, T, 'a', 1, 2, 3, null],
        [3, T, 'b', null, null, null, null],
        [4, T, 'b', null, null, null, null],
        [5, T, 'a', 1, 2, 3, null],
      ],
      kept: [
        [1, T, 'a', 1, 2, 3, null],
        [3, T, 'b', null, null, null, null],
      ],
    },
    {
      what: 'rows of one point complete each other; what none of them has stays null',
      before: [
        [4, T, 'a', null, null, 3, null],
        [7, T, 'a', 1, null, null, null],
        [9, T, 'a', null, 2, 3, null],
      ],
      kept: [[4, T, 'a', 1, 2, 3, null]],
    },
    {
      what: 'a zero completes a null, and contradicts another number',
      before: [
        [1, T, 'a', null, 2, 3, 0],
        [2, T, 'a', 0, 2, 3, 0],
        [3, T, 'b', 1, 2, 3, 0],
        [4, T, 'b', 0, 2, 3, 0],
      ],
      kept: [
        [1, T, 'a', 0, 2, 3, 0],
        [3, T, 'b', 1, 2, 3, 0],
      ],
      setAside: [[4, 'contradicts row 3']],
    },
    {
      what: 'a row that contradicts is set aside whole and completes nothing, whichever column it is',
      before: [
        [1, T, 'a', 1, null, null, null],
        [2, T, 'a', 9, 2, 3, 4],
        [3, T, 'b', null, 2, null, null],
        [4, T, 'b', 1, 9, 3, 4],
        [5, T, 'c', null, null, 3, null],
        [6, T, 'c', 1, 2, 9, 4],
        [7, T, 'd', null, null, null, 4],
        [8, T, 'd', 1, 2, 3, 9],
      ],
      kept: [
        [1, T, 'a', 1, null, null, null],
        [3, T, 'b', null, 2, null, null],
        [5, T, 'c', null, null, 3, null],
        [7, T, 'd', null, null, null, 4],
      ],
      setAside: [
        [2, 'contradicts row 1'],
        [4, 'contradicts row 3'],
        [6, 'contradicts row 5'],
        [8, 'contradicts row 7'],
      ],
    },
    {
      what: 'later rows complete past one that contradicts; one that contradicts a completed value is set aside',
      before: [
        [1, T, 'a', 1, null, null, null],
        [2, T, 'a', 9, 2, null, null],
        [3, T, 'a', 1, 5, null, null],
        [4, T, 'a', null, 6, 3, null],
        [5, T, 'a', null, 5, null, 4],
      ],
      kept: [[1, T, 'a', 1, 5, null, 4]],
      setAside: [
        [2, 'contradicts row 1'],
        [4, 'contradicts row 1'],
      ],
    },
    {
      what: 'equal rows that contradict are one when they are set aside',
      before: [
        [1, T, 'a', 1, 2, 3, 4],
        [2, T, 'a', 9, 2, 3, 4],
        [3, T, 'a', 9, 2, 3, 4],
      ],
      kept: [[1, T, 'a', 1, 2, 3, 4]],
      setAside: [[2, 'contradicts row 1']],
    },
    {
      what: 'rows without a time or a valve are set aside, equal ones too',
      before: [
        [1, null, 'a', 1, 2, 3, 4],
        [2, null, 'a', 1, 2, 3, 4],
        [3, T, null, 1, 2, 3, 4],
        [4, T, ' ', 1, 2, 3, 4],
        [5, null, null, null, null, null, null],
        [6, T, 'a', 1, 2, 3, 4],
      ],
      kept: [[6, T, 'a', 1, 2, 3, 4]],
      setAside: [
        [1, 'no time'],
        [2, 'no time'],
        [3, 'no valve'],
        [4, 'no valve'],
        [5, 'no time'],
      ],
    },
  ])('$what', async ({ before, kept, setAside = [] }) => {
    await client.query(PROTOTYPE);
    for (const row of before) {
      await client.query('insert into tasmart_data_table values ($1, $2, $3, $4, $5, $6, $7)', row);
    }
    await migrate(client, files);
    expect(await rowsOf('tasmart_data_table')).toEqual(kept);
    expect(await rowsOf('tasmart_data_set_aside')).toEqual(
      before.filter(([id]) => setAside.some(([gone]) => gone === id)),
    );
    const { rows: reasons } = await client.query('select id, reason from tasmart_data_set_aside order by id');
    expect(reasons).toEqual(setAside.map(([id, reason]) => ({ id, reason })));
  });

  test('10 000 rows with 500 duplicates, counted before and after', async () => {
    await client.query(PROTOTYPE);
    await client.query(`
      insert into tasmart_data_table (timestamp, tasmart_id, measured_flow, measured_power, energy_counter_regime_1)
      select ${T} + n / 10 * 900, 'valve ' || n % 10, n, n * 10, n / 10 from generate_series(0, 9499) as n`);
    await client.query(`
      insert into tasmart_data_table (timestamp, tasmart_id, measured_flow, measured_power, energy_counter_regime_1)
      select
        timestamp,
        tasmart_id,
        case when id <= 300 then measured_flow end,
        case when id <= 400 then measured_power else -1 end,
        energy_counter_regime_1
      from tasmart_data_table where id <= 500`);
    await client.query('update tasmart_data_table set measured_flow = null where id between 201 and 300');

    const notices: string[] = [];
    await migrate(client, files, (notice) => notices.push(notice));
    expect(notices).toEqual([
      'upgrading the 10000 rows of tasmart_data_table; it is locked until done',
      '10000 rows before',
      '400 rows folded into another row of the same point, 100 rows completed from one',
      '100 rows set aside in tasmart_data_set_aside: 0 without a time or a valve, 100 contradicting another row',
      '9500 rows after',
    ]);
    const { rows } = await client.query(`
      select
        count(*)::integer as rows,
        count(distinct (tasmart_id, timestamp))::integer as points,
        count(*) filter (where measured_flow = id - 1 and measured_power = (id - 1) * 10)::integer as whole,
        min(id)::integer,
        max(id)::integer
      from tasmart_data_table`);
    expect(rows).toEqual([{ rows: 9500, points: 9500, whole: 9500, min: 1, max: 9500 }]);
  });

  test('their time is their timestamp, and counters take what an integer could not', async () => {
    await client.query(PROTOTYPE);
    await client.query(`insert into tasmart_data_table values
      (1, 2147483647, 'a', 1, 2, 2147483647, null),
      (2, -1, 'a', 1, 2, 3, 4)`);
    await migrate(client, files);
    await client.query(`update tasmart_data_table set energy_counter_regime_1 = 9223372036854775807 where id = 1`);
    const { rows } = await client.query(`
      select time at time zone 'UTC' || '' as time, timestamp, energy_counter_regime_1 as counter
      from tasmart_data_table order by id`);
    expect(rows).toEqual([
      { time: '2038-01-19 03:14:07', timestamp: '2147483647', counter: '9223372036854775807' },
      { time: '1969-12-31 23:59:59', timestamp: '-1', counter: '3' },
    ]);
  });

  test.each([
    ['the greatest id, even of a row that was set aside', `values (41, null, 'a'), (7, ${T}, 'a')`, '42'],
    ['the serial, even where its last rows are gone', `select nextval('tasmart_data_table_id_seq'), null, 'a'`, '2'],
    ['one, in an empty table', `select 1, 2, 'a' where false`, '1'],
  ])('new ids go on after %s', async (_, insert, next) => {
    await client.query(PROTOTYPE);
    await client.query(`insert into tasmart_data_table (id, timestamp, tasmart_id) ${insert}`);
    await migrate(client, files);
    const { rows } = await client.query(`
      insert into tasmart_data_table (timestamp, tasmart_id, time) values (5, 'a', to_timestamp(5.999999)) returning id`);
    expect(rows).toEqual([{ id: next }]);
  });

  async function rowsOf(table: string): Promise<unknown[]> {
    const { rows } = await client.query<unknown[]>({
      text: `
        select
          id::integer, timestamp::integer, tasmart_id, measured_flow, measured_power,
          energy_counter_regime_1::integer, energy_counter_regime_2::integer
        from ${table} order by id`,
      rowMode: 'array',
    });
    return rows;
  }
});

describe('the table of the prototype', () => {
  test('comes to have the very schema of a fresh database', async () => {
    const other = await emptyDatabase();
    const fresh = await other.client();
    await migrate(fresh, files);
    await client.query(PROTOTYPE);
    await client.query(`insert into tasmart_data_table (timestamp, tasmart_id) values (1, 'a'), (1, 'a'), (null, 'a')`);
    await migrate(client, files);
    const schema = await describeSchema(client);
    expect(schema).toEqual(await describeSchema(fresh));
    expect(schema).toContain("tasmart_data_table.time timestamp with time zone not null -- the point's own time");
    await other.drop();
  });

  test('is rewritten once', async () => {
    await client.query(PROTOTYPE);
    await client.query(`
      create function tell() returns event_trigger language plpgsql as
        $$ begin raise notice 'rewrite of %', pg_event_trigger_table_rewrite_oid()::regclass; end $$;
      create event trigger tell on table_rewrite execute function tell()`);
    const notices: string[] = [];
    await migrate(client, files, (notice) => notices.push(notice));
    expect(notices.filter((notice) => notice === 'rewrite of tasmart_data_table')).toHaveLength(1);
  });

  test('keeps its owner, grants, comments and indexes', async () => {
    const role = `${database.database}_reader`;
    await client.query(`${PROTOTYPE}; create role ${role}`);
    await client.query(`
      grant select on tasmart_data_table to ${role};
      comment on table tasmart_data_table is 'ours';
      comment on column tasmart_data_table.measured_flow is 'ours too';
      create index by_time on tasmart_data_table (timestamp) where measured_flow > 0;
      alter table tasmart_data_table owner to ${role}`);
    await migrate(client, files);
    const { rows } = await client.query(`
      select
        pg_get_userbyid(relowner) = '${role}' as owned,
        has_table_privilege('${role}', oid, 'select') as readable,
        obj_description(oid, 'pg_class') as comment,
        col_description(oid, 4) as column_comment,
        pg_get_indexdef('by_time'::regclass) as index
      from pg_class where relname = 'tasmart_data_table'`);
    expect(rows).toEqual([
      {
        owned: true,
        readable: true,
        comment: 'ours',
        column_comment: 'ours too',
        index: 'CREATE INDEX by_time ON public.tasmart_data_table USING btree ("timestamp") WHERE (measured_flow > 0)',
      },
    ]);
    await client.query(`drop owned by ${role} cascade; drop role ${role}`);
  });

  test('is upgraded whatever its primary key is called, and without a serial', async () => {
    await client.query(`${PROTOTYPE};
      alter table tasmart_data_table rename constraint tasmart_data_table_pkey to old_key;
      alter table tasmart_data_table alter column id drop default;
      drop sequence tasmart_data_table_id_seq;
      insert into tasmart_data_table values (3, 1, 'a')`);
    await migrate(client, files);
    const { rows } = await client.query(
      `insert into tasmart_data_table (timestamp, tasmart_id, time) values (2, 'a', to_timestamp(2)) returning id`,
    );
    expect(rows).toEqual([{ id: '4' }]);
  });

  test.each([
    ['alter table tasmart_data_table alter measured_flow type bigint', 'measured_flow is bigint instead of integer'],
    ['alter table tasmart_data_table drop measured_power', 'measured_power integer is missing'],
    ['alter table tasmart_data_table add note text', 'note text is unknown'],
    [
      'alter table tasmart_data_table drop constraint tasmart_data_table_pkey, alter tasmart_id type text',
      'id is integer instead of integer primary key; tasmart_id is text instead of character varying(255)',
    ],
    [
      'alter table tasmart_data_table rename to t; create view tasmart_data_table as select * from t',
      'id is integer instead of integer primary key',
    ],
  ])('of another shape is refused and left alone: %s', async (change, difference) => {
    await client.query(`${PROTOTYPE}; insert into tasmart_data_table (timestamp) values (1), (1)`);
    await client.query(change);
    const before = await describeSchema(client);
    await expect(migrate(client, files)).rejects.toThrow(
      `0001_prototype_readings.sql: tasmart_data_table is not the prototype's table: ${difference}. ` +
        'Rename that table, or let tasmart use another database or schema. Nothing of this migration was kept.',
    );
    expect(await describeSchema(client)).toEqual(before);
    expect((await client.query('select * from tasmart_data_table')).rowCount).toBe(2);
  });

  test('that views and foreign keys depend on is refused with their names, and upgraded once they are gone', async () => {
    await client.query(`${PROTOTYPE};
      create view kw as select tasmart_id, timestamp, measured_power / 10000.0 as kw from tasmart_data_table;
      create materialized view newest as select max(timestamp) from tasmart_data_table;
      create table remarks (reading integer references tasmart_data_table)`);
    await expect(migrate(client, files)).rejects.toThrow(
      '0002_readings.sql: tasmart_data_table cannot be upgraded while these depend on it: ' +
        'foreign key remarks_reading_fkey of remarks, view kw, view newest. ' +
        'Save their definitions (pg_get_viewdef, pg_get_constraintdef), drop them, run tasmart migrate, ' +
        'and create them again. Nothing of this migration was kept.',
    );
    await client.query('drop view kw; drop materialized view newest; drop table remarks');
    expect((await migrate(client, files))[0]?.name).toBe('0002_readings.sql');
  });
});

describe('the upgraded table', () => {
  beforeEach(() => migrate(client, files));

  test('keeps one row a second and valve', async () => {
    await client.query(`insert into tasmart_data_table (timestamp, tasmart_id, time) values
      (1, 'a', to_timestamp(1)), (1, 'b', to_timestamp(1)), (2, 'a', to_timestamp(2))`);
    await expect(
      client.query(`insert into tasmart_data_table (timestamp, tasmart_id, time) values (1, 'a', to_timestamp(1.5))`),
    ).rejects.toMatchObject({ code: '23505' });
  });

  test.each([
    ['1970-01-01 00:00:01.999999Z', 1, true],
    ['1970-01-01 00:00:01Z', 1, true],
    ['1969-12-31 23:59:58.000001Z', -2, true],
    ['1970-01-01 00:00:02Z', 1, false],
    ['1970-01-01 00:00:00.999999Z', 1, false],
    ['infinity', 1, false],
  ])('time %s goes with timestamp %i: %s', async (time, timestamp, fits) => {
    const insert = client.query(`insert into tasmart_data_table (timestamp, tasmart_id, time) values ($1, 'a', $2)`, [
      timestamp,
      time,
    ]);
    if (fits) expect((await insert).rowCount).toBe(1);
    else await expect(insert).rejects.toMatchObject({ constraint: 'tasmart_data_table_time_check' });
  });
});

describe('tasmart_readings', () => {
  beforeEach(() => migrate(client, files));

  test('shows a reading exactly, in human units, with the names of valve and project', async () => {
    await client.query(`
      insert into tasmart_projects (project_id, name) values ('p', 'Sede');
      insert into tasmart_valves (tasmart_id, project_id, full_sn, short_sn, user_id, backend_ref)
        values ('a', 'p', '0123456789abcdef01234567', '01234567', 'Piano 1', 'REG-7');
      insert into tasmart_data_table (
        timestamp, tasmart_id, measured_flow, measured_power, energy_counter_regime_1, energy_counter_regime_2, time,
        relative_flow, relative_power, position, input_signal, local_temp, remote_temp, valve_timestamp, valve_dst,
        error_status
      ) values (
        1772360098, 'a', 15340, 151814, 9223372036854775807, 0, '2026-03-01T10:14:58.535091Z',
        9999, 1, 5001, 103, -5, 456, 825675298, 1, '{ErrorReverseFlow,WarningAirBubbles}'
      )`);
    expect(await readings()).toEqual([
      {
        time: '2026-03-01 10:14:58.535091+00',
        tasmart_id: 'a',
        short_sn: '01234567',
        full_sn: '0123456789abcdef01234567',
        project_name: 'Sede',
        backend_ref: 'REG-7',
        flow_m3h: '1.5340',
        power_kw: '15.1814',
        energy_1_kwh: '9223372036854775807',
        energy_2_kwh: '0',
        relative_flow_pct: '99.99',
        relative_power_pct: '0.01',
        position_pct: '50.01',
        input_signal_v: '10.3',
        local_temp_c: '-0.5',
        remote_temp_c: '45.6',
        valve_time: '2026-03-01 10:14:58+00',
        valve_dst: '1',
        error_status: '{ErrorReverseFlow,WarningAirBubbles}',
        user_id: 'Piano 1',
        timestamp: '1772360098',
        account: '',
      },
    ]);
  });

  test('shows what is unknown as null: a valve without a registry row, a clock out of reason', async () => {
    await client.query(`
      insert into tasmart_data_table (timestamp, tasmart_id, time, valve_timestamp)
      values (0, 'a', to_timestamp(0), 9223372036854775807)`);
    const [reading] = await readings();
    expect(reading).toMatchObject({ tasmart_id: 'a', timestamp: '0', time: '1970-01-01 00:00:00+00' });
    const known = Object.entries(reading ?? {}).filter(([, value]) => value !== null);
    expect(known.map(([name]) => name)).toEqual(['time', 'tasmart_id', 'timestamp']);
  });

  async function readings(): Promise<Record<string, string | null>[]> {
    await client.query(`set timezone to 'UTC'`);
    const { rows } = await client.query<Record<string, string | null>>({
      text: 'select * from tasmart_readings',
      types: { getTypeParser: () => String },
    });
    return rows;
  }
});

/** Everything in the schema that a program could notice, a line each. */
async function describeSchema(session: pg.Client): Promise<string[]> {
  const { rows } = await session.query<{ line: string }>(`
    with relation as (
      select oid, relname, relkind from pg_class where relnamespace = 'public'::regnamespace
    )
    select format('%s %s', relkind, relname) as line from relation
    union all
    select concat_ws(
      ' ',
      relname || '.' || attname,
      format_type(atttypid, atttypmod),
      case when attnotnull then 'not null' end,
      case attidentity when 'a' then 'always as identity' when 'd' then 'by default as identity' end,
      pg_get_expr(adbin, adrelid),
      '-- ' || col_description(attrelid, attnum)
    )
    from relation
    join pg_attribute on attrelid = relation.oid and attnum > 0 and not attisdropped
    left join pg_attrdef on adrelid = attrelid and adnum = attnum
    union all
    select format('%s %s %s', relname, conname, pg_get_constraintdef(pg_constraint.oid))
    from relation join pg_constraint on conrelid = relation.oid
    union all
    select pg_get_indexdef(indexrelid) from relation join pg_index on indrelid = relation.oid
    union all
    select format('%s -- %s', relname, obj_description(oid, 'pg_class')) from relation
    order by line`);
  return rows.map(({ line }) => line);
}
