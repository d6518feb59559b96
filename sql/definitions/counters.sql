-- What the readings of a counter mean, one after the other: kept, glitch, reset, and the curve of kWh through them.

-- A counter counts whole kWh, so a single one may fall between two readings however close.
create or replace function tasmart_possible(kwh bigint, duration interval, max_power_kw numeric) returns boolean
language sql immutable parallel safe
as $$
  select kwh <= 1 or kwh::numeric * 3600 <= max_power_kw * extract(epoch from duration)
$$;

comment on function tasmart_possible(bigint, interval, numeric) is
  'whether a valve could pass on so many kWh in that time';

-- Rounds down to 10⁻¹² kWh: as a function of the instant alone it rounds the same from whichever bucket it is asked,
-- so differences add up exactly; and it never makes a later instant smaller than an earlier one.
create or replace function tasmart_share(opening numeric, closing numeric, part numeric, whole numeric) returns numeric
language sql immutable parallel safe
as $$
  select case
    when opening = closing then opening
    else opening + 0.000000000001 * div((closing - opening) * 1000000000000 * part, whole)
  end
$$;

comment on function tasmart_share(numeric, numeric, numeric, numeric) is
  'the value part/whole of the way from opening to closing';

create or replace function tasmart_two_more(kwh bigint) returns bigint
language sql immutable parallel safe
as $$
  select least(kwh, 9223372036854775805) + 2
$$;

comment on function tasmart_two_more(bigint) is 'the highest counter from which this one is a fall of at most 2 kWh';

-- In bigint where that is exact, which it nearly always is; numeric takes several times as long.
create or replace function tasmart_pico(rise bigint, part bigint, whole bigint) returns bigint
language sql immutable parallel safe
as $$
  select case
    when rise::double precision * whole < 9e18 and whole < 9000000000000 then
      rise * part / whole * 1000000000000
        + rise * part % whole * 1000000 / whole * 1000000
        + rise * part % whole * 1000000 % whole * 1000000 / whole
    else div(rise::numeric * 1000000000000 * part, whole)::bigint
  end
$$;

comment on function tasmart_pico(bigint, bigint, bigint) is
  'part/whole of a rise of less than 9 million kWh, in 10⁻¹² kWh, rounded down as tasmart_share does';

-- Judging the readings of a register needs one to begin with that counts whatever came before it.
--
-- In a stretch of 24 hours in which the counter only ever counted up at a possible speed, no reading is part of a
-- glitch that began before: that came back within 24 hours, by a step that is none of these. Except for a fall of at
-- most 2 kWh, which may last. So the last reading of such a stretch counts if the counter rose by 2 kWh in it, or if
-- nothing before it makes its first reading such a fall: tasmart_is_settled.

-- Reads back to where the counter last stood elsewhere. Lower, by 2 kWh and more, and counted up from there: then it
-- would have counted past whatever stood above. Nowhere else: then nothing stood above. The second register's index
-- knows at once that nothing did.
create or replace function tasmart_is_settled(
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
create or replace function tasmart_anchor(
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
create or replace function tasmart_classified(
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
-- Two powers near the integer maximum (a sensor's "no value") overflow when added: add as bigint.
create or replace function tasmart_shaped(
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
        (
          greatest(coalesce(p.power_dw, p.previous_power_dw), 0)::bigint
            + greatest(coalesce(p.previous_power_dw, p.power_dw), 0)
        ) * extract(epoch from p.reading_time - p.previous_time)
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
