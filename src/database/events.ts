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

/** A stored event; see CounterEvent. The kWh are PostgreSQL's exact texts. */
export interface StoredEvent {
  regime: number;
  kind: CounterEvent['kind'];
  startUs: Micros;
  endUs: Micros;
  fromKwh: string | null;
  toKwh: string | null;
  strayKwh: string | null;
  countedKwh: string | null;
}

/** The events of a valve that overlap a span, ordered by regime and time. @throws DatabaseError */
export async function loadEvents(database: Database, tasmartId: string, span: Span): Promise<StoredEvent[]> {
  const rows = await database.query<{
    regime: number;
    kind: StoredEvent['kind'];
    start_us: string;
    end_us: string;
    from_kwh: string | null;
    to_kwh: string | null;
    stray_kwh: string | null;
    counted_kwh: string | null;
  }>(
    `select regime, kind, ${micros('starts')} as start_us, ${micros('ends')} as end_us,
       from_kwh, to_kwh, stray_kwh, trim_scale(counted_kwh) as counted_kwh
     from tasmart_counter_events
     where tasmart_id = $1 and ends > $2::timestamptz and starts < $3::timestamptz
     order by regime, starts, ends`,
    [tasmartId, formatRfc3339(span.fromUs), formatRfc3339(span.toUs)],
  );
  return rows.map((row) => ({
    regime: row.regime,
    kind: row.kind,
    startUs: Number(row.start_us),
    endUs: Number(row.end_us),
    fromKwh: row.from_kwh,
    toKwh: row.to_kwh,
    strayKwh: row.stray_kwh,
    countedKwh: row.counted_kwh,
  }));
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
