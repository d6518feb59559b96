-- kWh by bucket: tasmart_consumption, for Grafana, reports and the customer.
--
-- Two ways lead to the same curve. A counter that only ever counts up at a possible speed around the range, as nearly
-- all do, is read through arrays: only readings next to an edge of a bucket matter. Any other counter goes through
-- tasmart_classified, reading by reading.

-- The short way is safe for a register if, in all readings from some way before the range to just after it,
-- the counter only ever counted up at a possible speed, and
--  * they span 24 hours, and the counter rose by 2 kWh before the range, or is settled: as for tasmart_anchor;
--    or they begin with the valve's very first reading (and not with zeros that might be a glitch before it);
--  * they reach over both ends of the range, or the data end there;
-- and if what it counted in them fits into a bigint of 10⁻¹² kWh.
create or replace function tasmart_consumption(
  bucket text,
  from_time timestamptz,
  to_time timestamptz,
  timezone text,
  valve text default null,
  shape text default 'linear',
  interval_minutes integer default 15,
  max_power_kw numeric default 1500
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
-- Each range deserves its own plan; compiling one takes longer than running it. The planner cannot know how little the
-- parts of the query leave over; else it sorts, on disk, what need not be sorted.
set plan_cache_mode = force_custom_plan
set jit = off
set enable_mergejoin = off
-- An index scan yields the readings of a valve in their order, with nothing to sort.
set enable_bitmapscan = off
set work_mem = '32MB'
as $$
#variable_conflict use_column
declare
  edges timestamptz[];
  edges_us double precision[];
  edge_count integer;
  valves text[];
  longest constant interval := make_interval(secs => interval_minutes * 90.0);
  longest_us constant double precision := interval_minutes * 90000000.0;
  max_kwh_per_second constant double precision := max_power_kw / 3600;
  read_from bigint;
  read_to bigint;
begin
  if bucket is null or bucket not in ('15min', 'hour', 'day', 'month') then
    raise exception 'unknown bucket %: it is one of 15min, hour, day, month', quote_nullable(bucket)
      using errcode = 'invalid_parameter_value';
  elsif shape is null or shape not in ('linear', 'power') then
    raise exception 'unknown shape %: it is linear or power', quote_nullable(shape)
      using errcode = 'invalid_parameter_value';
  elsif from_time is null or to_time is null or timezone is null
    or not isfinite(from_time) or not isfinite(to_time)
  then
    raise exception 'from_time, to_time and timezone must be given, and finite'
      using errcode = 'invalid_parameter_value';
  elsif interval_minutes is null or interval_minutes < 1 or max_power_kw is null or max_power_kw <= 0 then
    raise exception 'interval_minutes and max_power_kw must be positive' using errcode = 'invalid_parameter_value';
  elsif from_time >= to_time then
    return;
  end if;

  edges := tasmart_bucket_edges(bucket, from_time, to_time, timezone);
  edges_us := array(select tasmart_microseconds(edge) from unnest(edges) with ordinality as e (edge, n) order by n);
  edge_count := cardinality(edges);

  if valve is not null then
    valves := array(select valve where exists (select from tasmart_data_table as d where d.tasmart_id = valve));
  else
    -- One step into the index for each valve, rather than a walk over all readings.
    -- https://wiki.postgresql.org/wiki/Loose_indexscan
    valves := array(
      with recursive known as (
        (select d.tasmart_id::text as id from tasmart_data_table as d order by d.tasmart_id limit 1)
        union all
        select (
          select d.tasmart_id::text
          from tasmart_data_table as d
          where d.tasmart_id > known.id
          order by d.tasmart_id
          limit 1
        )
        from known
        where known.id is not null
      )
      select id from known where id is not null
    );
  end if;

  -- How far to read outside of the range is a matter of speed only; the clock's part in it too.
  read_from := tasmart_second(least(from_time - interval '6 hours', least(to_time, now()) - interval '26 hours'));
  read_to := tasmart_second(to_time) + 90 * interval_minutes;

  return query
  with
  known as materialized (
    select valve_id, n::integer as valve_number from unnest(valves) with ordinality as v (valve_id, n)
  ),
  -- What there is to know of a valve's readings: arrays of them are read several times faster than rows with window
  -- functions.
  counted as materialized (
    select
      valve_number,
      valve_id,
      times[1] as first_time,
      times[cardinality(times)] as last_time,
      gaps,
      first_counters[1] as first_opening,
      first_counters[before] as first_before,
      first_curve,
      second_counters[1] as second_opening,
      second_counters[before] as second_before,
      second_curve
    from known
    cross join lateral (
      select
        array_agg("time") as times,
        -- with a null in it, an array has to be walked through to find an element
        array_agg(coalesce(first, -1)) as firsts,
        array_agg(coalesce(second, -1)) as seconds
      from (
        select d."time", d.energy_counter_regime_1 as first, d.energy_counter_regime_2 as second
        from tasmart_data_table as d
        where d.tasmart_id = valve_id and d."timestamp" between read_from and read_to
        order by d."timestamp"
      ) as ordered
    ) as reading
    cross join lateral (
      select
        -- on the safe side of what the exact arithmetic of tasmart_possible says; null beside the last reading
        bool_and(
          case
            when first_0 < 0 or first_1 < first_0 then false
            when first_1 - first_0 <= 1 then true
            else first_1 - first_0 <= max_kwh_per_second * (date_part('epoch', time_1 - time_0) - 0.001)
          end
        ) as first_plain,
        bool_and(
          case
            when second_0 < 0 or second_1 < second_0 then false
            when second_1 - second_0 <= 1 then true
            else second_1 - second_0 <= max_kwh_per_second * (date_part('epoch', time_1 - time_0) - 0.001)
          end
        ) as second_plain,
        array_agg(array[time_0, time_1]) filter (where time_1 > time_0 + longest) as gaps
      from (
        select
          unnest(times) as time_0, unnest(times[2:]) as time_1,
          unnest(firsts) as first_0, unnest(firsts[2:]) as first_1,
          unnest(seconds) as second_0, unnest(seconds[2:]) as second_1
      ) as neighbours
    ) as judged
    cross join lateral (
      select
        nullif(width_bucket(from_time, times), 0) as before,
        case when first_plain is not false and firsts[cardinality(firsts)] - firsts[1] < 9000000 then firsts end
          as first_counters,
        case when second_plain is not false and seconds[cardinality(seconds)] - seconds[1] < 9000000 then seconds end
          as second_counters
      offset 0 -- keeps this apart, here and below, so that each value is computed once
    ) as safe
    cross join lateral (
      select
        array_agg((first_0 - first_counters[1]) * 1000000000000 + coalesce(first_pico, 0)) as first_curve,
        array_agg((second_0 - second_counters[1]) * 1000000000000 + coalesce(second_pico, 0)) as second_curve
      from (
        select
          first_0,
          tasmart_pico(first_1 - first_0, part, whole) as first_pico,
          second_0,
          tasmart_pico(second_1 - second_0, part, whole) as second_pico
        from (
          select
            *,
            (edge_us - tasmart_microseconds(time_0))::bigint as part,
            (tasmart_microseconds(time_1) - tasmart_microseconds(time_0))::bigint as whole
          from (
            select
              edge_us,
              -- before the first reading and after the last the curve goes on level
              times[n] as time_0,
              times[n + 1] as time_1,
              first_counters[greatest(n, 1)] as first_0,
              first_counters[n + 1] as first_1,
              second_counters[greatest(n, 1)] as second_0,
              second_counters[n + 1] as second_1
            from (
              -- the last reading at or before the edge
              select edge_us, width_bucket(edge, times) as n
              from (select unnest(edges) as edge, unnest(edges_us) as edge_us) as each
              offset 0
            ) as located
            offset 0
          ) as crossed
          offset 0
        ) as crossing
      ) as share
    ) as curve
    where shape = 'linear' and times is not null
  ),
  short_way as materialized (
    select valve_number, valve_id, regime, curve, first_time, last_time, gaps
    from counted
    cross join lateral (
      values
        (1::smallint, first_opening, first_before, first_curve),
        (2::smallint, second_opening, second_before, second_curve)
    ) as register (regime, opening, before, curve)
    cross join lateral (select last_time - first_time >= interval '24 hours' as is_day) as length
    where opening is not null
      and (
        last_time >= to_time
        or not exists (
          select from tasmart_data_table as d where d.tasmart_id = valve_id and d."timestamp" > read_to
        )
      )
      and (
        is_day and before >= tasmart_two_more(opening)
        or (is_day or opening > 0)
          and not exists (
            select from tasmart_data_table as d where d.tasmart_id = valve_id and d."timestamp" < read_from
          )
        or is_day
          and before is not null
          and (
            -- what tasmart_is_settled asks first, without the call
            regime = 2 and not exists (
              select from tasmart_data_table as d
              where d.tasmart_id = valve_id
                and d.energy_counter_regime_2 > opening
                and d.energy_counter_regime_2 <= tasmart_two_more(opening)
                and d."timestamp" < tasmart_second(first_time)
            )
            or tasmart_is_settled(valve_id, regime, tasmart_second(first_time), opening, max_power_kw)
          )
      )
  ),
  long_way as materialized (
    select valve_number, regime
    from known
    cross join (values (1::smallint), (2::smallint)) as r (regime)
    except
    select valve_number, regime from short_way
  ),
  long_way_point as materialized (
    select valve_number, regime, p.*
    from long_way
    join known using (valve_number)
    cross join lateral (
      select reading_time, verdict, curve_kwh
      from tasmart_classified(valve_id, regime, from_time, to_time, max_power_kw)
      where shape = 'linear' and verdict <> 'glitch'
      union all
      select reading_time, verdict, curve_kwh
      from tasmart_shaped(valve_id, regime, from_time, to_time, max_power_kw)
      where shape = 'power'
    ) as p
    where regime = 1 or exists (
      select from tasmart_data_table as d
      where d.tasmart_id = valve_id and d.energy_counter_regime_2 is not null
    )
  ),
  long_way_piece as materialized (
    select
      valve_number,
      regime,
      us as us_0,
      lead(us) over by_time as us_1,
      curve_kwh as kwh_0,
      lead(curve_kwh, 1, curve_kwh) over by_time as kwh_1,
      width_bucket(us, edges_us) as edge_0,
      lead(width_bucket(us, edges_us), 1, edge_count) over by_time as edge_1,
      row_number() over by_time = 1 as is_first,
      lead(verdict, 1, 'kept') over by_time as verdict
    from long_way_point
    cross join lateral (select tasmart_microseconds(reading_time) as us) as clock
    window by_time as (partition by valve_number, regime order by us)
  ),
  long_way_edge as materialized (
    select valve_number, regime, n, tasmart_share(kwh_0, kwh_1, part, whole) as curve_kwh
    from (
      select *, generate_series(case when is_first then 1 else edge_0 + 1 end, edge_1) as n from long_way_piece
    ) as crossed
    cross join lateral (
      select
        case when n > edge_0 and us_1 is not null then edges_us[n] - us_0 else 0 end::bigint as part,
        coalesce(us_1 - us_0, 1)::bigint as whole
    ) as crossing
  ),
  bucketed as (
    select valve_number, valve_id, regime, n, 0.000000000001 * (curve[n + 1] - curve[n]) as kwh
    from (select *, generate_series(1, edge_count - 1) as n from short_way) as short_way_bucket
    union all
    select
      valve_number, valve_id, regime, n,
      lead(curve_kwh) over (partition by valve_number, regime order by n) - curve_kwh
    from long_way_edge
    join known using (valve_number)
    union all
    -- a register without a reading
    select valve_number, valve_id, regime, n, null
    from long_way
    join known using (valve_number)
    cross join lateral generate_series(1, edge_count - 1) as n
    where (valve_number, regime) not in (select valve_number, regime from long_way_point)
  ),
  -- What keeps a bucket from being simply measured: longer gaps, resets, impossible rises, and the ends of the curve.
  piece as materialized (
    select
      valve_number,
      regime,
      us_0,
      us_1,
      width_bucket(us_0, edges_us) as edge_0,
      coalesce(width_bucket(us_1, edges_us), edge_count) as edge_1,
      is_first,
      'kept' as verdict
    from short_way
    cross join lateral (
      select unnest(gaps[:][1:1]) as time_0, unnest(gaps[:][2:2]) as time_1, false as is_first
      union all
      values (first_time, first_time, true), (last_time, null, false)
    ) as short_way_piece
    cross join lateral (
      select tasmart_microseconds(time_0) as us_0, tasmart_microseconds(time_1) as us_1
    ) as clock
    union all
    select valve_number, regime, us_0, us_1, edge_0, edge_1, is_first, verdict
    from long_way_piece
    where us_1 - us_0 > longest_us or us_1 is null or is_first or verdict <> 'kept'
  ),
  blemish as (
    select valve_number, regime, us_0 as starts, us_1 as ends, edge_0 as bucket_0, edge_1 as bucket_1,
      verdict, us_1 - us_0 > longest_us or verdict = 'undecided' as uncovered
    from piece
    where us_1 - us_0 > longest_us or verdict <> 'kept'
    union all
    select valve_number, regime, '-infinity', us_0, 1, edge_0, 'before', true from piece where is_first and edge_0 > 0
    union all
    select valve_number, regime, us_0, 'infinity', edge_0, edge_count, 'after', true from piece where us_1 is null
  ),
  blemished as (
    select
      valve_number,
      regime,
      n,
      trim_scale(round((1 - uncovered_us / length_us)::numeric, 9)) as coverage,
      case
        when outside_us = length_us then 'missing'
        when is_provisional then 'provisional'
        when has_reset then 'reset'
        when is_implausible then 'implausible'
        when uncovered_us > 0 then 'estimated'
        else 'measured'
      end as quality
    from (
      select
        valve_number,
        regime,
        n,
        sum(us) filter (where uncovered) as uncovered_us,
        sum(us) filter (where verdict in ('before', 'after')) as outside_us,
        bool_or(verdict in ('after', 'undecided')) as is_provisional,
        bool_or(verdict = 'reset') as has_reset,
        bool_or(verdict = 'implausible') as is_implausible
      from blemish
      cross join lateral generate_series(greatest(bucket_0, 1), least(bucket_1, edge_count - 1)) as n
      cross join lateral (
        select least(ends, edges_us[n + 1]) - greatest(starts, edges_us[n]) as us
      ) as overlap
      where us > 0
      group by valve_number, regime, n
    ) as summed
    cross join lateral (select edges_us[n + 1] - edges_us[n] as length_us) as bucket_length
  )
  select
    valve_id,
    regime,
    edges[n],
    edges[n + 1],
    case when quality is distinct from 'missing' then trim_scale(kwh) end,
    case when kwh is null then 0 else coalesce(coverage, 1) end,
    case when kwh is null then 'missing' else coalesce(quality, 'measured') end
  from bucketed
  left join blemished using (valve_number, regime, n)
  where n < edge_count;
end
$$;

comment on function tasmart_consumption(
  text, timestamptz, timestamptz, text, text, text, integer, numeric
) is
  'kWh by 15min, hour, day or month of a time zone, from the counters of one valve or of all that have readings; '
  'a bucket that the range cuts is cut there, so that buckets add up to the difference of the curve. '
  'coverage: share of the bucket between readings at most 1.5 intervals apart. '
  'quality: missing, provisional, reset, implausible, estimated or measured, the worst that applies. '
  'shape: linear, or power to spread each kWh of the counter by measured power';
