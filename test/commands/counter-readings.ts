/** Readings of a valve, for tests of the commands that print kWh. */
import type { TestDatabase } from '../support/database.ts';

/** In Rome, the midnight at which 2025-10-26 begins: summer time ends that night, so the day has 25 hours. */
const MIDNIGHT_MS = Date.UTC(2025, 9, 25, 22);
const QUARTER_HOUR_MS = 15 * 60_000;

/** The start of the n-th 15 minutes after that midnight, as `2025-10-25T22:00:00.000Z`. */
export function timeOf(slot: number): string {
  return new Date(MIDNIGHT_MS + slot * QUARTER_HOUR_MS).toISOString();
}

/** One reading per quarter of an hour from that midnight on, both ends included. `readingAt` returns null for no reading. */
export async function insertReadings(
  database: TestDatabase,
  valve: string,
  slots: number,
  readingAt: (slot: number) => [kwh: number | null, dW: number, kwh2?: number] | null,
): Promise<void> {
  const rows: { time: string; kwh: number | null; dW: number; kwh2: number | null }[] = [];
  for (let slot = 0; slot <= slots; slot++) {
    const reading = readingAt(slot);
    if (reading === null) continue;
    const [kwh, dW, kwh2 = null] = reading;
    rows.push({ time: timeOf(slot), kwh, dW, kwh2 });
  }
  const client = await database.client();
  await client.query(
    `insert into tasmart_data_table
       (tasmart_id, "timestamp", "time", energy_counter_regime_1, measured_power, energy_counter_regime_2)
     select $1, extract(epoch from time), time, kwh, "dW", kwh2
     from json_to_recordset($2) as row (time timestamptz, kwh bigint, "dW" integer, kwh2 bigint)`,
    [valve, JSON.stringify(rows)],
  );
}

/** 4 kW: one kWh per quarter of an hour. */
export const STEADY = (slot: number): [kwh: number, dW: number] => [1000 + slot, 40_000];
