/** Loads how old the readings of each valve are, and what is missing. */
import type { Micros } from '../domain/time.ts';
import { compareValves } from '../domain/valve.ts';
import type { Database } from './connection.ts';
import { micros } from './repository.ts';

/** A valve of the registry. */
export interface RegisteredValve {
  id: string;
  shortSn: string | null;
  fullSn: string | null;
  /** the name the customer gave it */
  userId: string | null;
  /** '': the unnamed one */
  account: string;
  backendRef: string | null;
  /** all projects that have ever listed the valve */
  projects: readonly Membership[];
}

export interface Membership {
  id: string;
  /** false: for more than a day, HyCloud has listed the project without the valve */
  isListed: boolean;
}

/** The newest reading of a valve, and its age by the database's clock. */
export interface Supply {
  /** null: none is stored */
  newestUs: Micros | null;
  ageUs: number | null;
  /** of the newest reading; null: not configured, or the valve sent none */
  errorStatus: readonly string[] | null;
  /** the last request that HyCloud answered found no point for the boundary */
  isSilent: boolean;
  gaps: Gaps;
}

/** The number of boundaries without a reading: since catch_up_days ago, or since the valve's first reading if that is later. */
export interface Gaps {
  /** after `synced_until`: the next run fetches them */
  due: number;
  /** HyCloud was asked, and had no point */
  holes: number;
  /** before the valve's first run, and never asked for: run a backfill */
  unasked: number;
}

export interface SupplyQuery {
  intervalMinutes: number;
  catchUpDays: number;
}

/** Every valve that was ever polled, by name. @throws DatabaseError */
export async function loadRegisteredValves(database: Database): Promise<RegisteredValve[]> {
  const valves = await database.query<RegisteredValve>(
    `select tasmart_id as id, short_sn as "shortSn", full_sn as "fullSn", user_id as "userId", account,
            backend_ref as "backendRef",
            -- A valve without a row in tasmart_project_valves counts as listed by its own project.
            coalesce(projects, json_build_array(json_build_object('id', valve.project_id, 'isListed', true))) as projects
     from tasmart_valves as valve
     left join (
       select tasmart_id, json_agg(json_build_object(
         'id', project_id, 'isListed', listed.last_seen_at >= project.last_seen_at - interval '1 day'
       )) as projects
       from tasmart_project_valves as listed join tasmart_projects as project using (project_id)
       group by tasmart_id
     ) as membership using (tasmart_id)`,
  );
  return valves.sort(compareValves);
}

/**
 * SQL: $1 the valves, $2 the interval in seconds, $3 `catchUpDays`. Boundaries are numbered: intervals since 1970. Each reading
 * belongs to the first boundary at or after it.
 *
 * Of the boundaries from `from_number` to `now_number`, those after `due_from` are due. Those up to `unasked_to` that no backfill
 * covers are unasked. HyCloud was asked for the others. One index scan counts the boundaries of each kind that have a reading.
 * Subtracted from all of that kind, this gives the gaps.
 */
