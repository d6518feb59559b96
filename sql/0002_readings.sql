-- Upgrades the prototype's table in place: its owner, grants, comments, ids and own indexes stay.
--
-- access exclusive: readers and writers wait until the upgrade is done. It is taken first, so that a table in use
-- fails at once (lock_timeout) rather than after the work, and no lock has to be raised on the way.
-- https://www.postgresql.org/docs/current/explicit-locking.html
lock table tasmart_data_table in access exclusive mode;

-- What would make the steps below fail half-way, with a message about one column, is named here, whole.
do $$
declare
  obstacles text;
begin
  select string_agg(distinct obstacle, ', ')
  into obstacles
  from (
    select format('view %s', ev_class::regclass)
    from pg_depend
    join pg_rewrite on pg_rewrite.oid = objid
    where classid = 'pg_rewrite'::regclass
      and refobjid = 'tasmart_data_table'::regclass
      and ev_class <> refobjid
    union all
    select format('foreign key %I of %s', conname, conrelid::regclass)
    from pg_constraint
    where contype = 'f' and confrelid = 'tasmart_data_table'::regclass
  ) as found (obstacle);

  if obstacles is not null then
    raise exception 'tasmart_data_table cannot be upgraded while these depend on it: %', obstacles
      using
        errcode = 'dependent_objects_still_exist',
        hint = 'Save their definitions (pg_get_viewdef, pg_get_constraintdef), drop them, run tasmart migrate, '
          'and create them again.';
  end if;
end
$$;

create table tasmart_data_set_aside (
  id integer primary key,
  "timestamp" integer,
  tasmart_id varchar(255),
  measured_flow integer,
  measured_power integer,
  energy_counter_regime_1 integer,
  energy_counter_regime_2 integer,
  reason text not null,
  set_aside_at timestamptz not null default now()
);

-- Completes the measurements of a kept row from those of a later one, unless they contradict each other.
create function pg_temp.complete(kept integer[], later integer[]) returns integer[] language sql immutable as $$
  select case when bool_or(k <> l) then kept else array_agg(coalesce(k, l) order by n) end
  from unnest(kept, later) with ordinality as pair (k, l, n)
$$;
create aggregate pg_temp.completed(integer[]) (sfunc = pg_temp.complete, stype = integer[]);

-- One row per point. Only the rows of repeated points are looked at one by one; all others stay where they are.
do $$
declare
  rows_before bigint;
  homeless bigint;
  completed bigint;
  contradicting bigint;
  folded bigint;
  rows_after bigint;
begin
  select count(*) into rows_before from tasmart_data_table;
  if rows_before = 0 then
    return;
  end if;
  raise notice 'upgrading the % rows of tasmart_data_table; it is locked until done', rows_before;

  with gone as (
    delete from tasmart_data_table where "timestamp" is null or nullif(btrim(tasmart_id), '') is null returning *
  )
  insert into tasmart_data_set_aside
  select *, case when "timestamp" is null then 'no time' else 'no valve' end from gone;
  get diagnostics homeless = row_count;

  create temporary table repeated on commit drop as
  select
    id,
    tasmart_id,
    "timestamp",
    array[measured_flow, measured_power, energy_counter_regime_1, energy_counter_regime_2] as measured,
    min(id) over (
      partition by
        tasmart_id, "timestamp", measured_flow, measured_power, energy_counter_regime_1, energy_counter_regime_2
    ) as first_equal_id
  from tasmart_data_table
  join (select tasmart_id, "timestamp" from tasmart_data_table group by 1, 2 having count(*) > 1) as point
    using (tasmart_id, "timestamp");

  create temporary table kept on commit drop as
  select tasmart_id, "timestamp", min(id) as id, pg_temp.completed(measured order by id) as measured
  from repeated
  where id = first_equal_id
  group by tasmart_id, "timestamp";

  update tasmart_data_table as reading
  set
    measured_flow = kept.measured[1],
    measured_power = kept.measured[2],
    energy_counter_regime_1 = kept.measured[3],
    energy_counter_regime_2 = kept.measured[4]
  from kept
  join repeated using (id)
  where reading.id = kept.id and kept.measured is distinct from repeated.measured;
  get diagnostics completed = row_count;

  with gone as (
    delete from tasmart_data_table as reading
    using repeated join kept using (tasmart_id, "timestamp")
    where reading.id = repeated.id and reading.id <> kept.id
    returning reading.*, first_equal_id, kept.id as kept_id, kept.measured as kept
  )
  insert into tasmart_data_set_aside
  select
    id, "timestamp", tasmart_id, measured_flow, measured_power, energy_counter_regime_1, energy_counter_regime_2,
    format('contradicts row %s', kept_id)
  from gone
  where id = first_equal_id
    and (
      measured_flow <> kept[1]
      or measured_power <> kept[2]
      or energy_counter_regime_1 <> kept[3]
      or energy_counter_regime_2 <> kept[4]
    );
  get diagnostics contradicting = row_count;

  folded := (select count(*) from repeated) - (select count(*) from kept) - contradicting;
  rows_after := (select count(*) from tasmart_data_table);
  if rows_before <> rows_after + folded + homeless + contradicting then
    raise exception 'the rows do not add up: % before, % after', rows_before, rows_after;
  end if;
  raise notice '% rows before', rows_before;
  raise notice '% rows folded into another row of the same point, % rows completed from one', folded, completed;
  raise notice '% rows set aside in tasmart_data_set_aside: % without a time or a valve, % contradicting another row',
    homeless + contradicting, homeless, contradicting;
  raise notice '% rows after', rows_after;
