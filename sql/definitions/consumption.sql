-- kWh by bucket: tasmart_consumption, for the program, Grafana and psql. It reads what src/database/energy.ts writes: LETTERS
-- and FLAWS there say what the letters of tasmart_energy.quality and the order of flaws_before mean.

create or replace function tasmart_count(letters text, letter text) returns integer
language sql immutable parallel safe
as $$
  select length(letters) - length(replace(letters, letter, ''))
$$;

comment on function tasmart_count(text, text) is 'how often a letter occurs';

-- A flaw is a quarter of an hour that is not `measured`. Returns the kinds of flaw that occur after the first `quarters` of
-- one day and before a later day, as the letters of tasmart_energy.quality.
create or replace function tasmart_flaws_between(quality text, quarters integer, flaws_before integer[], flaws_later integer[])
returns text
language sql immutable parallel safe
as $$
  select string_agg(letter, '')
  from unnest('{p,r,j,e}'::text[], flaws_before, flaws_later) as flaw (letter, before, later)
  where later > before + tasmart_count(left(quality, quarters), letter)
$$;

comment on function tasmart_flaws_between(text, integer, integer[], integer[]) is
  'the letters of the flaws that occur after the first quarters of an hour of one day and before a later day';

-- tasmart_energy holds running totals. So a bucket's kWh are the difference of two totals, however long the bucket is.
create or replace function tasmart_consumption(
  bucket text,
  from_time timestamptz,
  to_time timestamptz,
  timezone text,
  valves text[]
) returns table (
  tasmart_id text,
  regime smallint,
  bucket_start timestamptz,
  bucket_end timestamptz,
  kwh numeric,
  coverage numeric,
  quality text
)
language plpgsql stable parallel safe
-- Runs with the caller's rights, but always on the tables of this schema: a dashboard may have another search_path.
set search_path from current
-- The best plan depends on how many buckets and valves are asked for. Compiling it takes longer than it saves.
set plan_cache_mode = force_custom_plan
set jit = off
set work_mem = '64MB'
as $$
#variable_conflict use_column
declare
  span_start timestamptz;
  span_end timestamptz;
  edges timestamptz[];
  days date[]; -- the UTC days in which buckets begin
