-- From odometer to kWh: tasmart_consumption and the parts it is made of.
--
-- Two ways lead to the same curve. A register whose counter only ever counts up at a possible speed around the asked
-- range, as nearly all do nearly always, is read set by set: of its readings only those next to an edge of a bucket
-- matter. Any other register goes through tasmart_classified, reading by reading. tasmart_consumption says when the
-- short way is safe.

-- Tells in one step that a register is null in all of a valve's readings, or that it never stood a little above its
-- present value; the second register is null or 0 on most sites, for years. B-tree deduplication keeps it small; its
-- condition keeps the planner from reading a valve's rows through it, out of their order.
create index tasmart_data_table_regime_2_idx on tasmart_data_table (tasmart_id, energy_counter_regime_2)
  where energy_counter_regime_2 is not null;

-- A counter counts whole kWh, so a single one may fall between two readings however close.
create function tasmart_possible(kwh bigint, duration interval, max_power_kw numeric) returns boolean
language sql immutable parallel safe
as $$
  select kwh <= 1 or kwh::numeric * 3600 <= max_power_kw * extract(epoch from duration)
$$;

comment on function tasmart_possible(bigint, interval, numeric) is
  'whether a valve could pass on so many kWh in that time';

-- Rounds down to 10⁻¹² kWh: as a function of the instant alone it rounds the same from whichever bucket it is asked,
-- so differences add up exactly; and it never makes a later instant smaller than an earlier one.
create function tasmart_share(opening numeric, closing numeric, part numeric, whole numeric) returns numeric
language sql immutable parallel safe
as $$
  select case
    when opening = closing then opening
    else opening + 0.000000000001 * div((closing - opening) * 1000000000000 * part, whole)
  end
$$;

comment on function tasmart_share(numeric, numeric, numeric, numeric) is
  'the value part/whole of the way from opening to closing';

-- A double counts microseconds exactly until the year 2255, and is what PostgreSQL is quickest with. Not immutable, as
-- date_part is not: PostgreSQL would then no longer put the expression in the place of the call.
create function tasmart_microseconds(instant timestamptz) returns double precision
language sql stable parallel safe
as $$
  select round(date_part('epoch', instant) * 1000000)
$$;

comment on function tasmart_microseconds(timestamptz) is 'whole microseconds since 1970';

create function tasmart_two_more(kwh bigint) returns bigint
language sql immutable parallel safe
as $$
  select least(kwh, 9223372036854775805) + 2
$$;

comment on function tasmart_two_more(bigint) is 'the highest counter from which this one is a fall of at most 2 kWh';

create function tasmart_second(instant timestamptz) returns bigint
language sql stable parallel safe
as $$
  select floor(extract(epoch from instant))::bigint
$$;

comment on function tasmart_second(timestamptz) is
  'epoch seconds, rounded down, as tasmart_data_table.timestamp has them';

-- Where a local date-time comes twice (a clock set back over midnight, as in Havana), PostgreSQL takes the second.
create function tasmart_day_start(day timestamp, timezone text) returns timestamptz
language sql stable parallel safe
as $$
  select case
    when (day at time zone timezone - interval '1 hour') at time zone timezone >= day
      then day at time zone timezone - interval '1 hour'
    else day at time zone timezone
  end
$$;

comment on function tasmart_day_start(timestamp, text) is 'the first instant of a local day';

-- Hours and quarters are counted from local midnight, in real time: a day of 25 hours has 25 of them, and in zones half
-- an hour off they begin at the local hour. Only where the clock moves by half an hour (Lord Howe) does that go wrong;
-- there an hour ends where the local hour does.
create function tasmart_bucket_edges(bucket text, from_time timestamptz, to_time timestamptz, timezone text)
returns timestamptz[]
language plpgsql stable parallel safe
as $$
#variable_conflict use_column
declare
  -- a day more at either end, as a local day may begin an hour off
  first_day constant timestamp := date_trunc('day', from_time at time zone timezone) - interval '1 day';
  last_day constant timestamp := date_trunc('day', to_time at time zone timezone) + interval '2 days';
  step constant interval := case bucket when '15min' then interval '15 minutes' when 'hour' then interval '1 hour' end;
  edges timestamptz[];
