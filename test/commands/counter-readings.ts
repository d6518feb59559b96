/** Readings of a valve for tests of the commands that print kWh. */
import type { TestDatabase } from '../support/database.ts';

/** The night summer time ends in Rome, 2025: the day has 25 hours. */
const MIDNIGHT_MS = Date.UTC(2025, 9, 25, 22);
const QUARTER_HOUR_MS = 15 * 60_000;

/** The time of a slot, a quarter of an hour counted from that midnight, as `2025-10-25T22:00:00.000Z`. */
export function timeOf(slot: number): string {
  return new Date(MIDNIGHT_MS + slot * QUARTER_HOUR_MS).toISOString();
}

/** Inserts a reading per slot, from slot 0 to slot `slots`. Null: no reading. */
export async function insertReadings(
  database: TestDatabase,
  valve: string,
  slots: number,
  readingAt: (slot: number) => [kwh: number | null, powerDw: number, kwh2?: number] | null,
): Promise<void> {
  const rows = Array.from({ length: slots + 1 }, (_, slot) => slot).flatMap((slot) => {
    const reading = readingAt(slot);
    return reading === null ? [] : [{ time: timeOf(slot), reading }];
  });
  await (
    await database.client()
  ).query(
    `insert into tasmart_data_table
       (tasmart_id, "timestamp", "time", energy_counter_regime_1, measured_power, energy_counter_regime_2)
     select $1, extract(epoch from time), time, kwh, dw, kwh_2
     from unnest($2::timestamptz[], $3::bigint[], $4::integer[], $5::bigint[]) as reading (time, kwh, dw, kwh_2)`,
    [
      valve,
      rows.map(({ time }) => time),
      rows.map(({ reading: [kwh] }) => kwh),
      rows.map(({ reading: [, powerDw] }) => powerDw),
      rows.map(({ reading: [, , kwh2] }) => kwh2 ?? null),
    ],
  );
}

/** 4 kW: one kWh per quarter of an hour. */
export const STEADY = (slot: number): [kwh: number, powerDw: number] => [1000 + slot, 40_000];
