/** The stored readings, and those that should be stored, as rows that can be compared. */
import type pg from 'pg';
import type { Simulator } from '../../../scripts/simulator/simulator.ts';
import { US_PER_MINUTE, type Micros } from '../../../src/domain/time.ts';

export const INTERVAL_US = 15 * US_PER_MINUTE;

export interface Row {
  /** of the valve */
  id: string;
  /** microseconds */
  us: Micros;
  /** flow, power and both counters, as PostgreSQL writes them */
  measured: readonly (string | null)[];
}

/** The last boundary of the 15-minute grid up to an instant. */
export function lastBoundary(timeUs: Micros): Micros {
  return Math.floor(timeUs / INTERVAL_US) * INTERVAL_US;
}

/** All rows of tasmart_data_table, by valve and time. */
export async function storedRows(client: pg.Client): Promise<Row[]> {
  const { rows } = await client.query<{ id: string; us: string; measured: (string | null)[] }>(
    `select tasmart_id as id, (extract(epoch from "time") * 1000000)::bigint::text as us,
       array[measured_flow, measured_power, energy_counter_regime_1, energy_counter_regime_2]::text[] as measured
     from tasmart_data_table order by tasmart_id, "time"`,
  );
  return rows.map((row) => ({ ...row, us: Number(row.us) }));
}

/** The last point of each window (boundary − interval, boundary] after `fromUs` up to `toUs`. The last window may be open. */
export function boundaryPoints(simulator: Simulator, valveId: string, fromUs: Micros, toUs: Micros): Row[] {
  const lastOfWindow = new Map<number, Row>();
  for (const point of simulator.truth.points(valveId, fromUs, toUs)) {
    const { timeUs, measuredFlowDlh, measuredPowerDw, energyCounter1Kwh, energyCounter2Kwh } = point;
    const measured = [measuredFlowDlh, measuredPowerDw, energyCounter1Kwh, energyCounter2Kwh];
    lastOfWindow.set(Math.ceil(timeUs / INTERVAL_US), {
      id: valveId,
      us: timeUs,
      measured: measured.map((value) => value?.toString() ?? null),
    });
  }
  return [...lastOfWindow.values()];
}