begin
  if bucket in ('day', 'month') then
    edges := array(
      select distinct tasmart_day_start(day, timezone) as edge
      from generate_series(date_trunc(bucket, first_day), last_day, ('1 ' || bucket)::interval) as day
      order by edge
    );
  else
    edges := array(
      select edge
      from (
        select is_even, generate_series(starts, ends - interval '1 microsecond', grain) as edge
        from (
          select starts, lead(starts) over (order by starts) as ends
          from (
            select distinct tasmart_day_start(day, timezone) as starts
            from generate_series(first_day, last_day, interval '1 day') as day
          ) as day
        ) as day
        cross join lateral (
          select mod(extract(epoch from ends - starts), extract(epoch from step)) = 0 as is_even
        ) as evenness
        cross join lateral (
          select case when is_even then step else interval '15 minutes' end as grain
        ) as granularity
      ) as local_edge
      where is_even
        or date_part('minute', edge at time zone timezone) = 0
        or date_trunc('hour', edge at time zone timezone)
          <> date_trunc('hour', (edge - interval '15 minutes') at time zone timezone)
      order by edge
    );
  end if;
  return from_time || array(select edge from unnest(edges) as edge where edge > from_time and edge < to_time) || to_time;
end
$$;

comment on function tasmart_bucket_edges(text, timestamptz, timestamptz, text) is
  'where the buckets (15min, hour, day, month) of a time zone begin within the range, and its two ends';

-- Judging the readings of a register needs one to begin with that counts whatever came before it.
--
-- In a stretch of 24 hours in which the counter only ever counted up at a possible speed, no reading is part of a
-- glitch that began before: that came back within 24 hours, by a step that is none of these. Except for a fall of at
-- most 2 kWh, which may last. So the last reading of such a stretch counts if the counter rose by 2 kWh in it, or if
-- nothing before it makes its first reading such a fall: tasmart_is_settled.

-- Reads back to where the counter last stood elsewhere. Lower, by 2 kWh and more, and counted up from there: then it
-- would have counted past whatever stood above. Nowhere else: then nothing stood above. The second register's index
-- knows at once that nothing did.
create function tasmart_is_settled(
  valve text, register smallint, second bigint, counter bigint, max_power_kw numeric
) returns boolean
language plpgsql stable parallel safe
as $$
#variable_conflict use_variable
declare
  earlier record;
  following record;
begin
  if register = 2 and not exists (
    select from tasmart_data_table
    where tasmart_id = valve
      and energy_counter_regime_2 > counter
      and energy_counter_regime_2 <= tasmart_two_more(counter)
      and "timestamp" < second
  ) then
    return true;
  end if;

  select "timestamp" as second, "time" as at, kwh
  into earlier
  from tasmart_data_table
  cross join lateral (
    select case register when 1 then energy_counter_regime_1 else energy_counter_regime_2 end as kwh
  ) as of_register
  where tasmart_id = valve and "timestamp" < second and kwh >= 0 and kwh not in (counter, counter - 1)
  order by "timestamp" desc
  limit 1;
  if not found then
    return true;
  elsif earlier.kwh > counter then
    return false;
  end if;

  select "time" as at, kwh
  into following
  from tasmart_data_table
  cross join lateral (
    select case register when 1 then energy_counter_regime_1 else energy_counter_regime_2 end as kwh
  ) as of_register
  where tasmart_id = valve and "timestamp" > earlier.second and kwh >= 0
  order by "timestamp"
  limit 1;
  return tasmart_possible(following.kwh - earlier.kwh, following.at - earlier.at, max_power_kw);
end
$$;

comment on function tasmart_is_settled(text, smallint, bigint, bigint, numeric) is
  'whether a reading, the first of 24 hours of plain counting, is no fall of at most 2 kWh below one before it; '
  'false where a short look cannot tell';

