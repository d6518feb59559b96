/**
 * Stores the same readings alternately by the repository and by COPY, into the same empty table. COPY needs one statement
 * and no client, so its time is what PostgreSQL itself needs for rows, indexes and constraints.
 */
import { writeFile } from 'node:fs/promises';
import { withConnection, type Database } from '../../../src/database/connection.ts';
import type { ServerSettings } from '../../../src/domain/database-settings.ts';
import { storeReadings, type ValveReadings } from '../../../src/database/repository.ts';
import { NO_MEASUREMENTS, type Reading } from '../../../src/domain/reading.ts';
import { epochSeconds, formatRfc3339, US_PER_MINUTE } from '../../../src/domain/time.ts';

export interface InsertTask {
  server: ServerSettings;
  /** where the server's account may read it */
  csvFile: string;
  repetitions: number;
}

/** The time of each repetition. */
export interface InsertTimes {
  repositoryMs: number[];
  copyMs: number[];
}

const READINGS = 100_000;
const VALVES = 10_000;
/** The largest batch of a poll. */
const READINGS_PER_BATCH = 5000;
const INTERVAL_US = 15 * US_PER_MINUTE;
const START_US = Date.UTC(2026, 2, 1) * 1000;

const COLUMNS =
  '"timestamp", tasmart_id, "time", measured_flow, measured_power, energy_counter_regime_1, energy_counter_regime_2';

const task = JSON.parse(process.argv[2] ?? '{}') as InsertTask;
const batches = createBatches();
const csvLines = batches.flat().flatMap(({ tasmartId, readings }) => readings.map((row) => csvLine(tasmartId, row)));
await writeFile(task.csvFile, `${csvLines.join('\n')}\n`, { mode: 0o644 });
const options = { applicationName: 'tasmart bench', giveUp: new AbortController().signal };
console.log(JSON.stringify(await withConnection(task.server, options, measure)));

async function measure(database: Database): Promise<InsertTimes> {
  await registerValves(database);
  const times: InsertTimes = { repositoryMs: [], copyMs: [] };
  // Repetition -1 warms up code and files, and is not counted.
  for (let repetition = -1; repetition < task.repetitions; repetition += 1) {
    const repositoryMs = await measureMs(database, async () => {
      for (const batch of batches) await database.transaction(() => storeReadings(database, batch));
    });
    const copyMs = await measureMs(database, async () => {
      await database.query(`copy tasmart_data_table (${COLUMNS}) from '${task.csvFile}' (format csv)`);
    });
    if (repetition < 0) continue;
    times.repositoryMs.push(repositoryMs);
    times.copyMs.push(copyMs);
  }
  return times;
}

/** Empties the table and runs a checkpoint first, so that no measurement pays for the one before. @throws Error unless all rows are stored */
async function measureMs(database: Database, work: () => Promise<void>): Promise<number> {
  await database.query('truncate tasmart_data_table');
  await database.query('vacuum tasmart_valves');
  await database.query('checkpoint');
  const startMs = performance.now();
  await work();
  const ms = performance.now() - startMs;
  const [row] = await database.query<{ rows: number }>('select count(*) as rows from tasmart_data_table');
  if (row?.rows !== READINGS) throw new Error(`${row?.rows ?? 'no'} rows stored instead of ${READINGS}`);
  return ms;
}

async function registerValves(database: Database): Promise<void> {
  const ids = Array.from({ length: VALVES }, (_, valve) => idOf(valve));
  await database.query(`insert into tasmart_projects (project_id, name) values ('bench', 'bench')`);
  await database.query(
    `insert into tasmart_valves (tasmart_id, project_id) select id, 'bench' from unnest($1::text[]) as id`,
    [ids],
  );
}

/** Every valve in turn, round after round. A valve has two readings in every other batch, and one in the others. */
function createBatches(): ValveReadings[][] {
  const batches: ValveReadings[][] = [];
  let firstTurn = 0;
  while (batches.length < READINGS / READINGS_PER_BATCH) {
    const perValve = batches.length % 2 === 0 ? 2 : 1;
    const turns = READINGS_PER_BATCH / perValve;
    batches.push(Array.from({ length: turns }, (_, index) => valveReadings(firstTurn + index, perValve)));
    firstTurn += turns;
  }
  return batches;
}

/** A turn is one valve in one round. With `count` 2, the second reading is the newest point, 5 minutes after the first. */
function valveReadings(turn: number, count: number): ValveReadings {
  const valve = turn % VALVES;
  const roundUs = START_US + Math.floor(turn / VALVES) * INTERVAL_US;
  const readings = Array.from({ length: count }, (_, index) =>
    reading(valve, roundUs - (valve % 15) * 1e6 - 123_456 + index * 5 * US_PER_MINUTE),
  );
  return { tasmartId: idOf(valve), readings, syncedUntilUs: roundUs };
}

function reading(valve: number, timeUs: number): Reading {
  return {
    ...NO_MEASUREMENTS,
    timeUs,
    measuredFlowDlh: 1000 + (valve % 900),
    measuredPowerDw: 30_000 + valve,
    energyCounter1Kwh: 80_000 + valve,
    energyCounter2Kwh: 0,
  };
}

/** A uuid: neighbouring valves are far apart in the index. */
function idOf(valve: number): string {
  const hex = Math.imul(valve + 1, 0x9e3779b1) >>> 0;
  return `${hex.toString(16).padStart(8, '0')}-0000-4000-a000-${valve.toString(16).padStart(12, '0')}`;
}

/** The columns must be in the order of COLUMNS. */
function csvLine(tasmartId: string, reading: Reading): string {
  return [
    epochSeconds(reading.timeUs),
    tasmartId,
    formatRfc3339(reading.timeUs),
    reading.measuredFlowDlh,
    reading.measuredPowerDw,
    reading.energyCounter1Kwh,
    reading.energyCounter2Kwh,
  ].join(',');
}
