/** Follows the database from run to run, and compares it with what HyCloud has. */
import { deepStrictEqual } from 'node:assert/strict';
import type pg from 'pg';
import type { Valve } from '../../scripts/simulator/fleet.ts';
import { micros } from '../../src/database/repository.ts';
import { PROPERTIES, PROPERTY_NAMES, type Reading } from '../../src/domain/reading.ts';
import { formatRfc3339, US_PER_HOUR, US_PER_MINUTE, US_PER_SECOND, type Micros } from '../../src/domain/time.ts';
import type { Run, StepFault } from './history.ts';
import { clockAheadUs, type World } from './world.ts';

/** The program broke a promise, so the test fails. */
export class Broken extends Error {
  override readonly name = 'Broken';
}

/** A row of tasmart_data_table. int64 is text. */
interface Row {
  id: string;
  tasmart_id: string;
  timestamp: string;
  time_us: string;
  measured: (string | null)[];
}

export interface Chronicle {
  /** @throws Broken if a row is wrong, or missing although the database says that it is stored */
  afterStep: (run: Run, beganUs: Micros, faults: readonly StepFault[]) => Promise<void>;
  /** @throws Broken unless everything that HyCloud has is stored, and no row was ever changed */
  atTheEnd: (beganUs: Micros) => Promise<void>;
  rows: () => number;
}

const ROWS = `
  select id, tasmart_id, "timestamp", ${micros('"time"')} as time_us,
         array[${PROPERTY_NAMES.map((name) => (name === 'error_status' ? 'to_json(error_status)::text' : `${name}::text`)).join(', ')}] as measured
  from tasmart_data_table`;

