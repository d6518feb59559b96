import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { storeBackfill } from '../../src/database/backfill.ts';
import { withConnection, type Database } from '../../src/database/connection.ts';
import { linkValves } from '../../src/database/links.ts';
import { recordProjects } from '../../src/database/registry.ts';
import { insertReadings, loadSyncStates, storeReadings } from '../../src/database/repository.ts';
import { loadRegisteredValves } from '../../src/database/status.ts';
import type { Project } from '../../src/domain/valve.ts';
import { NO_MEASUREMENTS, type Reading } from '../../src/domain/reading.ts';
import { US_PER_MINUTE } from '../../src/domain/time.ts';
import { UNKNOWN_VALVE } from '../../src/polling/plan.ts';
import { planJobs } from '../../src/polling/run.ts';
import { at, valveNamed } from '../polling/builder.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';

/** More than are asked for or stored at once. */
const VALVES = Array.from({ length: 5200 }, (_, index) => valveNamed(`valve-${String(index).padStart(5, '0')}`));
const PROJECT = { id: 'p', name: 'P', valves: VALVES, unreadable: [] };
const RECORDER = { account: { name: '', server: 'https://example.com/', keyId: 'key' }, later: [] };
const WINDOW = { fromUs: at('10:00'), toUs: at('10:15') };
const LATEST_US = at('10:20');
const NOW_US = at('10:15:03');
const INTERVAL_US = 15 * US_PER_MINUTE;

/** What a poll of one project by its id finds. */
function record(db: Database, project: Project): Promise<void> {
  const meanings = new Map([[project.id, project.id]]);
  return recordProjects(db, RECORDER, { projects: [project], listings: [project], meanings });
}

let database: TestDatabase;
beforeAll(async () => {
  database = await freshDatabase();
  await session((db) => record(db, PROJECT));
});
afterAll(() => database.drop());

function session<T>(use: (db: Database) => Promise<T>): Promise<T> {
  const { host, port, user, password } = database;
  const server = {
    host,
    port,
    user,
    password,
    database: database.database,
    sslMode: 'disable',
    sslCaFile: null,
  } as const;
  return withConnection(server, { applicationName: 'test', giveUp: new AbortController().signal }, use);
}

function reading(timeUs: number, more: Partial<Reading> = {}): Reading {
  return { ...NO_MEASUREMENTS, timeUs, ...more };
}

async function untilWaiting(db: Database, sessions: number): Promise<void> {
  const isSo = async () => {
    const waiting = await db.query(
      // Not pg_stat_activity: within a transaction it shows the sessions of its first use.
      `select distinct pid from pg_locks as wanted join pg_locks as held using (pid)
       join pg_database on pg_database.oid = held.database
       where not wanted.granted and datname = current_database()`,
    );
    expect(waiting).toHaveLength(sessions);
  };
  await vi.waitFor(isSo, { timeout: 60_000 });
}

test('stores of the same valves in opposite order, and the registry, never wait for each other in a circle', async () => {
  const batch = VALVES.map(({ id }) => ({ tasmartId: id, readings: [], syncedUntilUs: at('09:00') }));
  const repeated = (work: (db: Database) => Promise<unknown>) =>
    session(async (db) => {
      for (let round = 0; round < 5; round += 1) await work(db);
    });
  await Promise.all([
    repeated((db) => storeReadings(db, batch)),
    repeated((db) => storeReadings(db, [...batch].reverse())),
    repeated((db) => record(db, { ...PROJECT, valves: [...VALVES].reverse() })),
  ]);
});

test('nor do a first poll and a first backfill of a valve of the prototype', async () => {
  const valve = valveNamed('of-the-prototype');
  await session((db) => record(db, { ...PROJECT, valves: [...VALVES, valve] }));
  const insert = (db: Database, timeUs: number) =>
    insertReadings(db, [{ tasmartId: valve.id, readings: [reading(timeUs)] }]);
  await session((db) => insert(db, at('08:00')));
  const backfilled = await session(async (db) => {
    const span = {
      tasmartId: valve.id,
      readings: [reading(at('10:00'))],
      covered: { fromUs: at('09:45'), toUs: at('10:00') },
    };
    const work = await db.transaction(async () => {
      await insert(db, at('10:00'));
      const backfilling = session((other) => storeBackfill(other, [span], 15)).then(() => 'stored');
      await untilWaiting(db, 1);
      await db.query('select from tasmart_valves where tasmart_id = $1 for no key update', [valve.id]);
      return [backfilling] as const;
    });
    return Promise.all(work);
  });
  expect(backfilled).toEqual(['stored']);
  const synced = `select synced_until from tasmart_valves where tasmart_id = $1`;
  expect(await session((db) => db.query(synced, [valve.id]))).toEqual([{ synced_until: new Date(at('08:00') / 1000) }]);
});

test('nor does a link to a register that another valve holds', async () => {
  const [holder, between, wanting] = VALVES.slice(0, 3).map(({ id }) => id) as [string, string, string];
  await session((db) => linkValves(db, [{ tasmartId: holder, register: 'register' }]));
  const batch = [holder, between, wanting].map((id) => ({ tasmartId: id, readings: [], syncedUntilUs: at('09:00') }));
  const [stored, linked] = await session(async (db) => {
    const work = await db.transaction(async () => {
      await db.query('select from tasmart_valves where tasmart_id = $1 for update', [between]);
      const storing = session((other) => storeReadings(other, batch)).then(() => 'stored');
      await untilWaiting(db, 1);
      const linking = session((other) => linkValves(other, [{ tasmartId: wanting, register: 'register' }]));
      await untilWaiting(db, 2);
      return [storing, linking] as const;
    });
    return Promise.all(work);
  });
  expect([stored, linked]).toEqual([
    'stored',
    { conflicts: [{ link: { tasmartId: wanting, register: 'register' }, holderId: holder }] },
  ]);
});

