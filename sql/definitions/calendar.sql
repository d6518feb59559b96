-- Where the buckets of a time zone begin.

-- A double counts microseconds exactly until the year 2255, and is what PostgreSQL is quickest with. Not immutable, as
-- date_part is not: PostgreSQL would then no longer put the expression in the place of the call.
create or replace function tasmart_microseconds(instant timestamptz) returns double precision
language sql stable parallel safe
as $$
  select round(date_part('epoch', instant) * 1000000)
$$;

comment on function tasmart_microseconds(timestamptz) is 'whole microseconds since 1970';

create or replace function tasmart_second(instant timestamptz) returns bigint
language sql stable parallel safe
as $$
  select floor(extract(epoch from instant))::bigint
$$;

comment on function tasmart_second(timestamptz) is
  'epoch seconds, rounded down, as tasmart_data_table.timestamp has them';

-- Where a local date-time comes twice (a clock set back over midnight, as in Havana), PostgreSQL takes the second.
create or replace function tasmart_day_start(day timestamp, timezone text) returns timestamptz
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
create or replace function tasmart_bucket_edges(bucket text, from_time timestamptz, to_time timestamptz, timezone text)
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
          offset 0 -- once a day, not once an edge
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
