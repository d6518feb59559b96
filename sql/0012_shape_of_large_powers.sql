-- Two powers as large as an integer goes, such as a sensor's mark for none, do not fit into one together.
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
