-- Where the buckets of a time zone begin.

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

-- Days, weeks, months and years begin with a local day. An hour begins where the local minute is 0, and where the local
-- hour changes otherwise: at Lord Howe, where summer time is half an hour, it changes from 2:00 to 2:30.
create or replace function tasmart_bucket_edges(bucket text, from_time timestamptz, to_time timestamptz, timezone text)
returns setof timestamptz
language plpgsql stable parallel safe
as $$
begin
  if bucket = 'total' then
    return query values (from_time), (to_time);
  elsif bucket = '15min' then
    return query select generate_series(from_time, to_time, '15 minutes');
  elsif bucket = 'hour' then
    return query
      select quarter
      from generate_series(from_time - interval '2 hours', to_time + interval '2 hours', '15 minutes') as quarter
      cross join lateral (
        select quarter at time zone timezone, (quarter - interval '15 minutes') at time zone timezone
      ) as local (now, before)
      where date_part('minute', now) = 0 or date_trunc('hour', now) <> date_trunc('hour', before);
  elsif bucket in ('day', 'week', 'month', 'year') then
    -- A day more at either end, for a local day may begin an hour off.
    return query
      select distinct date_bin('15 minutes', tasmart_day_start(day, timezone), 'epoch') as edge
      from generate_series(
        date_trunc(bucket, from_time at time zone timezone - interval '1 day'),
        to_time at time zone timezone + ('1 ' || bucket)::interval + interval '1 day',
        ('1 ' || bucket)::interval
      ) as day
      order by edge;
  else
    raise exception 'unknown bucket %: it is one of 15min, hour, day, week, month, year, total', quote_nullable(bucket)
      using errcode = 'invalid_parameter_value';
  end if;
end
$$;

comment on function tasmart_bucket_edges(text, timestamptz, timestamptz, text) is
  'edges of the buckets (15min, hour, day, week, month, year, total) of a time zone; they reach over both ends';
