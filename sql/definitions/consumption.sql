-- kWh by bucket: tasmart_consumption, for the program, Grafana and psql.

create or replace function tasmart_count(letters text, letter text) returns integer
language sql immutable parallel safe
as $$
  select length(letters) - length(replace(letters, letter, ''))
$$;

comment on function tasmart_count(text, text) is 'how often a letter occurs';

-- tasmart_energy holds running totals. So a bucket is the difference between its two edges, however long it is.
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
language plpgsql stable parallel safe
-- With the rights of whoever asks, but on the tables of this schema, whatever the search path of a dashboard is.
set search_path from current
set plan_cache_mode = force_custom_plan
set jit = off
set work_mem = '64MB'
as $$
#variable_conflict use_column
declare
  starts timestamptz;
  ends timestamptz;
  edges timestamptz[];
begin
  if not coalesce(isfinite(from_time) and isfinite(to_time), false) then
    raise exception 'from_time and to_time must be given and finite' using errcode = 'invalid_parameter_value';
  end if;
  starts := date_bin('15 minutes', from_time, 'epoch');
  ends := greatest(starts, date_bin('15 minutes', to_time + interval '899.999999 seconds', 'epoch'));
  edges := array(
    select starts
    union
    select edge from tasmart_bucket_edges(bucket, starts, ends, timezone) as edge where edge > starts and edge < ends
    union
    select ends
    order by 1
  );
  return query
  with known as (
    select tasmart_id, min(since) as unjudged_since
    from (
      select tasmart_id, null::timestamptz as since from tasmart_judgements
      union all
      select tasmart_id, since from tasmart_unjudged
    ) as judged_or_not
    where valve is null or tasmart_id = valve
    group by tasmart_id
  ), counter as materialized (
    -- Where the curve begins and ends. A valve always has regime 1, even without a reading.
    select
      row_number() over () as counter,
      tasmart_id,
      regime,
      unjudged_since,
      last.day as last_day,
      (first.day + (length(first.quality) - length(ltrim(first.quality, '-'))) * interval '15 minutes') at time zone 'UTC'
        as curve_starts,
      (last.day + length(last.quality) * interval '15 minutes') at time zone 'UTC' as curve_ends
    from known
    cross join (values (1::smallint), (2::smallint)) as both_regimes (regime)
    left join lateral (
      select day, quality from tasmart_energy as energy
      where energy.tasmart_id = known.tasmart_id and energy.regime = both_regimes.regime order by day limit 1
    ) as first on true
    left join lateral (
      select day, quality from tasmart_energy as energy
      where energy.tasmart_id = known.tasmart_id and energy.regime = both_regimes.regime order by day desc limit 1
    ) as last on true
    where regime = 1 or first.day is not null
  ), total as (
    select
      counter,
      edge,
      micro_kwh[quarters + 1] as micro_kwh,
      covered_seconds[quarters + 1] as covered_seconds,
      flaws_before[1] + tasmart_count(left(energy.quality, quarters), 'p') as provisional,
      flaws_before[2] + tasmart_count(left(energy.quality, quarters), 'r') as reset,
      flaws_before[3] + tasmart_count(left(energy.quality, quarters), 'j') as jump,
      flaws_before[4] + tasmart_count(left(energy.quality, quarters), 'e') as estimated
    from counter
    cross join unnest(edges) as edge
    cross join lateral (select least(greatest(edge, curve_starts), curve_ends) at time zone 'UTC') as within (instant)
    cross join lateral (select least(instant::date, last_day)) as located (day)
    cross join lateral (select (extract(epoch from instant - located.day) / 900)::integer) as counted (quarters)
    left join tasmart_energy as energy
      on energy.tasmart_id = counter.tasmart_id and energy.regime = counter.regime and energy.day = located.day
  ), part as (
    select
      counter,
      edge as starts,
      lead(edge) over following as ends,
      lead(micro_kwh) over following - micro_kwh as micro_kwh,
      lead(covered_seconds) over following - covered_seconds as covered_seconds,
      lead(provisional) over following - provisional as provisional,
      lead(reset) over following - reset as reset,
      lead(jump) over following - jump as jump,
      lead(estimated) over following - estimated as estimated
    from total
    window following as (partition by counter order by edge)
  )
  select
    tasmart_id::text,
    regime,
    starts,
    ends,
    case when has_curve then trim_scale(micro_kwh * 0.000001) end,
    case when has_curve then trim_scale(round(covered_seconds / extract(epoch from ends - starts), 6)) else 0 end,
    case
      when ends > unjudged_since then 'provisional'
      when not has_curve then 'missing'
      when provisional > 0 or ends > curve_ends then 'provisional'
      when reset > 0 then 'reset'
      when jump > 0 then 'jump'
      when estimated > 0 or starts < curve_starts then 'estimated'
      else 'measured'
    end
  from part
  join counter using (counter)
  cross join lateral (select coalesce(ends > curve_starts and starts < curve_ends, false)) as presence (has_curve)
  where ends is not null;
end
$$;

comment on function tasmart_consumption(text, timestamptz, timestamptz, text, text) is
  'kWh by 15min, hour, day, week, month, year or total, of one valve or of all that have readings. '
  'The two ends are widened to quarters of an hour; buckets at the ends are cut there. '
  'coverage: share of the bucket within 1.5 intervals between readings. '
  'quality: missing, provisional, reset, jump, estimated or measured, the worst that applies';
