-- The stored kWh: what the judge (src/energy) makes of the readings, and what it needs to go on.

create table tasmart_energy (
  tasmart_id varchar(255) not null,
  regime smallint not null check (regime in (1, 2)),
  day date not null,
  micro_kwh bigint[] not null,
  covered_seconds integer[] not null,
  quality text not null,
  flaws_before integer[] not null check (cardinality(flaws_before) = 4),
  primary key (tasmart_id, regime, day),
  check (length(quality) between 1 and 96),
  check (cardinality(micro_kwh) = length(quality) + 1),
  check (cardinality(covered_seconds) = length(quality) + 1)
) with (fillfactor = 75); -- every run updates the newest row of each counter

comment on table tasmart_energy is
  'the judged counter of each valve and regime, a row per UTC day; see the view tasmart_quarter_hours';
comment on column tasmart_energy.day is 'in UTC';
comment on column tasmart_energy.micro_kwh is
  'energy since the first reading, in 10⁻⁶ kWh: when the day begins, and at the end of each quarter of an hour';
comment on column tasmart_energy.covered_seconds is
  'likewise, the time within 1.5 intervals between readings';
comment on column tasmart_energy.quality is
  'a letter per quarter of an hour: m measured, e estimated, j jump, r reset, p provisional, - before the first reading';
comment on column tasmart_energy.flaws_before is
  'how many quarters of an hour before this day are provisional, reset, jump, estimated';

create table tasmart_counter_events (
  tasmart_id varchar(255) not null,
  regime smallint not null check (regime in (1, 2)),
  kind text not null check (kind in ('gap', 'glitch', 'reset', 'jump', 'undecided', 'excluded', 'replaced')),
  starts timestamptz not null,
  ends timestamptz not null,
  from_kwh bigint,
  to_kwh bigint,
  stray_kwh bigint,
  counted_kwh numeric
);

create index tasmart_counter_events_idx on tasmart_counter_events (tasmart_id, regime, ends);

comment on table tasmart_counter_events is 'everything that keeps a counter from being read as it stands';
comment on column tasmart_counter_events.starts is 'the last accepted reading before';
comment on column tasmart_counter_events.ends is 'the reading that ends it; of an undecided one, the newest reading';
comment on column tasmart_counter_events.from_kwh is 'the counter at starts';
comment on column tasmart_counter_events.to_kwh is 'the counter at ends';
comment on column tasmart_counter_events.stray_kwh is 'the first counter in between that is not believed';
comment on column tasmart_counter_events.counted_kwh is 'what the event adds to the consumption';

create table tasmart_corrections (
  id bigint generated always as identity primary key,
  tasmart_id varchar(255) not null,
  kind text not null check (kind in ('exclude', 'replaced')),
  starts timestamptz not null,
  ends timestamptz,
  note text not null,
  author text not null,
  created_at timestamptz not null default now(),
  undone_at timestamptz,
  undone_by text,
  check (case kind when 'exclude' then ends > starts else ends is null end),
  check ((undone_at is null) = (undone_by is null))
);

create index tasmart_corrections_idx on tasmart_corrections (tasmart_id);

comment on table tasmart_corrections is 'what operators know about a counter; rows are never deleted';
comment on column tasmart_corrections.starts is 'exclude: the first instant that is not believed; replaced: when';
comment on column tasmart_corrections.ends is 'exclude: the first instant that is believed again';

create table tasmart_judgements (
  tasmart_id varchar(255) primary key,
  judged_until timestamptz,
  state jsonb not null default '{}'
) with (fillfactor = 50); -- every run updates every row

comment on table tasmart_judgements is 'where the judge goes on from, a row per valve';
comment on column tasmart_judgements.judged_until is 'the newest reading that is judged; null: none';
comment on column tasmart_judgements.state is 'the judge''s checkpoint per regime';

create table tasmart_checkpoints (
  tasmart_id varchar(255) not null,
  month date not null,
  state jsonb not null,
  primary key (tasmart_id, month)
);

comment on table tasmart_checkpoints is
  'tasmart_judgements.state at the end of each month (UTC): where the judge begins when an older reading arrives';

-- A trigger adds rows; nobody updates one. So a program that inserts readings in a long transaction blocks nobody.
create table tasmart_unjudged (
  tasmart_id varchar(255) not null,
  since timestamptz not null
);

create index tasmart_unjudged_idx on tasmart_unjudged (tasmart_id);

comment on table tasmart_unjudged is 'valves with readings that are not judged yet, and the oldest of them';

create table tasmart_settings (
  is_only_row boolean primary key default true check (is_only_row),
  max_power_kw double precision not null,
  interval_minutes integer not null
);

comment on table tasmart_settings is 'the limits that judged the stored kWh';

-- All readings are still to be judged. Steps from one valve to the next along the primary key.
insert into tasmart_unjudged (tasmart_id, since)
with recursive first (tasmart_id, "time") as (
  (select tasmart_id, "time" from tasmart_data_table order by tasmart_id, "timestamp" limit 1)
  union all
  select next.*
  from first
  cross join lateral (
    select tasmart_id, "time" from tasmart_data_table as reading
    where reading.tasmart_id > first.tasmart_id order by tasmart_id, "timestamp" limit 1
  ) as next
)
select tasmart_id, "time" from first;

-- Autovacuum counts the inserts of a table that only grows. Its default, a fifth of the table, takes months.
-- The settings belong to tables that hold rows, not to a partitioned one.
do $$
declare
  leaf regclass;
begin
  for leaf in
    select oid from pg_class
    where relkind = 'r' and oid in (
      select 'tasmart_data_table'::regclass
      union all
      select relid from pg_partition_tree('tasmart_data_table')
    )
  loop
    execute format(
      'alter table %s set (autovacuum_vacuum_insert_scale_factor = 0.01, autovacuum_analyze_scale_factor = 0.02)', leaf
    );
  end loop;
end
$$;

-- The functions that computed kWh from the readings for every question.
set local client_min_messages = warning;
drop index if exists tasmart_data_table_regime_2_idx;
drop function if exists tasmart_consumption(text, timestamptz, timestamptz, text, text, text, integer, numeric);
drop function if exists tasmart_shaped(text, smallint, timestamptz, timestamptz, numeric);
drop function if exists tasmart_classified(text, smallint, timestamptz, timestamptz, numeric);
drop function if exists tasmart_anchor(text, smallint, timestamptz, numeric);
drop function if exists tasmart_is_settled(text, smallint, bigint, bigint, numeric);
drop function if exists tasmart_bucket_edges(text, timestamptz, timestamptz, text);
drop function if exists tasmart_pico(bigint, bigint, bigint);
drop function if exists tasmart_two_more(bigint);
drop function if exists tasmart_share(numeric, numeric, numeric, numeric);
drop function if exists tasmart_possible(bigint, interval, numeric);
drop function if exists tasmart_second(timestamptz);
drop function if exists tasmart_microseconds(timestamptz);
delete from tasmart_definitions where name = 'definitions/counters.sql';
