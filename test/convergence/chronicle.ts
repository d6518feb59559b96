/** Checks the database after each step of a history. */
import { deepStrictEqual } from 'node:assert/strict';
import type pg from 'pg';
import type { Valve } from '../../scripts/simulator/fleet.ts';
import { micros } from '../../src/database/repository.ts';
import { PROPERTIES, PROPERTY_NAMES, type Reading } from '../../src/domain/reading.ts';
import { formatRfc3339, US_PER_HOUR, US_PER_MINUTE, US_PER_SECOND, type Micros } from '../../src/domain/time.ts';
import type { Run, StepFault } from './history.ts';
import { clockErrorUs, type World } from './world.ts';

/** The database is in a state that must never occur. */
export class Broken extends Error {
  override readonly name = 'Broken';
}

/** A row of tasmart_data_table; int64 as text. */
interface Row {
  id: string;
  tasmart_id: string;
  timestamp: string;
  time_us: string;
  measured: (string | null)[];
}

/** How far a valve was synced after the last step. */
interface Progress {
  syncedUs: Micros;
  /** boundaries up to here need no row: before the first sync, or given up after catch_up_days */
  excusedUntilUs: Micros;
}

/** Compares the database with the points of HyCloud after each run. */
export interface Chronicle {
  /** @throws Broken */
  afterStep: (run: Run, beganUs: Micros, faults: readonly StepFault[]) => Promise<void>;
  /** After a run without faults. @throws Broken if a point is missing, or a row has changed since it was stored */
  atTheEnd: (beganUs: Micros) => Promise<void>;
  rows: () => number;
}

const ROWS = `
  select id, tasmart_id, "timestamp", ${micros('"time"')} as time_us,
         array[${PROPERTY_NAMES.map((name) => (name === 'error_status' ? 'to_json(error_status)::text' : `${name}::text`)).join(', ')}] as measured
  from tasmart_data_table`;

