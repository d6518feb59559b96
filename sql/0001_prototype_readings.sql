-- The prototype's table, as found or as new: a fresh database takes the very same path as an old one.
-- A table of this name that is not the prototype's is left alone, with an error that says how it differs.

do $$
declare
  differences text;
begin
  if to_regclass('tasmart_data_table') is null then
    create table tasmart_data_table (
      id serial primary key,
      "timestamp" integer,
      tasmart_id varchar(255),
      measured_flow integer,
      measured_power integer,
      energy_counter_regime_1 integer,
      energy_counter_regime_2 integer
    );
  end if;

  select string_agg(
    case
      when expected.type is null then format('%I %s is unknown', name, found.type)
      when found.type is null then format('%I %s is missing', name, expected.type)
      else format('%I is %s instead of %s', name, found.type, expected.type)
    end,
    '; ' order by found.position, name
  )
  into differences
  from (
    values
      ('id', 'integer primary key'),
      ('timestamp', 'integer'),
      ('tasmart_id', 'character varying(255)'),
      ('measured_flow', 'integer'),
      ('measured_power', 'integer'),
      ('energy_counter_regime_1', 'integer'),
      ('energy_counter_regime_2', 'integer')
  ) as expected (name, type)
  full join (
    select
      attname::text,
      format_type(atttypid, atttypmod) || case when indexrelid is null then '' else ' primary key' end,
      attnum
    from pg_attribute
    left join pg_index on indrelid = attrelid and indisprimary and attnum = any (indkey)
    where attrelid = 'tasmart_data_table'::regclass and attnum > 0 and not attisdropped
  ) as found (name, type, position) using (name)
  where expected.type is distinct from found.type;

  if differences is not null then
    raise exception 'tasmart_data_table is not the prototype''s table: %', differences
      using
        errcode = 'object_not_in_prerequisite_state',
        hint = 'Rename that table, or let tasmart use another database or schema.';
  end if;
end
$$;
