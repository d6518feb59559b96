/**
 * The corrections that operators have entered: table tasmart_corrections. No function here changes kWh: the caller marks the
 * valve as unjudged, and judges it again, in the same transaction.
 */
import { formatRfc3339, type Micros } from '../domain/time.ts';
import type { Correction } from '../domain/energy.ts';
import type { Database } from './connection.ts';
import { micros } from './repository.ts';

/** A correction, as an operator entered it. */
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
    `select ${CORRECTION_COLUMNS} from tasmart_corrections where $1::text is null or tasmart_id = $1 order by id`,
    [tasmartId],
  );
  return rows.map(correctionOf);
}

/** The corrections in force, by valve. @throws DatabaseError */
export async function loadCorrectionsInForce(
  database: Database,
  tasmartIds: readonly string[],
): Promise<Map<string, Correction[]>> {
  const rows = await database.query<CorrectionRow>(
    `select ${CORRECTION_COLUMNS} from tasmart_corrections where undone_at is null and tasmart_id = any ($1::text[]) order by id`,
    [tasmartIds],
  );
  const corrections = new Map<string, Correction[]>();
  for (const { tasmartId, correction } of rows.map(correctionOf)) {
    corrections.set(tasmartId, [...(corrections.get(tasmartId) ?? []), correction]);
  }
  return corrections;
}

/** Undone or not. Null: there is no correction with this number. @throws DatabaseError */
export async function loadCorrection(database: Database, number: number): Promise<StoredCorrection | null> {
  const [row] = await database.query<CorrectionRow>(
    `select ${CORRECTION_COLUMNS} from tasmart_corrections where id = $1`,
    [number],
  );
  return row ? correctionOf(row) : null;
}

/** Returns the number of the new correction. @throws DatabaseError */
export async function insertCorrection(
  database: Database,
  tasmartId: string,
  correction: Correction,
  { note, author }: { note: string; author: string },
): Promise<number> {
  const [startUs, endUs] =
    correction.kind === 'exclude' ? [correction.fromUs, correction.toUs] : [correction.atUs, null];
  const [row] = await database.query<{ id: number }>(
    `insert into tasmart_corrections (tasmart_id, kind, starts, ends, note, author)
     values ($1, $2, $3, $4, $5, $6) returning id`,
    [tasmartId, correction.kind, formatRfc3339(startUs), endUs === null ? null : formatRfc3339(endUs), note, author],
  );
  return row?.id ?? NaN;
}

/** Returns false if there is no such correction, or if it is undone already. @throws DatabaseError */
export async function undoCorrection(database: Database, number: number, by: string): Promise<boolean> {
  const undone = await database.query(
    `update tasmart_corrections set undone_at = now(), undone_by = $2 where id = $1 and undone_at is null returning id`,
    [number, by],
  );
  return undone.length > 0;
}

const CORRECTION_COLUMNS = `id as number, tasmart_id as "tasmartId", ${micros('starts')} as "startUs", ${micros('ends')} as "endUs",
  note, author, ${micros('created_at')} as "createdUs", ${micros('undone_at')} as "undoneUs", undone_by as "undoneBy"`;

interface CorrectionRow extends Omit<StoredCorrection, 'correction' | 'undone'> {
  startUs: Micros;
  /** null: a replaced counter */
  endUs: Micros | null;
  undoneUs: Micros | null;
  undoneBy: string | null;
}

function correctionOf({ startUs, endUs, undoneUs, undoneBy, ...row }: CorrectionRow): StoredCorrection {
  return {
    ...row,
    correction:
      endUs === null ? { kind: 'replaced', atUs: startUs } : { kind: 'exclude', fromUs: startUs, toUs: endUs },
    undone: undoneUs === null ? null : { atUs: undoneUs, by: undoneBy ?? '' },
  };
}