end
$$;

drop aggregate pg_temp.completed(integer[]);
drop function pg_temp.complete(integer[], integer[]);

alter table tasmart_data_table add column time timestamptz;

-- All of this is one rewrite of the table and one build of each index: USING reads the row as it was before.
-- https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
do $$
begin
  execute format(
    'alter table tasmart_data_table drop constraint %I',
    (select conname from pg_constraint where conrelid = 'tasmart_data_table'::regclass and contype = 'p')
  );
end
$$;
alter table tasmart_data_table
  alter column id set not null,
  alter column id type bigint,
  alter column "timestamp" set not null,
  alter column "timestamp" type bigint,
  alter column tasmart_id set not null,
  alter column energy_counter_regime_1 type bigint,
  alter column energy_counter_regime_2 type bigint,
  alter column time set not null,
  alter column time type timestamptz using to_timestamp("timestamp"),
  add column relative_flow integer,
  add column relative_power integer,
  add column position integer,
  add column input_signal integer,
  add column local_temp integer,
  add column remote_temp integer,
  add column valve_timestamp bigint,
  add column valve_dst integer,
  add column error_status text[],
  add constraint tasmart_data_table_pkey primary key (tasmart_id, "timestamp"),
  add constraint tasmart_data_table_time_check
    check (time >= to_timestamp("timestamp") and time < to_timestamp("timestamp" + 1));

-- The serial becomes an identity that goes on where the serial, or the greatest id, left off.
do $$
declare
  serial regclass := pg_get_serial_sequence('tasmart_data_table', 'id');
  last_id bigint := greatest(
    pg_sequence_last_value(serial),
    (select max(id) from tasmart_data_table),
    (select max(id) from tasmart_data_set_aside)
  );
begin
  alter table tasmart_data_table alter column id drop default;
  if serial is not null then
    execute format('drop sequence %s', serial);
  end if;
  alter table tasmart_data_table alter column id add generated by default as identity;
  if last_id >= 1 then
    perform setval(pg_get_serial_sequence('tasmart_data_table', 'id'), last_id);
  end if;
end
$$;

-- Dashboards ask for the last day of all valves; rows come in the order of time, so a BRIN index of some kilobytes
-- finds them. Small ranges keep it good where a backfill put a long stretch of old rows.
-- https://www.postgresql.org/docs/current/brin.html
create index tasmart_data_table_time_idx on tasmart_data_table
  using brin (time) with (pages_per_range = 16, autosummarize = on);

-- A rewrite leaves no statistics behind, and autovacuum does not count it as a change.
analyze tasmart_data_table;

comment on table tasmart_data_set_aside is
  'rows of the prototype that had no place in tasmart_data_table, exactly as they were';
comment on column tasmart_data_set_aside.reason is 'no time, no valve, or the row of the same point it contradicts';

-- What somebody has already written about the table stays.
do $$
declare
  entry record;
begin
  if obj_description('tasmart_data_table'::regclass, 'pg_class') is null then
    comment on table tasmart_data_table is 'readings of the valves, in HyCloud''s units; rows are only ever added';
  end if;
  for entry in
    select name, meaning
    from (
      values
        ('id', 'order of arrival; kept for the prototype''s readers'),
        ('timestamp', 'epoch seconds of time, rounded down'),
        ('tasmart_id', 'HyCloud''s uuid of the valve'),
        ('measured_flow', 'dl/h (10 000 = 1 m³/h), mean of 15 s; null: the valve sent none'),
        ('measured_power', 'dW (10 000 = 1 kW), mean of 15 s; null: the valve sent none'),
        ('energy_counter_regime_1', 'kWh since installation, an odometer'),
        ('energy_counter_regime_2', 'kWh since installation, an odometer'),
        ('time', 'the point''s own time'),
        ('relative_flow', '1/100 % of the current maximum flow'),
        ('relative_power', '1/100 % of the current maximum power'),
        ('position', '1/100 % of the current maximum opening'),
        ('input_signal', 'tenths of a volt'),
        ('local_temp', 'tenths of a degree Celsius'),
        ('remote_temp', 'tenths of a degree Celsius'),
        ('valve_timestamp', 'seconds since 2000-01-01 by the valve''s own clock'),
        ('valve_dst', 'the valve''s daylight-saving switch'),
        ('error_status', 'errors and warnings as HyCloud names them')
    ) as known (name, meaning)
    join pg_attribute on attrelid = 'tasmart_data_table'::regclass and attname = name
    where col_description(attrelid, attnum) is null
  loop
    execute format('comment on column tasmart_data_table.%I is %L', entry.name, entry.meaning);
  end loop;
end
$$;