test('a registry that breaks off lets no valve seem to have left its project', async () => {
  await session(async (db) => {
    await record(db, PROJECT);
    await db.query(`update tasmart_project_valves set last_seen_at = now() - interval '2 days'`);
    await db.query(`update tasmart_projects set last_seen_at = now() - interval '2 days'`);
    const twice = { ...PROJECT, valves: [...VALVES.slice(0, 1500), ...VALVES.slice(1400)] };
    await expect(record(db, twice)).rejects.toThrow('a second time');
    const left = (await loadRegisteredValves(db)).filter(({ projects }) => !projects[0]?.isListed);
    expect(left.map(({ id }) => id)).toEqual(['of-the-prototype']); // which the list does not hold
    await record(db, PROJECT);
    const [project] = await db.query<{ age_s: number }>(
      'select extract(epoch from now() - last_seen_at)::integer as age_s from tasmart_projects',
    );
    expect(project?.age_s).toBeLessThan(60);
  });
});

test('every type of column is stored as it is, null and the ends of its range included', async () => {
  const extremes = [
    reading(at('08:00'), { measuredFlowDlh: -(2 ** 31), energyCounter1Kwh: 2 ** 53 - 1, positionBp: -32_768 }),
    reading(at('08:01'), { energyCounter1Kwh: -(2 ** 53 - 1), errorStatus: [] }),
    reading(at('08:02'), { measuredFlowDlh: 2 ** 31 - 1, errorStatus: ['a "b", {c}', '\\', 'NULL'] }),
  ];
  await session((db) => storeReadings(db, [{ tasmartId: 'extremes', readings: extremes, syncedUntilUs: null }]));
  const rows = await session((db) =>
    db.query(
      `select measured_flow, energy_counter_regime_1::text as counter, position, error_status
       from tasmart_data_table where tasmart_id = 'extremes' order by "timestamp"`,
    ),
  );
  expect(rows).toEqual([
    { measured_flow: -(2 ** 31), counter: '9007199254740991', position: -32_768, error_status: null },
    { measured_flow: null, counter: '-9007199254740991', position: null, error_status: [] },
    { measured_flow: 2 ** 31 - 1, counter: null, position: null, error_status: ['a "b", {c}', '\\', 'NULL'] },
  ]);
});

describe('the queue of a poll', () => {
  test('without a database is the list', async () => {
    const work = await planJobs(null, VALVES, NOW_US, INTERVAL_US);
    expect(work.map(({ valve }) => valve)).toEqual(VALVES);
    expect(work[5100]?.state).toEqual(UNKNOWN_VALVE);
  });

  test('begins with those never tried, then the longest ago, each with its own state', async () => {
    const [early, late, both] = [VALVES[10], VALVES[5100], VALVES[5150]];
    const fresh = valveNamed('never-polled');
    const stored = (valve = fresh, syncedUntilUs = 0, readings: Reading[] = []) =>
      session((db) => storeReadings(db, [{ tasmartId: valve.id, readings, syncedUntilUs }]));
    await session(async (db) => {
      await db.query(`update tasmart_valves set synced_until = null, last_attempt_at = '2026-01-01'`);
    });
    await stored(late, at('09:45'));
    await stored(both, at('10:00'), [reading(at('10:14:58'))]);
    await stored(early, at('09:30'), [reading(at('09:59')), reading(at('10:15'))]);
    const work = await session((db) => planJobs(db, [...VALVES, fresh], NOW_US, INTERVAL_US));
    expect(work).toHaveLength(VALVES.length + 1);
    expect(work[0]).toMatchObject({ valve: fresh, state: { syncedUntilUs: null, boundaryReadingUs: null } });
    expect(work.slice(1, 4).map(({ valve }) => valve)).toEqual(VALVES.slice(0, 3));
    expect(work.slice(-3)).toMatchObject([
      { valve: late, state: { syncedUntilUs: at('09:45'), newestReadingUs: null, boundaryReadingUs: null } },
      { valve: both, state: { syncedUntilUs: at('10:00'), newestReadingUs: at('10:14:58') } },
      { valve: early, state: { syncedUntilUs: at('09:30'), boundaryReadingUs: at('10:15') } },
    ]);
  });

  test('takes no clock for true that was ahead: what HyCloud’s own has not reached counts for nothing', async () => {
    const valve = valveNamed('ahead');
    const stateAt = async (latestUs: number) =>
      session(async (db) => {
        const states = await loadSyncStates(db, [valve.id], WINDOW, latestUs);
        return states.get(valve.id)?.syncedUntilUs;
      });
    const stored = [reading(at('09:50')), reading(at('23:40'))];
    await session((db) => record(db, { ...PROJECT, valves: [...VALVES, valve] }));
    await session((db) => storeReadings(db, [{ tasmartId: valve.id, readings: stored, syncedUntilUs: at('23:45') }]));
    expect(await stateAt(LATEST_US)).toBe(at('09:50'));
    expect(await stateAt(at('23:45'))).toBe(at('23:45'));
  });
});