export function createChronicle(world: World, admin: pg.Client): Chronicle {
  const { hycloud, intervalUs, floor } = world;
  const rows = new Map<string, Row>();
  const newestRowUs = new Map<string, Micros>();
  /** by row that a run without faults has stored: when that run began */
  const healthySinceUs = new Map<string, Micros>();
  const progress = new Map<string, Progress>();
  let lastId = '0';

  async function readNewRows(): Promise<Row[]> {
    const { rows: added } = await admin.query<Row>(`${ROWS} where id > $1 order by id`, [lastId]);
    for (const row of added) {
      const key = keyOf(row.tasmart_id, Number(row.time_us));
      if (rows.has(key)) throw new Broken(`stored twice: ${describe(row)}`);
      rows.set(key, row);
      lastId = row.id;
    }
    return added;
  }

  function checkIsReal(row: Row): void {
    const timeUs = Number(row.time_us);
    const valve = world.valves.find(({ id }) => id === row.tasmart_id);
    const points = valve ? world.pointsAt(valve, timeUs) : [];
    if (Number(row.timestamp) !== secondOf(timeUs)) throw new Broken(`not its second: ${describe(row)}`);
    // HyCloud's Date has whole seconds: a point of that second may lie after it.
    if (timeUs > hycloud.clock.now() + US_PER_SECOND)
      throw new Broken(`stored before it was measured: ${describe(row)}`);
    const expected = points.map((point) => measuredOf(world, point));
    if (!expected.some((measured) => JSON.stringify(measured) === JSON.stringify(row.measured))) {
      throw new Broken(`not a point of HyCloud: ${describe(row)}, but ${JSON.stringify(expected)}`);
    }
  }

  /**
   * Whether a point has its row, or need not have one. The table's key is (tasmart_id, "timestamp"), so another point of the
   * same second may have taken the row: the last of another window, an earlier one, or one that a run with faults stored.
   */
  function isStored(valve: Valve, timeUs: Micros): boolean {
    const key = keyOf(valve.id, timeUs);
    const row = rows.get(key);
    if (!row) return false;
    const rowUs = Number(row.time_us);
    const isOfWindow = floor(rowUs - 1) === floor(timeUs - 1);
    return rowUs === timeUs || !isOfWindow || (healthySinceUs.get(key) ?? -Infinity) < timeUs;
  }

  function checkIsStored(valve: Valve, boundaryUs: Micros, why: string): void {
    const lastUs = world.lastPointOf(valve, boundaryUs);
    if (lastUs === null || isStored(valve, lastUs)) return;
    const boundary = formatRfc3339(boundaryUs);
    throw new Broken(`valve ${valve.id}, boundary ${boundary}: ${formatRfc3339(lastUs)} is not stored, but ${why}`);
  }

  function checkBoundaries(valve: Valve, fromUs: Micros, toUs: Micros, why: string): void {
    for (let boundaryUs = floor(fromUs) + intervalUs; boundaryUs <= toUs; boundaryUs += intervalUs) {
      checkIsStored(valve, boundaryUs, why);
    }
  }

  /** For a valve that was synced for the first time: the time up to which no rows are needed. */
  function originOf(run: Run, syncedUs: Micros, rowBeforeUs: Micros | undefined, nowUs: Micros): Micros {
    // If two runs were first, chance decides what each has found of the other.
    if (run.kind !== 'poll') return syncedUs;
    if (rowBeforeUs !== undefined) return Math.max(rowBeforeUs, floor(nowUs - world.catchUpUs));
    const { initialHistoryHours } = world.history;
    return initialHistoryHours > 0 ? floor(nowUs - initialHistoryHours * US_PER_HOUR) : syncedUs;
  }

  async function checkSynced(run: Run, errorUs: Micros): Promise<void> {
    const nowUs = hycloud.clock.now();
    const { rows: states } = await admin.query<{ tasmart_id: string; synced: string | null }>(
      `select tasmart_id, ${micros('synced_until')} as synced from tasmart_valves`,
    );
    for (const { tasmart_id: id, synced } of states) {
      const valve = world.valves.find((candidate) => candidate.id === id);
      const before = progress.get(id);
      if (!valve) throw new Broken(`a valve that HyCloud does not know: ${id}`);
      if (synced === null && before) throw new Broken(`synced_until of ${id} is gone`);
      if (synced === null) continue;
      const syncedUs = Number(synced);
      const when = formatRfc3339(syncedUs);
      if (before && syncedUs < before.syncedUs) throw new Broken(`synced_until of ${id} went back to ${when}`);
      if (syncedUs > nowUs) throw new Broken(`synced_until of ${id} is ${when}, ahead of HyCloud's clock`);
      const fromUs = before?.syncedUs ?? originOf(run, syncedUs, newestRowUs.get(id), nowUs + errorUs);
      const givenUpUs = floor(nowUs + errorUs - world.catchUpUs);
      const excusedUntilUs = syncedUs > fromUs ? Math.max(fromUs, givenUpUs) : fromUs;
      checkBoundaries(valve, excusedUntilUs, syncedUs, `synced_until is ${when}`);
      progress.set(id, { syncedUs, excusedUntilUs });
    }
  }

  async function checkBackfills(): Promise<void> {
    const { rows: spans } = await admin.query<{ tasmart_id: string; from_us: string; to_us: string }>(
      `select tasmart_id, ${micros('lower(span)')} as from_us, ${micros('upper(span)')} as to_us
       from tasmart_backfills cross join lateral unnest(covered) as span`,
    );
    for (const { tasmart_id: id, from_us: fromUs, to_us: toUs } of spans) {
      const valve = world.valves.find((candidate) => candidate.id === id);
      if (Number(toUs) > hycloud.clock.now()) throw new Broken(`a backfill of ${id} is ahead of HyCloud's clock`);
      if (valve) checkBoundaries(valve, Number(fromUs), Number(toUs), 'a backfill covered it');
    }
  }

  /** The first run of a valve stores its newest point only. */
  function checkFirstRun(run: Run, beganUs: Micros, isHealthy: boolean, added: readonly Row[]): void {
    if (run.kind !== 'poll' || world.history.initialHistoryHours > 0) return;
    for (const valve of world.targeted()) {
      if (newestRowUs.has(valve.id) || progress.has(valve.id)) continue;
      const own = added.filter(({ tasmart_id: id }) => id === valve.id);
      if (own.length > 1) throw new Broken(`the first run of ${valve.id} stored ${own.length} readings`);
      const newestUs = world.newestPointOf(valve, beganUs - world.catchUpUs, beganUs);
      if (!isHealthy || newestUs === null || run.valve !== null) continue;
      const storedUs = Number(own[0]?.time_us ?? -Infinity);
      if (storedUs < newestUs) throw new Broken(`the first run of ${valve.id} missed ${formatRfc3339(newestUs)}`);
    }
  }

  return {
    async afterStep(run, beganUs, faults) {
      const added = await readNewRows();
      added.forEach(checkIsReal);
      if (faults.length === 0) {
        for (const { tasmart_id: id, time_us: timeUs } of added) healthySinceUs.set(keyOf(id, Number(timeUs)), beganUs);
      }
      checkFirstRun(run, beganUs, faults.length === 0, added);
      await checkSynced(run, clockErrorUs(faults));
      await checkBackfills();
      for (const { tasmart_id: id, time_us: timeUs } of added) {
        newestRowUs.set(id, Math.max(newestRowUs.get(id) ?? 0, Number(timeUs)));
      }
    },
    async atTheEnd(beganUs) {
      for (const valve of world.targeted()) {
        const syncedUs = progress.get(valve.id)?.syncedUs ?? -Infinity;
        if (syncedUs < floor(beganUs)) throw new Broken(`the healthy run left ${valve.id} behind`);
        const newestUs = world.newestPointOf(valve, syncedUs, beganUs);
        const boundaryUs = world.lastPointOf(valve, syncedUs);
        const hasBoundary = boundaryUs !== null && rows.has(keyOf(valve.id, boundaryUs));
        if (newestUs === null || newestUs <= (newestRowUs.get(valve.id) ?? 0) || isStored(valve, newestUs)) continue;
        if (hasBoundary && newestUs - boundaryUs < US_PER_MINUTE) continue;
        throw new Broken(`the newest point of ${valve.id}, ${formatRfc3339(newestUs)}, is not stored`);
      }
      const { rows: stored } = await admin.query<Row>(`${ROWS} order by id`);
      deepStrictEqual(stored, [...rows.values()]);
      const { rows: open } = await admin.query(`select from tasmart_runs where outcome is null and mode = 'poll'`);
      if (open.length > 0) throw new Broken('a run in tasmart_runs is still open');
    },
    rows: () => rows.size,
  };
}

function keyOf(tasmartId: string, timeUs: Micros): string {
  return `${tasmartId} ${secondOf(timeUs)}`;
}

function secondOf(timeUs: Micros): number {
  return Math.floor(timeUs / US_PER_SECOND);
}

function measuredOf({ properties }: World, reading: Reading): (string | null)[] {
  return PROPERTY_NAMES.map((name) => {
    const value = reading[PROPERTIES[name].field];
    if (!properties.includes(name) || value === null) return null;
    return typeof value === 'object' ? JSON.stringify(value) : String(value);
  });
}

function describe({ tasmart_id: id, time_us: timeUs, measured }: Row): string {
  return `${id} at ${formatRfc3339(Number(timeUs))} ${JSON.stringify(measured)}`;
}
