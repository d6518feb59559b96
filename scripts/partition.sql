-- Turns tasmart_data_table into a table partitioned by month (UTC), in place. Run it once, as the owner of the table:
--
--   psql -v ON_ERROR_STOP=1 -f scripts/partition.sql
--
-- All existing rows become the first partition, tasmart_data_table_history, up to the end of this month. Nothing is
-- copied. The table keeps its name, columns, ids, primary key, indexes, grants, comments, tasmart's own triggers and all
-- views, so programs that use it need no change. This is one transaction. It locks the table for as long as one full read.
--
--   select tasmart_add_partitions();     run it every month: creates the partitions of the next three months, and any
--                                        that are missing before
--   select tasmart_split_history();      optional: moves the oldest month of the history to a partition of its own.
--                                        Repeat until it returns null
--   alter table tasmart_data_table detach partition tasmart_data_table_2026_01;
--                                        retires a month: it becomes a table of its own, to dump or to drop
--
-- A row of a month without a partition goes to tasmart_data_table_default. tasmart_add_partitions moves it later.

begin;
set local lock_timeout = '20s';
set local statement_timeout = 0;
lock table tasmart_data_table in access exclusive mode;

do $$
begin
  if (select relkind <> 'r' from pg_class where oid = 'tasmart_data_table'::regclass) then
    raise exception 'tasmart_data_table is partitioned already';
  end if;
end
$$;

create function tasmart_month_seconds(month date) returns bigint language sql immutable as $$
  select extract(epoch from month::timestamp at time zone 'UTC')::bigint
$$;

-- Creates the table of a month and moves that month's rows from `source` into it. Returns its name, for tasmart_attach.
create function tasmart_month_from(source regclass, month date) returns text
language plpgsql set search_path from current as $$
declare
  name text := 'tasmart_data_table_' || to_char(month, 'YYYY_MM');
begin
  execute format(
    'create table %I (like tasmart_data_table including all excluding identity excluding indexes)', name
  );
  execute format(
    'with moved as (delete from %s where "timestamp" >= $1 and "timestamp" < $2 returning *)
     insert into %I select * from moved order by tasmart_id, "timestamp"', -- stores a valve's readings side by side
    source, name
  )
  using tasmart_month_seconds(month), tasmart_month_seconds((month + interval '1 month')::date);
  return name;
end
$$;

-- The settings of sql/0015_energy.sql. Only a table that holds rows can have them, and "like" does not copy them.
create function tasmart_set_autovacuum(partition text) returns void
language plpgsql set search_path from current as $$
begin
  execute format(
    'alter table %I set (autovacuum_vacuum_insert_scale_factor = 0.01, autovacuum_analyze_scale_factor = 0.02)', partition
  );
end
$$;

-- The bounds of the partition are from_seconds, null for no lower bound, and to_seconds, which is exclusive.
create function tasmart_attach(partition text, from_seconds bigint, to_seconds bigint) returns void
language plpgsql set search_path from current as $$
begin
  -- Also creates the indexes that the partition lacks.
  execute format(
    'alter table tasmart_data_table attach partition %I for values from (%s) to (%s)',
    partition, coalesce(from_seconds::text, 'minvalue'), to_seconds
  );
  perform tasmart_set_autovacuum(partition);
end
$$;

-- The first second after the last partition with bounds; null if there is none.
create function tasmart_partitions_end() returns bigint
language sql stable set search_path from current as $$
  select max(substring(pg_get_expr(relpartbound, pg_class.oid) from $re$TO \('?(\d+)'?\)$re$)::bigint)
  from pg_inherits
  join pg_class on pg_class.oid = inhrelid
  where inhparent = 'tasmart_data_table'::regclass
$$;

create function tasmart_add_partitions(months_ahead integer default 3) returns setof text
language plpgsql set search_path from current as $$
declare
  this_month date := date_trunc('month', now() at time zone 'UTC');
  month date := coalesce((to_timestamp(tasmart_partitions_end()) at time zone 'UTC')::date, this_month);
  next_month date;
  name text;
begin
  while month <= this_month + make_interval(months => months_ahead) loop
    next_month := month + interval '1 month';
    name := tasmart_month_from('tasmart_data_table_default', month);
    perform tasmart_attach(name, tasmart_month_seconds(month), tasmart_month_seconds(next_month));
    return next name;
    month := next_month;
  end loop;
end
$$;

create function tasmart_split_history() returns text
language plpgsql set search_path from current as $$
declare
  history_end bigint;
  month date;
  next_seconds bigint;
  name text;
begin
  if to_regclass('tasmart_data_table_history') is null then
    return null;
  end if;
  -- Readers are not blocked until the detach below. Writers wait, or fail and catch up in their next run.
  lock table tasmart_data_table, only tasmart_data_table_history in share row exclusive mode;
  select substring(pg_get_expr(relpartbound, oid) from $re$TO \('?(\d+)'?\)$re$)::bigint into history_end
  from pg_class where oid = 'tasmart_data_table_history'::regclass;
  select date_trunc('month', to_timestamp(min("timestamp")) at time zone 'UTC') into month
  from tasmart_data_table_history;

  if month is not null then
    next_seconds := tasmart_month_seconds((month + interval '1 month')::date);
    name := tasmart_month_from('tasmart_data_table_history', month);
  end if;
  alter table tasmart_data_table detach partition tasmart_data_table_history;
  if month is not null then
    perform tasmart_attach(name, tasmart_month_seconds(month), next_seconds);
  end if;
  if next_seconds < history_end then
    perform tasmart_attach('tasmart_data_table_history', next_seconds, history_end);
  else
    drop table tasmart_data_table_history;
  end if;
  return name;
