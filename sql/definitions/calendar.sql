-- Where the buckets of a time zone begin.

-- Where a local date-time comes twice (a clock set back over midnight, as in Havana), PostgreSQL takes the second; the day
-- begins at the first, an hour earlier.
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

-- tasmart_energy holds quarters of an hour, so every edge of a bucket is an edge of a quarter of an hour.
create or replace function tasmart_quarter_start(instant timestamptz) returns timestamptz
language sql immutable parallel safe
as $$
  select date_bin('15 minutes', instant, 'epoch')
$$;

comment on function tasmart_quarter_start(timestamptz) is 'rounds down to a quarter of an hour';

-- Rounds down an instant a microsecond less than a quarter of an hour later: an edge stays where it is.
create or replace function tasmart_quarter_end(instant timestamptz) returns timestamptz
language sql immutable parallel safe
as $$
  select date_bin('15 minutes', instant + interval '899.999999 seconds', 'epoch')
$$;

comment on function tasmart_quarter_end(timestamptz) is 'rounds up to a quarter of an hour';

-- The edges of every bucket that overlaps the span, and maybe of some more around it, in ascending order.
-- The ends of the span need not be edges, nor on a quarter of an hour.
--
-- Days, weeks, months and years begin with a local day. An hour begins where the local minute is 0, and where the local
-- hour changes otherwise: at Lord Howe, where summer time is half an hour, it changes from 2:00 to 2:30. If that is within a
-- quarter of an hour, the next quarter begins the bucket: until 1972, a day of Monrovia began at 0:44:30 UTC.
create or replace function tasmart_bucket_edges(bucket text, from_time timestamptz, to_time timestamptz, timezone text)
returns setof timestamptz
language plpgsql stable parallel safe
as $$
declare
  first_quarter timestamptz := tasmart_quarter_start(from_time);
  last_quarter timestamptz := tasmart_quarter_end(to_time);
begin
  if bucket = 'total' then
    return query values (first_quarter), (last_quarter);
  elsif bucket = '15min' then
    return query select generate_series(first_quarter, last_quarter, '15 minutes');
  elsif bucket = 'hour' then
    -- Two hours more at either end, for an hour may take an hour and a half.
    return query
      select quarter
      from generate_series(first_quarter - interval '2 hours', last_quarter + interval '2 hours', '15 minutes') as quarter
      cross join lateral (
        select quarter at time zone timezone, (quarter - interval '15 minutes') at time zone timezone
      ) as local (this, previous)
      where date_part('minute', this) = 0 or date_trunc('hour', this) <> date_trunc('hour', previous);
  elsif bucket in ('day', 'week', 'month', 'year') then
    -- A day more at either end, for a local day may begin an hour off.
    return query
      select distinct tasmart_quarter_end(tasmart_day_start(day, timezone)) as edge
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
  'edges of the buckets (15min, hour, day, week, month, year, total) of a time zone. '
  'The first is at or before from_time, the last at or after to_time';
