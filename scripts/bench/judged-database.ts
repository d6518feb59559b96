/** A database of a fleet whose readings are judged, for the bench's rows about kWh. */
import { withConnection, type Database } from '../../src/database/connection.ts';
import { US_PER_MINUTE } from '../../src/domain/time.ts';
import { judgePending } from '../../src/energy/bookkeeping.ts';
import type { Bench } from './bench.ts';
import type { BenchDatabase } from './database.ts';

export const INTERVAL_S = 900;
export const DAY_S = 86_400;
/** The last reading is at this instant. */
export const END_S = Date.UTC(2026, 0, 1) / 1000;
export const LIMITS = { intervalUs: 15 * US_PER_MINUTE, maxPowerKw: 1500 };

/** Valves with the same readings, named `<name> 1`, `<name> 2` and so on. */
export interface ValveKind {
  name: string;
  valves: number;
  /** how many days of readings, up to END_S */
  days: number;
  /** the counter after n intervals */
  counterSql: string;
}

/** The tables that hold a valve's readings and what was judged of them. Without tasmart_id. */
const COLUMNS_BY_TABLE = {
  tasmart_data_table: `"timestamp", "time", measured_flow, measured_power, energy_counter_regime_1, energy_counter_regime_2`,
  tasmart_energy: 'day, regime, micro_kwh, covered_seconds, quality, flaws_before',
  tasmart_judgements: 'judged_until, state',
  tasmart_checkpoints: 'month, state',
} as const;

/** Judges one valve of each kind, and copies it with its kWh for the others. */
export async function createJudgedDatabase({ stage, say }: Bench, kinds: readonly ValveKind[]): Promise<BenchDatabase> {
  say('a fleet with judged readings');
  const database = await stage.freshDatabase();
  for (const { name, days, counterSql } of kinds) {
    const fromS = END_S - days * DAY_S;
    await database.query(
      `insert into tasmart_data_table (tasmart_id, "timestamp", "time", measured_flow, measured_power,
         energy_counter_regime_1, energy_counter_regime_2)
       select '${name} 1', seconds, to_timestamp(seconds), 1000, 50000 + n % 7 * 1000, ${counterSql}, 0
       from generate_series(0, ${(days * DAY_S) / INTERVAL_S}) as n,
         lateral (select ${fromS} + n * ${INTERVAL_S} as seconds) as instant`,
    );
  }
  await withSession(database, (session) => judgePending(session, LIMITS));
  for (const { name, valves } of kinds) {
    for (const [table, columns] of Object.entries(COLUMNS_BY_TABLE)) {
      const [timeColumn = ''] = columns.split(',');
      // In the order of time, as a fleet's rows are inserted.
      await database.query(
        `insert into ${table} (tasmart_id, ${columns}) select '${name} ' || valve, ${columns}
         from ${table} cross join generate_series(2, ${valves}) as valve
         where tasmart_id = '${name} 1' order by ${timeColumn}, valve`,
      );
    }
  }
  // The copied readings were marked as unjudged, but their kWh were copied too.
  await database.query('delete from tasmart_unjudged');
  await database.query('vacuum analyze');
  return database;
}

/** A session as the program opens it. */
export async function withSession<T>({ server }: BenchDatabase, use: (session: Database) => Promise<T>): Promise<T> {
  return withConnection(server, { applicationName: 'tasmart bench', giveUp: new AbortController().signal }, use);
}
