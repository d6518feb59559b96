/** Reads the stored counter events. */
import { formatRfc3339, type Micros, type Span } from '../domain/time.ts';
import type { CounterEvent } from '../energy/types.ts';
import type { Database } from './connection.ts';
import { micros } from './repository.ts';

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