-- Searched backwards from an instant.
create function tasmart_anchor(
  valve text, register smallint, before timestamptz, max_power_kw numeric,
  out anchor bigint, out is_first boolean
)
language plpgsql stable parallel safe
as $$
#variable_conflict use_variable
declare
  day constant interval := interval '24 hours';
  reading record;
  newer_time timestamptz;
  newer_counter bigint;
  top_second bigint;
  top_time timestamptz;
  top_counter bigint;
  page integer := 200;
  seen integer;
  bound bigint := tasmart_second(before) + 1;
begin
  is_first := false;
  loop
    seen := 0;
    for reading in
      select
        "timestamp" as second,
        "time" as at,
        case register when 1 then energy_counter_regime_1 else energy_counter_regime_2 end as counter
      from tasmart_data_table
      where tasmart_id = valve and "timestamp" < bound and "time" <= before
      order by "timestamp" desc
      limit page
    loop
      seen := seen + 1;
      bound := reading.second;
      continue when reading.counter is null or reading.counter < 0;

      if newer_time is null
        or reading.counter > newer_counter
        or not tasmart_possible(newer_counter - reading.counter, newer_time - reading.at, max_power_kw)
      then
        top_second := reading.second;
        top_time := reading.at;
        top_counter := reading.counter;
      elsif reading.at <= top_time - day and (
        top_counter >= tasmart_two_more(reading.counter)
        or newer_time > top_time - day -- once a stretch
          and tasmart_is_settled(valve, register, reading.second, reading.counter, max_power_kw)
      ) then
        anchor := top_second;
        return;
      end if;

      newer_time := reading.at;
      newer_counter := reading.counter;
      anchor := reading.second;
    end loop;
    exit when seen < page;
    page := page * 4;
  end loop;
  is_first := true;
end
$$;

comment on function tasmart_anchor(text, smallint, timestamptz, numeric) is
  'second of a reading at or before the instant that counts whatever came before it; is_first: it is the very first';

-- The meaning of a register's readings, one after the other ("What kWh means").
--
-- verdict: kept, reset, implausible (all three: a point of the curve), glitch (left out), undecided (a fall or rise at
-- the end of the data, or a reading since: the curve stands still until more arrives). A negative counter is no reading.
--
-- A fall or rise is undecided until it comes back, or 24 hours of readings have followed, or the counter has been seen
-- counting on from there: a valve that counts from 0 after a reset need not wait a day for its kWh.
create function tasmart_classified(
  valve text, register smallint, from_time timestamptz, to_time timestamptz, max_power_kw numeric
) returns table (reading_time timestamptz, counter bigint, power_dw integer, verdict text, curve_kwh numeric)
language plpgsql stable parallel safe
as $$
#variable_conflict use_variable
declare
  day constant interval := interval '24 hours';
  start record;
  horizon timestamptz := to_time + 2 * day;
  complete boolean;
  times timestamptz[];
  counters bigint[];
  powers integer[];
  verdicts text[];
  curve numeric[];
  size integer;
  k integer; -- the last kept reading
  i integer; -- the reading to judge
  j integer; -- readings ahead of it
  outcome text;
  counts_on boolean;
  zeros_only boolean; -- nothing but zeros so far, since the very first reading
