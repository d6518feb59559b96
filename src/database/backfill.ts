/** Stores backfilled readings, and which spans are covered with them. */
import { formatRfc3339, type Span } from '../domain/time.ts';
import type { Database } from './connection.ts';
import { insertReadings, micros, type IsNew, type ValveReadings } from './repository.ts';

/** Readings of one valve. */
export interface BackfilledSpan extends Pick<ValveReadings, 'tasmartId' | 'readings'> {
  /** the span that is complete with these readings; null: none */
  covered: Span | null;
}

/**
 * Loads the parts of a span that are not covered yet, per valve, oldest first. Leaves out a valve whose span is covered whole.
 *
 * @throws DatabaseError
 */
export async function loadUncovered(
  database: Database,
  tasmartIds: readonly string[],
  intervalMinutes: number,
  span: Span,
): Promise<Map<string, Span[]>> {
  const rows = await database.query<Span & { id: string }>(
    `select wanted.tasmart_id as id, ${micros('lower(gap)')} as "fromUs", ${micros('upper(gap)')} as "toUs"
     from unnest($1::text[]) as wanted (tasmart_id)
     left join tasmart_backfills as backfill on backfill.tasmart_id = wanted.tasmart_id and interval_minutes = $2
     cross join lateral unnest(
       tstzmultirange(tstzrange($3::timestamptz, $4::timestamptz)) - coalesce(backfill.covered, '{}')
     ) as gap
     order by wanted.tasmart_id, lower(gap)`,
    [tasmartIds, intervalMinutes, formatRfc3339(span.fromUs), formatRfc3339(span.toUs)],
  );
  const uncovered = new Map<string, Span[]>();
  for (const { id, ...gap } of rows) {
    uncovered.set(id, [...(uncovered.get(id) ?? []), gap]);
  }
  return uncovered;
}

/**
 * Stores readings, and the spans that they cover, in one transaction. No span passes the last boundary before now by
 * the database's clock: HyCloud's clock may be ahead.
 *
 * Usually, only polls set `synced_until`. While it is unset, the next poll continues from the newest reading. So for a valve with
 * readings of the prototype, sets it to the newest of them: otherwise the poll would continue from a backfilled reading.
 */
export async function storeBackfill(
  database: Database,
  spans: readonly BackfilledSpan[],
  intervalMinutes: number,
): Promise<IsNew> {
  return database.transaction(async () => {
    // Before the insert: afterwards, the newest reading may be a backfilled one.
    const unpolled = await loadUnpolled(database, [...new Set(spans.map(({ tasmartId }) => tasmartId))]);
    const isNew = await insertReadings(database, spans);
    if (unpolled.length > 0) await setSyncedUntil(database, unpolled);
    await database.query(
      `insert into tasmart_backfills (tasmart_id, interval_minutes, covered)
       select tasmart_id, $4, coalesce(range_agg(tstzrange(from_time, ends)) filter (where from_time < ends), '{}')
       from unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) as span (tasmart_id, from_time, to_time)
       cross join lateral (
         select least(to_time, to_timestamp(floor(extract(epoch from now()) / ($4 * 60)) * $4 * 60)) as ends
       ) as clipped
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
  /** time of the newest reading */
  newest: string;
}

/** The valves that were neither polled nor backfilled yet, but have readings: the prototype's. */
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
       and not exists (select from tasmart_backfills as backfill where backfill.tasmart_id = valve.tasmart_id)`,
    [tasmartIds],
  );
}

/**
 * Lock the valves in id order, and only after the readings are inserted, as `storeReadings` does for a poll, to avoid
 * deadlocks.
 */
async function setSyncedUntil(database: Database, unpolled: readonly Unpolled[]): Promise<void> {
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
