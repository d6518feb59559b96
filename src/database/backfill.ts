/** Stores backfilled readings, and which spans are covered with them. */
import { formatRfc3339, type Span } from '../domain/time.ts';
import type { Database } from './connection.ts';
import { insertReadings, isAhead, micros, type IsNew, type ValveReadings } from './repository.ts';

/** Readings of one valve. `covered`: the span that is complete with them; null: none */
export interface BackfilledSpan extends Pick<ValveReadings, 'tasmartId' | 'readings'> {
  covered: Span | null;
}

/**
 * Loads the parts of a span that are not covered yet, per valve, oldest first.
 *
 * @throws DatabaseError
 */
export async function loadUncovered(
  database: Database,
  tasmartIds: readonly string[],
  intervalMinutes: number,
  span: Span,
): Promise<Map<string, Span[]>> {
  const rows = await database.query<{ tasmart_id: string; from_us: string; to_us: string }>(
    `select wanted.tasmart_id, ${micros('lower(gap)')} as from_us, ${micros('upper(gap)')} as to_us
     from unnest($1::text[]) as wanted (tasmart_id)
     left join tasmart_backfills as done on done.tasmart_id = wanted.tasmart_id and interval_minutes = $2
     cross join lateral unnest(
       tstzmultirange(tstzrange($3::timestamptz, $4::timestamptz)) - coalesce(done.covered, '{}')
     ) as gap
     order by wanted.tasmart_id, lower(gap)`,
    [tasmartIds, intervalMinutes, formatRfc3339(span.fromUs), formatRfc3339(span.toUs)],
  );
  const uncovered = new Map<string, Span[]>();
  for (const { tasmart_id: id, from_us: fromUs, to_us: toUs } of rows) {
    uncovered.set(id, [...(uncovered.get(id) ?? []), { fromUs: Number(fromUs), toUs: Number(toUs) }]);
  }
  return uncovered;
}

/**
 * Stores readings, and the spans that they cover, in one transaction. Does not change `synced_until`, which polls set. But if
 * no poll has set it yet, the next poll would continue from the newest of these readings: so see `keepSynced`.
 */
export async function storeBackfill(
  database: Database,
  spans: readonly BackfilledSpan[],
  intervalMinutes: number,
): Promise<IsNew> {
  return database.transaction(async () => {
    const unpolled = await loadUnpolled(database, [...new Set(spans.map(({ tasmartId }) => tasmartId))]);
    const isNew = await insertReadings(database, spans);
    if (unpolled.length > 0) await keepSynced(database, unpolled);
    await database.query(
      `insert into tasmart_backfills (tasmart_id, interval_minutes, covered)
       select tasmart_id, $4, coalesce(range_agg(tstzrange(from_time, past)) filter (where from_time < past), '{}')
       from unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) as span (tasmart_id, from_time, to_time)
       cross join lateral (
         select case when ${isAhead('to_time', 'span.tasmart_id')}
           then to_timestamp(floor(extract(epoch from now()) / ($4 * 60)) * $4 * 60) else to_time end as past
       ) as clock
       group by tasmart_id order by tasmart_id
       on conflict (tasmart_id, interval_minutes) do update set covered = tasmart_backfills.covered + excluded.covered`,
      [
        spans.map(({ tasmartId }) => tasmartId),
        spans.map(({ covered }) => covered && formatRfc3339(covered.fromUs)),
        spans.map(({ covered }) => covered && formatRfc3339(covered.toUs)),
        intervalMinutes,
      ],
    );
    return isNew;
  });
}

interface Unpolled {
  tasmart_id: string;
  newest: string;
}

/** The valves that have readings of the prototype and were neither polled nor backfilled yet, with the newest of them. */
async function loadUnpolled(database: Database, tasmartIds: readonly string[]): Promise<Unpolled[]> {
  return database.query<Unpolled>(
    `select tasmart_id, newest."time"::text as newest
     from tasmart_valves as valve
     cross join lateral (
       select "time" from tasmart_data_table as reading
       where reading.tasmart_id = valve.tasmart_id and "timestamp" <= extract(epoch from now())::bigint
       order by "timestamp" desc limit 1
     ) as newest
     where tasmart_id = any ($1::text[]) and synced_until is null
       and not exists (select from tasmart_backfills as done where done.tasmart_id = valve.tasmart_id)`,
    [tasmartIds],
  );
}

/**
 * Sets `synced_until` of these valves to the newest reading they had before. Lock the valves in id order, and only after
 * the readings are inserted, as a poll does, to avoid deadlocks.
 */
async function keepSynced(database: Database, unpolled: readonly Unpolled[]): Promise<void> {
  await database.query(
    `with locked as (
       select tasmart_id from tasmart_valves where tasmart_id = any ($1::text[])
       order by tasmart_id for no key update
     )
     update tasmart_valves as valve set synced_until = prototype.newest
     from unnest($1::text[], $2::timestamptz[]) as prototype (tasmart_id, newest)
     join locked using (tasmart_id)
     where valve.tasmart_id = prototype.tasmart_id and valve.synced_until is null`,
    [unpolled.map(({ tasmart_id: id }) => id), unpolled.map(({ newest }) => newest)],
  );
}
