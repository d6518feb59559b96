/** Counter events, and operators' corrections. */
import { formatRfc3339, type Micros, type Span } from '../domain/time.ts';
import type { Correction, CounterEvent } from '../energy/types.ts';
import type { Database } from './connection.ts';
import { micros } from './repository.ts';

/** A stored event. Counters in kWh, as PostgreSQL's own texts: exact. */
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

/** The events of a valve that touch a span, by regime and time. @throws DatabaseError */
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

/** An operator's word. */
export interface StoredCorrection {
  number: number;
  tasmartId: string;
  correction: Correction;
  note: string;
  author: string;
  createdUs: Micros;
  /** null: in force */
  undone: { atUs: Micros; by: string } | null;
}

/** Corrections, oldest first. @param tasmartId null: of all valves. @throws DatabaseError */
export async function loadCorrections(database: Database, tasmartId: string | null): Promise<StoredCorrection[]> {
  const rows = await database.query<CorrectionRow>(
    `select ${CORRECTION} from tasmart_corrections where $1::text is null or tasmart_id = $1 order by id`,
    [tasmartId],
  );
  return rows.map(correctionOf);
}

/** Null: there is none of this number. @throws DatabaseError */
export async function loadCorrection(database: Database, number: number): Promise<StoredCorrection | null> {
  const [row] = await database.query<CorrectionRow>(`select ${CORRECTION} from tasmart_corrections where id = $1`, [
    number,
  ]);
  return row ? correctionOf(row) : null;
}

/** Returns its number. @throws DatabaseError */
export async function insertCorrection(
  database: Database,
  tasmartId: string,
  correction: Correction,
  { note, author }: { note: string; author: string },
): Promise<number> {
  const [startUs, endUs] =
    correction.kind === 'exclude' ? [correction.fromUs, correction.toUs] : [correction.atUs, null];
  const [row] = await database.query<{ id: string }>(
    `insert into tasmart_corrections (tasmart_id, kind, starts, ends, note, author)
     values ($1, $2, $3, $4, $5, $6) returning id`,
    [tasmartId, correction.kind, formatRfc3339(startUs), endUs === null ? null : formatRfc3339(endUs), note, author],
  );
  return Number(row?.id);
}

/** False: the correction is undone already. @throws DatabaseError */
export async function undoCorrection(database: Database, number: number, by: string): Promise<boolean> {
  const undone = await database.query(
    `update tasmart_corrections set undone_at = now(), undone_by = $2 where id = $1 and undone_at is null returning id`,
    [number, by],
  );
  return undone.length > 0;
}

/** Whether the valve has a reading in [fromUs, toUs). @throws DatabaseError */
export async function hasReading(database: Database, tasmartId: string, { fromUs, toUs }: Span): Promise<boolean> {
  const rows = await database.query(
    `select from tasmart_data_table where tasmart_id = $1 and "time" >= $2::timestamptz and "time" < $3::timestamptz
       and "timestamp" between floor(extract(epoch from $2::timestamptz))::bigint
         and ceil(extract(epoch from $3::timestamptz))::bigint
     limit 1`,
    [tasmartId, formatRfc3339(fromUs), formatRfc3339(toUs)],
  );
  return rows.length > 0;
}

const CORRECTION = `id, tasmart_id, kind, ${micros('starts')} as start_us, ${micros('ends')} as end_us, note, author,
  ${micros('created_at')} as created_us, ${micros('undone_at')} as undone_us, undone_by`;

interface CorrectionRow {
  id: string;
  tasmart_id: string;
  kind: Correction['kind'];
  start_us: string;
  end_us: string | null;
  note: string;
  author: string;
  created_us: string;
  undone_us: string | null;
  undone_by: string | null;
}

function correctionOf(row: CorrectionRow): StoredCorrection {
  const startUs = Number(row.start_us);
  return {
    number: Number(row.id),
    tasmartId: row.tasmart_id,
    correction:
      row.kind === 'replaced'
        ? { kind: 'replaced', atUs: startUs }
        : { kind: 'exclude', fromUs: startUs, toUs: Number(row.end_us) },
    note: row.note,
    author: row.author,
    createdUs: Number(row.created_us),
    undone: row.undone_us === null ? null : { atUs: Number(row.undone_us), by: row.undone_by ?? '' },
  };
}
