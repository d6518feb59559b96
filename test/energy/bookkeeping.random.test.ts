/** Readings that arrive in any order, through the program or another, give the kWh that judging from scratch gives. */
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { withConnection, type Database } from '../../src/database/connection.ts';
import { forgetJudgements } from '../../src/database/judgements.ts';
import { insertReadings } from '../../src/database/repository.ts';
import { NO_MEASUREMENTS } from '../../src/domain/reading.ts';
import { US_PER_MINUTE } from '../../src/domain/time.ts';
import { judgeInStep, judgePending } from '../../src/energy/bookkeeping.ts';
import type { CounterReading } from '../../src/energy/types.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';
import { cases } from '../support/random.ts';
import { kwhFromScratch, storedKwh } from './stored.ts';
import { anyReadings, LIMITS, soundCounter } from './support.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
});
afterAll(() => database.drop());
beforeEach(() =>
  session(async (db) => {
    await db.query(`truncate tasmart_data_table, tasmart_energy, tasmart_counter_events, tasmart_judgements,
      tasmart_checkpoints, tasmart_unjudged, tasmart_corrections`);
  }),
);

function session<T>(use: (db: Database) => Promise<T>): Promise<T> {
  const server = { ...database, sslMode: 'disable', sslCaFile: null } as const;
  return withConnection(server, { applicationName: 'test', giveUp: new AbortController().signal }, use);
}

/** One valve's readings; regime 2 shows the counter of regime 1, or nothing. */
interface Batch {
  valve: string;
  readings: readonly CounterReading[];
}

async function insert(db: Database, { valve, readings }: Batch): Promise<void> {
  const rows = readings.map(({ timeUs, counterKwh, powerKw }) => ({
    ...NO_MEASUREMENTS,
    timeUs,
    energyCounter1Kwh: counterKwh,
    measuredPowerDw: powerKw === null ? null : powerKw * 10_000,
  }));
  await insertReadings(db, [{ tasmartId: valve, readings: rows }]);
}

/** As a run does it. */
async function store(db: Database, batch: Batch): Promise<void> {
  const oldestUs = Math.min(...batch.readings.map(({ timeUs }) => timeUs));
  const failures = await db.transaction(async () => {
    await insert(db, batch);
    return judgeInStep(db, new Map([[batch.valve, oldestUs]]), LIMITS);
  });
  expect(failures).toEqual([]);
}

test('readings in any parts and order, some of them inserted by another program, are judged as from scratch', async () => {
  await session((db) =>
    fc.assert(
      fc.asyncProperty(
        anyReadings,
        fc.array(
          fc.record({ size: fc.integer({ min: 1, max: 60 }), late: fc.boolean(), by: fc.constantFrom('run', 'psql') }),
          {
            minLength: 1,
            maxLength: 8,
          },
        ),
        fc.uuid(),
        fc.integer({ min: 0, max: 1439 }),
        async (history, parts, valve, minute) => {
          const readings = history.map((reading) => ({ ...reading, timeUs: reading.timeUs + minute * US_PER_MINUTE }));
          const batches = [];
          for (let i = 0, k = 0; i < readings.length; k++) {
            const part = parts[k % parts.length] ?? { size: 60, late: false, by: 'run' };
            batches.push({ ...part, readings: readings.slice(i, i + part.size) });
            i += part.size;
          }
          for (const { by, readings } of [
            ...batches.filter(({ late }) => !late),
            ...batches.filter(({ late }) => late),
          ]) {
            if (by === 'run') await store(db, { valve, readings });
            else await insert(db, { valve, readings });
          }
          expect(await judgePending(db, LIMITS)).toEqual([]);
          expect(await storedKwh(db, valve, 1)).toEqual(kwhFromScratch(readings));
          expect(await db.query('select from tasmart_unjudged')).toEqual([]);
        },
      ),
      { numRuns: cases(100) },
    ),
  );
});

test('a late reading is judged from the last month that it cannot change', async () => {
  const readings = soundCounter('on and off', 'right', 150, [[2000, 30]]);
  const late = readings[readings.length - 960];
  if (!late) throw new Error('too few readings');
  await session(async (db) => {
    await store(db, { valve: 'v', readings: readings.filter((reading) => reading !== late) });
    expect(await db.query('select month::text from tasmart_checkpoints order by month')).toEqual([]);
    await db.query('delete from tasmart_judgements; delete from tasmart_energy');
    await db.query(`insert into tasmart_unjudged select tasmart_id, min("time") from tasmart_data_table group by 1`);
    await judgePending(db, LIMITS);
    const months = await db.query<{ month: string }>('select month::text from tasmart_checkpoints order by month');
    expect(months.map(({ month }) => month)).toEqual(['2025-03-01', '2025-04-01', '2025-05-01', '2025-06-01']);

    await store(db, { valve: 'v', readings: [late] });
    await judgePending(db, LIMITS);
    expect(await storedKwh(db, 'v', 1)).toEqual(kwhFromScratch(readings));
    const again = await db.query<{ month: string }>('select month::text from tasmart_checkpoints order by month');
    expect(again.map(({ month }) => month)).toEqual(['2025-03-01', '2025-04-01', '2025-05-01', '2025-06-01']);
  });
});

test('kWh whose readings are gone are not judged again', async () => {
  await session(async (db) => {
    await store(db, { valve: 'v', readings: soundCounter('steady', 'right', 40, []) });
    await db.query(`delete from tasmart_data_table where "time" < '2025-04-01T00:00Z'`);
    await expect(db.transaction(() => forgetJudgements(db, 'v'))).rejects.toThrow(
      '1 valves have kWh since 2025-03-01 whose readings are gone',
    );
    expect(await db.query('select from tasmart_unjudged')).toEqual([]);
  });
});