const SUPPLY = `
  with clock as materialized (
    select floor(extract(epoch from now()) / $2::integer)::bigint as now_number,
           floor(extract(epoch from now() - $3::float8 * interval '1 day') / $2)::bigint + 1 as oldest_number,
           -- like a poll, ignores later readings: FUTURE_TOLERANCE_US in hycloud/points.ts
           extract(epoch from now())::bigint + 300 as latest
  ), numbered as (
    select valve.tasmart_id, newest."time" as newest_time, error_status, newest_number, now_number, latest,
           greatest(first_number, oldest_number) as from_number,
           floor(extract(epoch from synced_until) / $2)::bigint as synced_number,
           floor(extract(epoch from coalesce(synced_until, newest."time", first_seen_at)) / $2)::bigint as due_after,
           floor(extract(epoch from first_seen_at) / $2)::bigint as polled_after,
           coalesce(covered, '{}') as covered
    from tasmart_valves as valve
    left join tasmart_backfills as backfill on backfill.tasmart_id = valve.tasmart_id and interval_minutes = $2 / 60
    cross join clock
    left join lateral (
      select "time", error_status, ceil(extract(epoch from "time") / $2)::bigint as newest_number
      from tasmart_data_table as reading where reading.tasmart_id = valve.tasmart_id and "timestamp" <= latest
      order by "timestamp" desc limit 1
    ) as newest on true
    left join lateral (
      select ceil(extract(epoch from "time") / $2)::bigint as first_number
      from tasmart_data_table as reading where reading.tasmart_id = valve.tasmart_id
      order by "timestamp" limit 1
    ) as first on true
    where valve.tasmart_id = any ($1::text[])
  ), valve as materialized ( -- otherwise its numbers would be computed again for each reading
    select *, greatest(due_after, from_number - 1) as due_from, least(due_after, polled_after) as unasked_to from numbered
  )
  select tasmart_id as id, ${micros('newest_time')} as "newestUs", ${micros('now() - newest_time')} as "ageUs",
         error_status as "errorStatus", coalesce(synced_number > coalesce(newest_number, 0), false) as "isSilent",
         json_build_object('due', due, 'holes', missing - due - unasked, 'unasked', unasked) as gaps
  from valve
  cross join lateral (
    select count(*) as present, count(*) filter (where number > due_from) as present_due,
           count(*) filter (where number <= unasked_to and not covered @> to_timestamp((number - 1) * $2)) as present_unasked
    from (
      -- The index holds the number, except for a reading in the second of a boundary: that needs the exact time.
      select "timestamp" / $2 + case when "timestamp" % $2 > 0 then 1 else (
        select ("time" > to_timestamp("timestamp"))::integer from tasmart_data_table as exact
        where exact.tasmart_id = valve.tasmart_id and exact."timestamp" = reading."timestamp"
      ) end as number
      from tasmart_data_table as reading
      where reading.tasmart_id = valve.tasmart_id and "timestamp" between (from_number - 1) * $2 and latest
      group by number
      offset 0 -- otherwise the condition on the number would be computed for each reading
    ) as boundary
    where number between from_number and now_number
  ) as counted
  cross join lateral (
    select coalesce(sum(extract(epoch from upper(part) - lower(part)) / $2), 0) as uncovered -- boundaries up to unasked_to
    from unnest(tstzmultirange(tstzrange(
      to_timestamp((from_number - 1) * $2), to_timestamp(greatest(from_number - 1, unasked_to) * $2)
    )) - covered) as part
  ) as unasked_spans
  cross join lateral (
    select greatest(0, now_number - from_number + 1 - present)::integer as missing,
           greatest(0, now_number - due_from - present_due)::integer as due,
           (uncovered - present_unasked)::integer as unasked
  ) as gaps`;

/** By id. A valve that the registry does not know is left out. @throws DatabaseError */
export async function loadSupply(
  database: Database,
  tasmartIds: readonly string[],
  { intervalMinutes, catchUpDays }: SupplyQuery,
): Promise<Map<string, Supply>> {
  const parameters = [tasmartIds, intervalMinutes * 60, catchUpDays];
  const rows = await database.query<Supply & { id: string }>(SUPPLY, parameters);
  return new Map(rows.map(({ id, ...supply }) => [id, supply]));
}

const RECENT_HOURS = 24;

/**
 * The mean power of each of the last 24 hours, in dW, the oldest first; null: the hour has no reading with power. By id. A valve
 * without power in this time is left out.
 *
 * @throws DatabaseError
 */
export async function loadRecentPower(
  database: Database,
  tasmartIds: readonly string[],
): Promise<Map<string, (number | null)[]>> {
  const rows = await database.query<{ id: string; hoursAgo: number[]; meansDw: number[] }>(
    `select wanted.tasmart_id as id, "hoursAgo", "meansDw"
     from unnest($1::text[]) as wanted (tasmart_id)
     cross join (select extract(epoch from now())::bigint as now_s) as clock
     cross join lateral (
       select array_agg(hour_ago) as "hoursAgo", array_agg(mean) as "meansDw"
       from (
         select ((now_s - "timestamp") / 3600)::integer as hour_ago, avg(measured_power)::float8 as mean
         from tasmart_data_table as reading
         where reading.tasmart_id = wanted.tasmart_id
           and "timestamp" > now_s - 3600 * $2::bigint and "timestamp" <= now_s and measured_power is not null
         group by hour_ago
       ) as hourly
     ) as recent
     where "hoursAgo" is not null`,
    [tasmartIds, RECENT_HOURS],
  );
  const powers = new Map<string, (number | null)[]>();
  for (const { id, hoursAgo, meansDw } of rows) {
    const powerDw = Array.from({ length: RECENT_HOURS }, (): number | null => null);
    hoursAgo.forEach((hourAgo, index) => (powerDw[RECENT_HOURS - 1 - hourAgo] = meansDw[index] ?? null));
    powers.set(id, powerDw);
  }
  return powers;
}