begin
  if register = 2 and not exists (
    select from tasmart_data_table where tasmart_id = valve and energy_counter_regime_2 is not null
  ) then
    return;
  end if;
  start := tasmart_anchor(valve, register, from_time, max_power_kw);

  <<read>>
  loop
    select array_agg(r.at order by r.second), array_agg(r.value order by r.second), array_agg(r.power order by r.second)
    into times, counters, powers
    from (
      select
        "timestamp" as second,
        "time" as at,
        measured_power as power,
        case register when 1 then energy_counter_regime_1 else energy_counter_regime_2 end as value
      from tasmart_data_table
      where tasmart_id = valve
        and "timestamp" >= coalesce(start.anchor, 0)
        and "timestamp" <= tasmart_second(horizon)
    ) as r
    where r.value >= 0;
    size := coalesce(cardinality(times), 0);
    complete := not exists (
      select from tasmart_data_table
      where tasmart_id = valve
        and "timestamp" > tasmart_second(horizon)
        and case register when 1 then energy_counter_regime_1 else energy_counter_regime_2 end >= 0
    );
    if size = 0 and complete then
      return;
    end if;

    verdicts := array_fill('glitch'::text, array[size]);
    curve := array_fill(0::numeric, array[size]);
    k := 1;
    i := 2;
    zeros_only := start.is_first and size > 0 and counters[1] = 0;
    if size > 0 then
      verdicts[1] := 'kept';
    end if;

    <<judge>>
    -- beyond the range as long as zeros before it may yet turn out to be a glitch
    while i <= size and (times[k] < to_time or zeros_only and times[i] - times[1] <= day) loop
      if counters[i] between counters[k] - 2 and counters[k] - 1 then
        i := i + 1; -- a fall of at most 2 kWh
        continue;
      end if;

      if counters[i] >= counters[k]
        and tasmart_possible(counters[i] - counters[k], times[i] - times[k], max_power_kw)
      then
        verdicts[i] := 'kept';
        curve[i] := curve[k] + counters[i] - counters[k];
        zeros_only := zeros_only and counters[i] = 0;
        k := i;
        i := i + 1;
        continue;
      end if;

      -- A fall, or a rise no valve could make. Does it come back?
      outcome := null;
      counts_on := false;
      j := i + 1;
      while j <= size and times[j] - times[i] <= day loop
        if counters[i] < counters[k] and counters[j] >= counters[k] - 2 then
          -- The old value again. By counting up to it, it is not coming back.
          outcome := case
            when counters[j] > counters[j - 1]
              and not tasmart_possible(counters[j] - counters[j - 1], times[j] - times[j - 1], max_power_kw)
              then 'glitch'
            else 'stays'
          end;
        elsif counters[i] > counters[k]
          and counters[j] < counters[j - 1] - 2
          and (
            counters[j] <= counters[k]
            or tasmart_possible(counters[j] - counters[k], times[j] - times[k], max_power_kw)
          )
        then
          outcome := 'glitch';
        end if;
        exit when outcome is not null;
        counts_on := counts_on or (
          counters[j] > counters[j - 1]
          and tasmart_possible(counters[j] - counters[j - 1], times[j] - times[j - 1], max_power_kw)
        );
        j := j + 1;
      end loop;

      if outcome = 'glitch' then
        i := j; -- the run up to there is left out
        continue;
      end if;
      if outcome is null and j > size and times[size] - times[i] < day and not (complete and counts_on) then
        exit judge;
      end if;

      if counters[i] < counters[k] then
        verdicts[i] := 'reset';
        curve[i] := curve[k] + case
          when tasmart_possible(counters[i], times[i] - times[k], max_power_kw) then counters[i]
          else 0
        end;
      elsif zeros_only and times[i] - times[1] <= day then
        -- Zeros before the very first value: what a glitch to zero leaves of itself at that end of the data.
        verdicts[1:k] := array_fill('glitch'::text, array[k]);
        verdicts[i] := 'kept';
      else
        verdicts[i] := 'implausible';
        curve[i] := curve[k] + counters[i] - counters[k];
      end if;
      zeros_only := false;
      k := i;
      i := i + 1;
    end loop;

    exit read when complete or (size > 0 and times[k] >= to_time);
    horizon := horizon + (horizon - from_time) + 30 * day;
  end loop;

  if times[k] < to_time then
    for i in k + 1 .. size loop
      verdicts[i] := 'undecided';
      curve[i] := curve[k];
    end loop;
    k := size;
  end if;
  return query
  select at, value, power, judged, kwh
  from unnest(times[1:k], counters[1:k], powers[1:k], verdicts[1:k], curve[1:k]) as r (at, value, power, judged, kwh);