export function createChronicle(world: World, admin: pg.Client): Chronicle {
  const { hycloud, intervalUs, floor } = world;
  /** by rowKey */
  const rows = new Map<string, Row>();
  /** By rowKey, for rows that a run without faults stored: when that run began. */
  const healthyRunBeganUs = new Map<string, Micros>();
  /** by valve id */
  const newestRowUs = new Map<string, Micros>();
  /** `synced_until` by valve id, as of the last step */
  const lastSyncedUs = new Map<string, Micros>();
  let lastId = '0';

  async function readNewRows(): Promise<Row[]> {
    const { rows: added } = await admin.query<Row>(`${ROWS} where id > $1 order by id`, [lastId]);
    for (const row of added) {
      const key = rowKey(row.tasmart_id, Number(row.time_us));
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
    // HyCloud's Date has whole seconds, so a run may store a point that comes later in the same second.
    if (timeUs > hycloud.clock.now() + US_PER_SECOND)
      throw new Broken(`stored before it was measured: ${describe(row)}`);
    const expected = points.map((point) => measuredOf(world, point));
    if (!expected.some((measured) => JSON.stringify(measured) === JSON.stringify(row.measured))) {
      throw new Broken(`not a point of HyCloud: ${describe(row)}, but ${JSON.stringify(expected)}`);
    }
  }

  /**
   * Whether a point is stored, or another point of the same second rightly has its row: the table's key is (tasmart_id,
   * "timestamp"). The other point may be of another window. Or the run that stored it had faults, or began before the point
   * came.
   */
  function isStored(valve: Valve, timeUs: Micros): boolean {
    const key = rowKey(valve.id, timeUs);
    const row = rows.get(key);
    if (!row) return false;
    const rowUs = Number(row.time_us);
    if (rowUs === timeUs) return true;
    const isSameWindow = floor(rowUs - 1) === floor(timeUs - 1); // a window is (boundary − interval, boundary]
    const beganUs = healthyRunBeganUs.get(key) ?? -Infinity;
    return !isSameWindow || beganUs < timeUs;
  }

  /** Each boundary after `fromUs` up to `toUs` must have its row. `why` says who promised that. */
  function checkBoundaries(valve: Valve, fromUs: Micros, toUs: Micros, why: string): void {
    for (let boundaryUs = floor(fromUs) + intervalUs; boundaryUs <= toUs; boundaryUs += intervalUs) {
      const lastUs = world.lastPointOf(valve, boundaryUs);
      if (lastUs === null || isStored(valve, lastUs)) continue;
      const boundary = formatRfc3339(boundaryUs);
      throw new Broken(`valve ${valve.id}, boundary ${boundary}: ${formatRfc3339(lastUs)} is not stored, but ${why}`);
    }
  }

  /** Before this instant, a valve that has just been synced for the first time needs no rows. */
  function firstSyncFromUs(run: Run, syncedUs: Micros, rowBeforeUs: Micros | undefined, nowUs: Micros): Micros {
    // Two runs at once: how much of one the other finds is chance.
    if (run.kind !== 'poll') return syncedUs;
    if (rowBeforeUs !== undefined) return Math.max(rowBeforeUs, floor(nowUs - world.catchUpUs));
    const { initialHistoryHours } = world.history;
    return initialHistoryHours > 0 ? floor(nowUs - initialHistoryHours * US_PER_HOUR) : syncedUs;
  }

  /** @param aheadUs how far ahead a fault may have put the clock that the run went by */
  async function checkSynced(run: Run, aheadUs: Micros): Promise<void> {
    const nowUs = hycloud.clock.now();
    const { rows: states } = await admin.query<{ tasmart_id: string; synced: string | null }>(
      `select tasmart_id, ${micros('synced_until')} as synced from tasmart_valves`,
    );
    for (const { tasmart_id: id, synced } of states) {
      const valve = world.valves.find((candidate) => candidate.id === id);
      const beforeUs = lastSyncedUs.get(id);
      if (!valve) throw new Broken(`a valve that HyCloud does not know: ${id}`);
      if (synced === null && beforeUs !== undefined) throw new Broken(`synced_until of ${id} is gone`);
      if (synced === null) continue;
      const syncedUs = Number(synced);
      const when = formatRfc3339(syncedUs);
      if (beforeUs !== undefined && syncedUs < beforeUs) throw new Broken(`synced_until of ${id} went back to ${when}`);
      if (syncedUs > nowUs) throw new Broken(`synced_until of ${id} is ${when}, ahead of HyCloud's clock`);
      const fromUs = beforeUs ?? firstSyncFromUs(run, syncedUs, newestRowUs.get(id), nowUs + aheadUs);
      const givenUpBeforeUs = floor(nowUs + aheadUs - world.catchUpUs);
      checkBoundaries(valve, Math.max(fromUs, givenUpBeforeUs), syncedUs, `synced_until is ${when}`);
      lastSyncedUs.set(id, syncedUs);
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

  /** A valve that is polled for the first time has its newest point stored, and no other. */
  function checkFirstRun(run: Run, beganUs: Micros, isHealthy: boolean, added: readonly Row[]): void {
    if (run.kind !== 'poll' || world.history.initialHistoryHours > 0) return;
    for (const valve of world.targeted()) {
      if (newestRowUs.has(valve.id) || lastSyncedUs.has(valve.id)) continue;
      const stored = added.filter(({ tasmart_id: id }) => id === valve.id);
      if (stored.length > 1) throw new Broken(`the first run of ${valve.id} stored ${stored.length} readings`);
      const newestUs = world.newestPointOf(valve, beganUs - world.catchUpUs, beganUs);
      if (!isHealthy || newestUs === null || run.valve !== null) continue;
      const storedUs = Number(stored[0]?.time_us ?? -Infinity);
      if (storedUs < newestUs) throw new Broken(`the first run of ${valve.id} missed ${formatRfc3339(newestUs)}`);
    }
  }

  return {
    async afterStep(run, beganUs, faults) {
      const added = await readNewRows();
      added.forEach(checkIsReal);
      const isHealthy = faults.length === 0;
      for (const { tasmart_id: id, time_us: timeUs } of isHealthy ? added : []) {
        healthyRunBeganUs.set(rowKey(id, Number(timeUs)), beganUs);
      }
      checkFirstRun(run, beganUs, isHealthy, added);
      await checkSynced(run, clockAheadUs(faults));
      await checkBackfills();
      for (const { tasmart_id: id, time_us: timeUs } of added) {
        newestRowUs.set(id, Math.max(newestRowUs.get(id) ?? 0, Number(timeUs)));
      }
    },
    async atTheEnd(beganUs) {
      for (const valve of world.targeted()) {
        const syncedUs = lastSyncedUs.get(valve.id) ?? -Infinity;
        if (syncedUs < floor(beganUs)) throw new Broken(`the healthy run left ${valve.id} behind`);
        const newestUs = world.newestPointOf(valve, syncedUs, beganUs);
        if (newestUs === null || newestUs <= (newestRowUs.get(valve.id) ?? 0) || isStored(valve, newestUs)) continue;
        const boundaryReadingUs = world.lastPointOf(valve, syncedUs);
        const hasBoundaryReading = boundaryReadingUs !== null && rows.has(rowKey(valve.id, boundaryReadingUs));
        // A run does not store the newest point if it is less than a minute younger than the boundary's reading.
        if (hasBoundaryReading && newestUs - boundaryReadingUs < US_PER_MINUTE) continue;
        throw new Broken(`the newest point of ${valve.id}, ${formatRfc3339(newestUs)}, is not stored`);
      }
      const { rows: stored } = await admin.query<Row>(`${ROWS} order by id`);
      deepStrictEqual(stored, [...rows.values()]);
      const { rows: openRuns } = await admin.query(`select from tasmart_runs where outcome is null and mode = 'poll'`);
      if (openRuns.length > 0) throw new Broken('a run in tasmart_runs is still open');
    },
    rows: () => rows.size,
  };
}

/** Like the table's key. */
function rowKey(tasmartId: string, timeUs: Micros): string {
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
