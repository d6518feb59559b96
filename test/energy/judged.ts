/** A database for tests of stored kWh, and readings that are stored in it as the program or another program does. */
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { withConnection, type Database } from '../../src/database/connection.ts';
import { insertReadings } from '../../src/database/repository.ts';
import { NO_MEASUREMENTS } from '../../src/domain/reading.ts';
import { judgeInStep } from '../../src/energy/bookkeeping.ts';
import type { CounterReading } from '../../src/domain/energy.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';
import { LIMITS } from './support.ts';

/** Readings of one valve. Both regimes have the counter of the reading, but regime 2 only if `hasRegime2`. */
export interface Batch {
  valve: string;
  readings: readonly CounterReading[];
}

/** An arbitrary third of the readings has no counter of regime 2, so that the regimes differ. */
export function hasRegime2({ counterKwh }: CounterReading): boolean {
  return counterKwh % 3 !== 0;
}

/** Makes a database for the tests of a file, empty before each test. Returns a function that opens a session for `use`. */
export function useDatabase(): <T>(use: (db: Database) => Promise<T>) => Promise<T> {
  let database: TestDatabase;
  const session = <T>(use: (db: Database) => Promise<T>): Promise<T> => {
    const server = { ...database, sslMode: 'disable', sslCaFile: null } as const;
    return withConnection(server, { applicationName: 'test', giveUp: new AbortController().signal }, use);
  };
  beforeAll(async () => {
    database = await freshDatabase();
  });
  afterAll(() => database.drop());
  beforeEach(() =>
    session(async (db) => {
      await db.query(`truncate tasmart_data_table, tasmart_energy, tasmart_counter_events, tasmart_judgements,
        tasmart_checkpoints, tasmart_unjudged, tasmart_corrections, tasmart_settings`);
    }),
  );
  return session;
}

/** Inserts readings as another program does: without judging them. */
export async function insert(db: Database, { valve, readings }: Batch): Promise<void> {
  const rows = readings.map((reading) => ({
    ...NO_MEASUREMENTS,
    timeUs: reading.timeUs,
    energyCounter1Kwh: reading.counterKwh,
    energyCounter2Kwh: hasRegime2(reading) ? reading.counterKwh : null,
    measuredPowerDw: reading.powerKw === null ? null : reading.powerKw * 10_000,
  }));
  await insertReadings(db, [{ tasmartId: valve, readings: rows }]);
}

/** Stores and judges readings as a run does. */
export async function store(db: Database, batch: Batch): Promise<void> {
  const oldestUs = Math.min(...batch.readings.map(({ timeUs }) => timeUs));
  await db.transaction(async () => {
    await insert(db, batch);
    await judgeInStep(db, new Map([[batch.valve, oldestUs]]), LIMITS);
  });
}

/** The valves that are marked as unjudged. */
export async function unjudged(db: Database): Promise<string[]> {
  const rows = await db.query<{ id: string }>('select distinct tasmart_id as id from tasmart_unjudged order by 1');
  return rows.map(({ id }) => id);
}