end
$$;

comment on function tasmart_classified(text, smallint, timestamptz, timestamptz, numeric) is
  'readings of one register (1 or 2) with their verdict and the odometer curve through them, from a reading at or '
  'before from_time (if there is one) to the first kept one at or after to_time; glitches have no place on the curve';

-- Finer than a kWh: between one reading at which the counter had moved and the next, the kWh are spread in proportion
-- to the measured power (trapezoids). The curve stays pinned to the counter at both, so their totals stay the counter's.
-- A step with no power to go by, a reset, an impossible rise and what follows the last move stay as they are.
create function tasmart_shaped(
  valve text, register smallint, from_time timestamptz, to_time timestamptz, max_power_kw numeric
) returns table (reading_time timestamptz, verdict text, curve_kwh numeric)
language plpgsql stable parallel safe
as $$
#variable_conflict use_variable
declare
  widened_from timestamptz := from_time;
  widened_to timestamptz := to_time;
  widening interval := interval '1 day';
  first_time timestamptz;
  previous_first_time timestamptz;
  last_time timestamptz;
  still_before boolean;
  still_after boolean;
begin
  -- The moves of the counter next to the range may lie far outside of it.
  loop
    select
      min(r.reading_time),
      max(r.reading_time),
      min(r.curve_kwh) = max(r.curve_kwh) filter (where r.reading_time <= from_time),
      max(r.curve_kwh) = max(r.curve_kwh) filter (where r.reading_time < to_time)
    into first_time, last_time, still_before, still_after
    from tasmart_classified(valve, register, widened_from, widened_to, max_power_kw) as r
    where r.verdict <> 'glitch';

    -- Nothing further back: that was the register's first reading.
    still_before := still_before and first_time is distinct from previous_first_time;
    previous_first_time := first_time;
    still_after := still_after and last_time >= widened_to;
    exit when still_before is not true and still_after is not true;
    if still_before then
      widened_from := first_time - widening;
    end if;
    if still_after then
      widened_to := last_time + widening;
    end if;
    widening := widening * 2;
  end loop;

  return query
  with point as (
    select
      r.*,
      lag(r.reading_time) over by_time as previous_time,
      lag(r.curve_kwh) over by_time as previous_kwh,
      lag(r.power_dw) over by_time as previous_power_dw,
      lead(r.verdict) over by_time in ('reset', 'implausible') as before_break
    from tasmart_classified(valve, register, widened_from, widened_to, max_power_kw) as r
    where r.verdict <> 'glitch'
    window by_time as (order by r.reading_time)
  ),
  weighted as (
    select
      p.*,
      p.previous_kwh is null or p.curve_kwh > p.previous_kwh or p.verdict in ('reset', 'implausible')
        or coalesce(p.before_break, false) as is_pin,
      case when p.previous_time is not null then
        (greatest(coalesce(p.power_dw, p.previous_power_dw), 0) + greatest(coalesce(p.previous_power_dw, p.power_dw), 0))
          * extract(epoch from p.reading_time - p.previous_time)
      end as weight
    from point as p
  ),
  stepped as (
    select
      w.*,
      -- the step a point belongs to ends at the next pin, itself included
      count(*) filter (where w.is_pin) over (order by w.reading_time desc) as step
    from weighted as w
  ),
  summed as (
    select
      s.*,
      sum(s.weight) over (partition by s.step order by s.reading_time) as weight_so_far,
      sum(s.weight) over (partition by s.step) as whole_weight,
      bool_or(s.weight is null) over (partition by s.step) as weightless,
      min(s.previous_kwh) over (partition by s.step) as opening_kwh,
      max(s.curve_kwh) over (partition by s.step) as closing_kwh
    from stepped as s
  )
  select
    s.reading_time,
    s.verdict,
    case
      when s.is_pin or s.step = 0 or s.weightless or s.whole_weight = 0 then s.curve_kwh
      -- a counter that has not moved has less than a kWh to hide
      else least(tasmart_share(s.opening_kwh, s.closing_kwh, s.weight_so_far, s.whole_weight), s.opening_kwh + 1)
    end
  from summed as s;