begin
  if not coalesce(isfinite(from_time) and isfinite(to_time), false) then
    raise exception 'from_time and to_time must be given and finite' using errcode = 'invalid_parameter_value';
  end if;
  span_start := tasmart_quarter_start(from_time);
  span_end := greatest(span_start, tasmart_quarter_end(to_time));
  edges := array(
    select span_start
    union
    select edge from tasmart_bucket_edges(bucket, from_time, to_time, timezone) as edge
    where edge > span_start and edge < span_end
    union
    select span_end
    order by 1
  );
  days := array(select distinct (edge at time zone 'UTC')::date from unnest(edges) as edge);

  return query
  with bucket as materialized (
    -- Days and quarters of an hour in UTC. start_quarter: how many quarters of an hour of start_day lie before the bucket.
    -- end_quarter: how many of end_day lie before its end. A bucket that ends at midnight ends after 96 of the day before.
    select
      starts,
      ends,
      date_part('epoch', ends - starts)::integer as seconds,
      start_day,
      (date_part('epoch', starts_utc - start_day) / 900)::integer as start_quarter,
      end_day,
      (date_part('epoch', ends_utc - end_day) / 900)::integer as end_quarter
    from generate_series(1, cardinality(edges) - 1) as number
    cross join lateral (select edges[number], edges[number + 1]) as edge (starts, ends)
    cross join lateral (select starts at time zone 'UTC', ends at time zone 'UTC') as utc (starts_utc, ends_utc)
    cross join lateral (select starts_utc::date, (ends_utc - interval '15 minutes')::date) as day (start_day, end_day)
  ), metered as (
    -- The valves that have readings, judged or not.
    select tasmart_id, min(since) as unjudged_since
    from (
      select tasmart_id, null::timestamptz as since from tasmart_judgements
      union all
      select tasmart_id, since from tasmart_unjudged
    ) as judged_or_not
    where valves is null or tasmart_id = any (valves)
    group by tasmart_id
  ), counter as materialized (
    -- Where each counter's curve begins and ends. A valve always has a row for regime 1, even without a reading.
    select
      tasmart_id,
      regime,
      unjudged_since,
      first.day as first_day,
      last.day as last_day,
      (first.day + (length(first.quality) - length(ltrim(first.quality, '-'))) * interval '15 minutes') at time zone 'UTC'
        as curve_starts, -- the first quarters of an hour of the first day may be missing: '-'
      (last.day + length(last.quality) * interval '15 minutes') at time zone 'UTC' as curve_ends
    from metered
    cross join (values (1::smallint), (2::smallint)) as both_regimes (regime)
    left join lateral (
      select day, quality from tasmart_energy as energy
      where energy.tasmart_id = metered.tasmart_id and energy.regime = both_regimes.regime order by day limit 1
    ) as first on true
    left join lateral (
      select day, quality from tasmart_energy as energy
      where energy.tasmart_id = metered.tasmart_id and energy.regime = both_regimes.regime order by day desc limit 1
    ) as last on true
    where regime = 1 or first.day is not null
  ), beginning as (
    -- Each bucket of each counter, with the row of the day in which it begins. A day is read once for all of its buckets.
    select counter.*, bucket.*, micro_kwh, covered_seconds, quality, is_all_measured, flaws_before
    from counter
    cross join lateral (
      select *, ltrim(quality, 'm') = '' as is_all_measured from tasmart_energy as energy
      where energy.tasmart_id = counter.tasmart_id and energy.regime = counter.regime and day = any (days)
      offset 0 -- keeps the planner from reading the whole table
    ) as day_row
    join bucket on start_day = day
    union all
    -- A bucket that begins on a day without a row: before the first day, where all totals are 0, or after the last.
    select counter.*, bucket.*, '{0}', '{0}', '', true, '{0,0,0,0}'
    from counter
    join bucket on first_day is null or start_day not between first_day and last_day
  )
  select
    beginning.tasmart_id::text,
    beginning.regime,
    starts,
    ends,
    case when has_curve then trim_scale(added_micro_kwh * 0.000001) end,
    case
      when not has_curve then 0
      when added_seconds = seconds then 1
      else trim_scale(round(added_seconds / seconds::numeric, 6))
    end,
    case
      when ends > unjudged_since then 'provisional'
      when not has_curve then 'missing'
      when strpos(letters, 'p') > 0 or ends > curve_ends then 'provisional'
      when strpos(letters, 'r') > 0 then 'reset'
      when strpos(letters, 'j') > 0 then 'jump'
      when strpos(letters, 'e') > 0 or starts < curve_starts then 'estimated'
      else 'measured'
    end
  from beginning
  cross join lateral (
    -- The part of the bucket that the curve reaches. ending_day: the day on which this part ends; null: the day on which the
    -- bucket begins. first_number: the place of the first total. last_quarter: how many of the last day's count.
    select
      coalesce(ends > curve_starts and starts < curve_ends, false),
      case when least(end_day, last_day) > start_day and ends > curve_starts then least(end_day, last_day) end,
      least(start_quarter + 1, cardinality(micro_kwh)),
      case when end_day > last_day then 96 else end_quarter end
  ) as clipped (has_curve, ending_day, first_number, last_quarter)
  cross join lateral (
    -- The total at the bucket's end minus the total at its beginning. First for a bucket that ends on a later day.
    -- letters: the qualities that occur in the bucket. 'm' may be left out.
    select
      ending.micro_kwh[least(last_quarter + 1, cardinality(ending.micro_kwh))] - beginning.micro_kwh[first_number],
      ending.covered_seconds[least(last_quarter + 1, cardinality(ending.covered_seconds))]
        - beginning.covered_seconds[first_number],
      case
        when ending.flaws_before = beginning.flaws_before then left(ending.quality, last_quarter)
        else concat(
          left(ending.quality, last_quarter),
          tasmart_flaws_between(beginning.quality, start_quarter, beginning.flaws_before, ending.flaws_before)
        )
      end
    from tasmart_energy as ending
    where ending.tasmart_id = beginning.tasmart_id and ending.regime = beginning.regime and ending.day = ending_day
    union all
    select
      beginning.micro_kwh[least(last_quarter + 1, cardinality(beginning.micro_kwh))] - beginning.micro_kwh[first_number],
      beginning.covered_seconds[least(last_quarter + 1, cardinality(beginning.covered_seconds))]
        - beginning.covered_seconds[first_number],
      case
        when is_all_measured then ''
        else substr(beginning.quality, start_quarter + 1, last_quarter - start_quarter)
      end
    where ending_day is null
  ) as added (added_micro_kwh, added_seconds, letters);
end
$$;

comment on function tasmart_consumption(text, timestamptz, timestamptz, text, text[]) is
  'like tasmart_consumption(…, valve), of some valves or, with null, of all that have readings';

-- The usual call. Its body is bound to the function above when it is created, whatever the caller's search_path is.
create or replace function tasmart_consumption(
  bucket text,
  from_time timestamptz,
  to_time timestamptz,
  timezone text,
  valve text default null
) returns table (
  tasmart_id text,
  regime smallint,
  bucket_start timestamptz,
  bucket_end timestamptz,
  kwh numeric,
  coverage numeric,
  quality text
)
language sql stable parallel safe
begin atomic
  select * from tasmart_consumption(bucket, from_time, to_time, timezone, case when valve is not null then array[valve] end);
end;

comment on function tasmart_consumption(text, timestamptz, timestamptz, text, text) is
  'kWh by 15min, hour, day, week, month, year or total, of one valve or of all that have readings. '
  'The two ends are widened to quarters of an hour; buckets at the ends are cut there. '
  'coverage: share of the bucket that lies between readings at most 1.5 intervals apart. '
  'quality: missing, provisional, reset, jump, estimated or measured, the worst that applies';
