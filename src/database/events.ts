/** Stores and loads counter events. */
import { formatRfc3339, type Micros, type Span } from '../domain/time.ts';
import { MICRO_PER_KWH, type CounterEvent, type Regime } from '../domain/energy.ts';
import type { Database } from './connection.ts';
import { micros } from './repository.ts';

/** The new events of one counter. They replace the stored ones that end after `replacesEventsAfterUs`; null: all. */
export interface CounterEvents {
  tasmartId: string;
  regime: Regime;
  events: readonly CounterEvent[];
  replacesEventsAfterUs: Micros | null;
}

export interface StoredEvent extends Omit<CounterEvent, 'countedMicroKwh'> {
  regime: number;
  countedKwh: number;
}

/** The counter events of each of these valves that overlap a span, by id, in order of time. @throws DatabaseError */
export async function loadEvents(
  database: Database,
  tasmartIds: readonly string[],
  span: Span,
): Promise<Map<string, StoredEvent[]>> {
  const rows = await database.query<StoredEvent & { id: string }>(
    `select tasmart_id as id, regime, kind, ${micros('starts')} as "fromUs", ${micros('ends')} as "toUs",
       from_kwh as "fromKwh", to_kwh as "toKwh", stray_kwh as "strayKwh", counted_kwh::float8 as "countedKwh"
     from tasmart_counter_events
     where tasmart_id = any ($1) and ends > $2::timestamptz and starts < $3::timestamptz
     order by starts, ends, regime`,
    [tasmartIds, formatRfc3339(span.fromUs), formatRfc3339(span.toUs)],
  );
  const events = new Map<string, StoredEvent[]>(tasmartIds.map((id) => [id, []]));
  for (const { id, ...event } of rows) events.get(id)?.push(event);
  return events;
}

/** Replaces the stored events of counters. Call in the transaction that has locked their valves. */
export async function storeEvents(database: Database, counters: readonly CounterEvents[]): Promise<void> {
  await database.query(
    `delete from tasmart_counter_events as event
     using unnest($1::text[], $2::smallint[], $3::timestamptz[]) as counter (tasmart_id, regime, after)
     where event.tasmart_id = counter.tasmart_id and event.regime = counter.regime and event.ends > after`,
    [
      counters.map(({ tasmartId }) => tasmartId),
      counters.map(({ regime }) => regime),
      counters.map(({ replacesEventsAfterUs: afterUs }) => (afterUs === null ? '-infinity' : formatRfc3339(afterUs))),
    ],
  );
  const rows = counters.flatMap(({ tasmartId, regime, events }) =>
    events.map((event) => ({
      tasmart_id: tasmartId,
      regime,
      kind: event.kind,
      starts: formatRfc3339(event.fromUs),
      ends: formatRfc3339(event.toUs),
      from_kwh: event.fromKwh,
      to_kwh: event.toKwh,
      stray_kwh: event.strayKwh,
      counted_kwh: event.countedMicroKwh / MICRO_PER_KWH,
    })),
  );
  if (rows.length === 0) return;
  await database.query(
    `insert into tasmart_counter_events
     select * from json_to_recordset($1::json) as event (
       tasmart_id text, regime smallint, kind text, starts timestamptz, ends timestamptz,
       from_kwh bigint, to_kwh bigint, stray_kwh bigint, counted_kwh numeric
     )`,
    [JSON.stringify(rows)],
  );
}