end
$$;

comment on function tasmart_shaped(text, smallint, timestamptz, timestamptz, numeric) is
  'the points of the odometer curve, each step of the counter spread over its readings by measured power';

-- The short way is safe for a register if, in all readings from some way before the range to just after it,
-- the counter only ever counted up at a possible speed, and
--  * they span 24 hours, and the counter rose by 2 kWh before the range, or is settled: as for tasmart_anchor;
--    or they begin with the valve's very first reading (and not with zeros that might be a glitch before it);
--  * they reach over both ends of the range, or the data end there.
create function tasmart_consumption(
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
set work_mem = '32MB'
as $$
#variable_conflict use_column
declare
  edges timestamptz[];
  edges_us double precision[];
  edge_count integer;
  valves text[];
  day_us constant double precision := 86400000000;
  longest_us constant double precision := interval_minutes * 1.5 * 60000000;
  max_kwh_per_us constant double precision := max_power_kw / 3600000000;
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
  -- Neighbouring readings of a valve: those with an edge between them, or with anything else to tell.
  step as materialized (
    select valve_number, pair.*
    from known
    cross join lateral (
      select *
      from (
        select
          us as us_0,
          first as first_0,
          second as second_0,
          edge as edge_0,
          lead(us) over by_time as us_1,
          lead(first, 1, first) over by_time as first_1,
          lead(second, 1, second) over by_time as second_1,
          lead(edge, 1, edge_count) over by_time as edge_1,
          row_number() over by_time = 1 as is_first
        from (
          select
            d."timestamp",
            us,
            d.energy_counter_regime_1 as first,
            d.energy_counter_regime_2 as second,
            -- the last edge at or before the reading
            width_bucket(us, edges_us) as edge
          from tasmart_data_table as d
          cross join lateral (select tasmart_microseconds(d."time") as us) as clock
          where d.tasmart_id = valve_id and d."timestamp" between read_from and read_to
          order by d."timestamp" -- also keeps this apart, so that each edge is searched once
        ) as located
        window by_time as (order by "timestamp")
      ) as reading
      cross join lateral (
        -- on the safe side of what the exact arithmetic of tasmart_possible says
        select greatest(max_kwh_per_us * (us_1 - us_0 - 1000), 1) as most_kwh
      ) as physics
      cross join lateral (
        select
          case when first_0 >= 0 and first_1 >= first_0 then first_1 - first_0 <= most_kwh else false end
            as first_plain,
          case when second_0 >= 0 and second_1 >= second_0 then second_1 - second_0 <= most_kwh else false end
            as second_plain
      ) as judged
      where edge_0 <> edge_1
        or not first_plain
        or not second_plain
        or is_first
        or us_1 is null
        or us_1 - us_0 > longest_us
    ) as pair
  ),
  short_way as materialized (
    select valve_number, regime
    from (
      select
        valve_number,
        min(us_0) as first_us,
        max(us_0) as last_us,
        max(edge_0) = edge_count as reaches_over_end,
        bool_and(first_plain) as first_plain,
        min(first_0) as first_opening,
        max(first_0) filter (where edge_0 = 0) as first_before,
        bool_and(second_plain) as second_plain,
        min(second_0) as second_opening,
        max(second_0) filter (where edge_0 = 0) as second_before
      from step
      group by valve_number
    ) as read
    join known using (valve_number)
    cross join lateral (
      values
        (1::smallint, first_plain, first_opening, first_before),
        (2::smallint, second_plain, second_opening, second_before)
    ) as register (regime, plain, opening, before)
    where shape = 'linear'
      and plain
      and (
        reaches_over_end
        or not exists (
          select from tasmart_data_table as d where d.tasmart_id = valve_id and d."timestamp" > read_to
        )
      )
      and (
        last_us - first_us >= day_us and before >= tasmart_two_more(opening)
        or (last_us - first_us >= day_us or opening > 0)
          and not exists (
            select from tasmart_data_table as d where d.tasmart_id = valve_id and d."timestamp" < read_from
          )
        or last_us - first_us >= day_us
          and before is not null
          and (
            -- what tasmart_is_settled asks first, without the call
            regime = 2 and not exists (
              select from tasmart_data_table as d
              where d.tasmart_id = valve_id
                and d.energy_counter_regime_2 > opening
                and d.energy_counter_regime_2 <= tasmart_two_more(opening)
                and d."timestamp" < floor(first_us / 1000000)::bigint
            )
            or tasmart_is_settled(valve_id, regime, floor(first_us / 1000000)::bigint, opening, max_power_kw)
          )
      )
  ),
  short_way_edge as materialized (
    select
      valve_number,
      n,
      tasmart_share(first_0, first_1, part, whole) as first_kwh,
      tasmart_share(second_0, second_1, part, whole) as second_kwh
    from (
      select *, generate_series(case when is_first then 1 else edge_0 + 1 end, edge_1) as n from step
    ) as crossed
    cross join lateral (
      select
        -- before the first reading and after the last the curve goes on level
        case when n > edge_0 and us_1 is not null then edges_us[n] - us_0 else 0 end::bigint as part,
        coalesce(us_1 - us_0, 1)::bigint as whole
    ) as crossing
  ),
  short_way_bucket as materialized (
    select
      valve_number,
      n,
      first_kwh,
      lead(first_kwh) over by_edge as first_kwh_at_end,
      second_kwh,
      lead(second_kwh) over by_edge as second_kwh_at_end
    from short_way_edge
    window by_edge as (partition by valve_number order by n)
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
    select valve_number, regime, n, first_kwh as curve_kwh, first_kwh_at_end as curve_kwh_at_end
    from short_way_bucket
    join short_way using (valve_number)
    where regime = 1
    union all
    select valve_number, regime, n, second_kwh, second_kwh_at_end
    from short_way_bucket
    join short_way using (valve_number)
    where regime = 2
    union all
    select valve_number, regime, n, curve_kwh, lead(curve_kwh) over (partition by valve_number, regime order by n)
    from long_way_edge
    union all
    -- a register without a reading
    select valve_number, regime, n, null, null
    from long_way
    cross join lateral generate_series(1, edge_count - 1) as n
    where (valve_number, regime) not in (select valve_number, regime from long_way_point)
  ),
  -- What keeps a bucket from being simply measured: longer gaps, resets, impossible rises, and the ends of the curve.
  piece as materialized (
    select valve_number, regime, us_0, us_1, edge_0, edge_1, is_first, 'kept' as verdict
    from step
    join short_way using (valve_number)
    where us_1 - us_0 > longest_us or us_1 is null or is_first
    union all
    select valve_number, regime, us_0, us_1, edge_0, edge_1, is_first, verdict
    from long_way_piece
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
  )
  select
    valve_id,
    regime,
    edges[n],
    edges[n + 1],
    case when not is_missing then trim_scale(curve_kwh_at_end - curve_kwh) end,
    case
      when curve_kwh is null then 0
      when uncovered_us is null then 1
      else trim_scale(round((1 - uncovered_us / length_us)::numeric, 9))
    end,
    case
      when is_missing then 'missing'
      when is_provisional then 'provisional'
      when has_reset then 'reset'
      when is_implausible then 'implausible'
      when uncovered_us > 0 then 'estimated'
      else 'measured'
    end
  from bucketed
  join known using (valve_number)
  left join blemished using (valve_number, regime, n)
  cross join lateral (select edges_us[n + 1] - edges_us[n] as length_us) as bucket_length
  cross join lateral (
    select curve_kwh is null or coalesce(outside_us = length_us, false) as is_missing
  ) as bucket_curve
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
