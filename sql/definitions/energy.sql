-- Triggers that mark valves with new readings as unjudged, a view of the stored kWh, and comments on the events.

-- Runs with the owner's rights, so a program that only inserts readings needs no right on tasmart_unjudged.
-- Only adds rows, never updates one: so a program that inserts readings in a long transaction blocks nobody. A valve may have
-- several marks.
create or replace function tasmart_mark_unjudged() returns trigger
language plpgsql security definer
set search_path from current
as $$
begin
  if tg_op = 'UPDATE' then
    insert into tasmart_unjudged (tasmart_id, since) select tasmart_id, min("time") from replaced group by tasmart_id;
  end if;
  insert into tasmart_unjudged (tasmart_id, since) select tasmart_id, min("time") from inserted group by tasmart_id;
  return null;
end
$$;

comment on function tasmart_mark_unjudged() is 'notes in tasmart_unjudged which valves have new or changed readings';

create or replace trigger tasmart_mark_unjudged after insert on tasmart_data_table
  referencing new table as inserted for each statement execute function tasmart_mark_unjudged();

-- tasmart changes no reading, but other programs may, for instance with "on conflict do update".
create or replace trigger tasmart_mark_changed after update on tasmart_data_table
  referencing old table as replaced new table as inserted for each statement execute function tasmart_mark_unjudged();

-- Mark the valves that were read before the triggers existed. Creating a trigger locks the table, so no reading is missed.
-- The recursion steps from one valve's oldest reading to the next valve's, along the primary key.
with recursive oldest (tasmart_id, "time") as (
  (select tasmart_id, "time" from tasmart_data_table order by tasmart_id, "timestamp" limit 1)
  union all
  select next.*
  from oldest
  cross join lateral (
    select tasmart_id, "time" from tasmart_data_table as reading
    where reading.tasmart_id > oldest.tasmart_id order by tasmart_id, "timestamp" limit 1
  ) as next
), unmarked as (
  insert into tasmart_judgements (tasmart_id) select tasmart_id from oldest on conflict do nothing returning tasmart_id
)
insert into tasmart_unjudged (tasmart_id, since) select tasmart_id, "time" from oldest join unmarked using (tasmart_id);

-- A row of tasmart_energy has running totals: the first when the day begins, then one at the end of each quarter of an hour.
-- Its letters are LETTERS in src/database/energy.ts.
create or replace view tasmart_quarter_hours as
select
  energy.tasmart_id,
  energy.regime,
  (energy.day + (number - 1) * interval '15 minutes') at time zone 'UTC' as starts,
  (energy.day + number * interval '15 minutes') at time zone 'UTC' as ends,
  (energy.micro_kwh[number + 1] - energy.micro_kwh[number]) * 0.000001 as kwh,
  (energy.covered_seconds[number + 1] - energy.covered_seconds[number]) / 900.0 as coverage,
  case letter
    when 'm' then 'measured' when 'e' then 'estimated' when 'j' then 'jump' when 'r' then 'reset' when 'p' then 'provisional'
  end as quality
from tasmart_energy as energy
cross join lateral generate_series(1, length(energy.quality)) as number
cross join lateral substr(energy.quality, number, 1) as letter
where letter <> '-';

comment on view tasmart_quarter_hours is 'kWh by valve, regime and quarter of an hour';
comment on column tasmart_quarter_hours.coverage is 'share of it that lies between readings at most 1.5 intervals apart';
comment on column tasmart_quarter_hours.quality is
  'provisional, reset, jump, estimated or measured: the worst that applies, as last judged. '
  'tasmart_consumption also says provisional where readings are not judged yet';

-- sql/0015_energy.sql says less of these columns.
comment on column tasmart_energy.covered_seconds is 'likewise, the time between readings at most 1.5 intervals apart';
comment on column tasmart_counter_events.from_kwh is
  'the level before: the highest counter that is believed since the last break; the counter itself may be up to 2 kWh lower';
comment on column tasmart_counter_events.to_kwh is 'the level after; of an undecided end, the newest counter';
comment on column tasmart_counter_events.counted_kwh is
  'of a reset, a jump or a replacement: the kWh added across it; of others, the rise of the level, spread from the rise before';