end
$$;

do $$
declare
  old_table constant oid := 'tasmart_data_table'::regclass; -- becomes tasmart_data_table_history
  own_triggers constant text[] := array['tasmart_mark_unjudged', 'tasmart_mark_changed'];
  history_end constant bigint :=
    tasmart_month_seconds((date_trunc('month', now() at time zone 'UTC') + interval '1 month')::date);
  last_id constant bigint := pg_sequence_last_value(pg_get_serial_sequence('tasmart_data_table', 'id')::regclass);
  obstacles text;
  statement text;
  recreate_statements text[];
begin
  select string_agg(obstacle, ', ') into obstacles
  from (
    select distinct format('materialized view %s', ev_class::regclass)
    from pg_depend
    join pg_rewrite on pg_rewrite.oid = objid
    join pg_class on pg_class.oid = ev_class
    where classid = 'pg_rewrite'::regclass and refobjid = old_table and relkind = 'm'
    union all
    select format('trigger %I', tgname) from pg_trigger
    where tgrelid = old_table and not tgisinternal and tgname <> all (own_triggers)
    union all
    select format('row-level security policy %I', polname) from pg_policy where polrelid = old_table
    union all
    select format('publication %I', pubname)
    from pg_publication_rel
    join pg_publication on pg_publication.oid = prpubid
    where prrelid = old_table
    union all
    select format('foreign key %I of %s', conname, conrelid::regclass)
    from pg_constraint
    where contype = 'f' and confrelid = old_table
  ) as found (obstacle);
  if obstacles is not null then
    raise exception 'tasmart_data_table cannot be partitioned while these hang on it: %', obstacles
      using hint = 'Drop them, run this file, and create them again.';
  end if;

  -- These belong to the table and not to its name, so they are created again for the new table. In format(), null is ''.
  recreate_statements := array(
    select format('alter table tasmart_data_table add constraint %I %s', conname, pg_get_constraintdef(oid))
    from pg_constraint
    where conrelid = old_table and contype in ('p', 'u')
  ) || array(
    select pg_get_indexdef(indexrelid) from pg_index
    where indrelid = old_table and not exists (select from pg_constraint where conindid = indexrelid)
  ) || array(
    select distinct format(
      'create or replace view %s %s as %s',
      ev_class::regclass, 'with (' || array_to_string(reloptions, ', ') || ')', pg_get_viewdef(ev_class)
    )
    from pg_depend
    join pg_rewrite on pg_rewrite.oid = objid
    join pg_class on pg_class.oid = ev_class
    where classid = 'pg_rewrite'::regclass and refobjid = old_table and relkind = 'v'
  ) || array(
    -- A trigger of the parent fires for rows that are inserted or changed through the parent, in any partition.
    select pg_get_triggerdef(oid) from pg_trigger where tgrelid = old_table and tgname = any (own_triggers)
  ) || array(
    select format('alter table tasmart_data_table owner to %I', pg_get_userbyid(relowner)) from pg_class where oid = old_table
    union all
    select format('comment on table tasmart_data_table is %L', obj_description(old_table, 'pg_class'))
  ) || array(
    select format(
      'grant %s%s on tasmart_data_table to %s%s',
      privilege_type,
      ' (' || quote_ident(name) || ')',
      case when grantee = 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end,
      case when is_grantable then ' with grant option' end
    )
    from (
      select relacl, null::text from pg_class where oid = old_table
      union all
      select attacl, attname::text from pg_attribute where attrelid = old_table
    ) as granted (acl, name),
    aclexplode(acl)
  );

  for statement in select format('alter index %s rename to %I', indexrelid::regclass, relname || '_history')
    from pg_index join pg_class on pg_class.oid = indexrelid where indrelid = old_table
  loop
    execute statement;
  end loop;
  drop trigger if exists tasmart_mark_unjudged on tasmart_data_table;
  drop trigger if exists tasmart_mark_changed on tasmart_data_table;
  alter table tasmart_data_table alter column id drop identity;
  alter table tasmart_data_table rename to tasmart_data_table_history;
  create table tasmart_data_table (
    like tasmart_data_table_history including all excluding identity excluding indexes
  ) partition by range ("timestamp");
  alter table tasmart_data_table alter column id add generated by default as identity;
  if last_id is not null then
    perform setval(pg_get_serial_sequence('tasmart_data_table', 'id'), last_id);
  end if;
  foreach statement in array recreate_statements loop
    execute statement;
  end loop;

  perform tasmart_attach('tasmart_data_table_history', null, history_end);
  create table tasmart_data_table_default partition of tasmart_data_table default;
  perform tasmart_set_autovacuum('tasmart_data_table_default');
  perform tasmart_add_partitions();
end
$$;

commit;

-- Autovacuum does not analyze a partitioned table: do it every month, after tasmart_add_partitions.
analyze tasmart_data_table;
