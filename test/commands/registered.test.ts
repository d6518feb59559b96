import { setTimeout as sleep } from 'node:timers/promises';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startSimulator, type Simulator } from '../../scripts/simulator/simulator.ts';
import { LOCK_KEYS, LOCK_SPACE } from '../../src/database/locks.ts';
import { parseRfc3339 } from '../../src/domain/time.ts';
import { runCli, type CliResult } from '../support/cli.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';

/** Valves are read while they are being registered, and stored after. */

const VALVES = 3;

let simulator: Simulator;
let database: TestDatabase;
let folder: string;

beforeEach(async () => {
  simulator = await startSimulator({ valves: VALVES, nowUs: parseRfc3339('2026-03-01T10:15:10Z') ?? 0 });
  database = await freshDatabase();
  folder = await mkdtemp(join(tmpdir(), 'tasmart-registered-'));
  await writeFile(join(folder, 'config.json'), JSON.stringify({ target_project_id: simulator.projects[0]?.id }));
});

afterEach(async () => {
  await simulator.close();
  await database.drop();
  await rm(folder, { recursive: true });
});

async function rows(query: string): Promise<unknown[]> {
  return (await (await database.client()).query<Record<string, unknown>>(query)).rows;
}

/** A poll during which the registry is somebody else's until HyCloud has been asked for points, and some time more. */
async function pollHeldUp(): Promise<CliResult> {
  const other = await database.client();
  const lock = [LOCK_SPACE, LOCK_KEYS.registry];
  await other.query('select pg_advisory_lock($1, $2)', lock);
  const poll = runCli(['poll'], { cwd: folder, env: { ...simulator.env(), DATABASE_URL: database.url } });
  await expect
    .poll(() => simulator.log.some(({ path, status }) => path.endsWith('/points') && status !== null), {
      timeout: 10_000,
    })
    .toBe(true);
  await sleep(500);
  expect(await rows('select from tasmart_data_table')).toEqual([]);
  await other.query('select pg_advisory_unlock($1, $2)', lock);
  return poll;
}

test('what is read meanwhile is stored once its valves are registered', async () => {
  expect((await pollHeldUp()).code).toBe(0);
  expect(await rows('select from tasmart_data_table join tasmart_valves using (tasmart_id)')).toHaveLength(VALVES);
});

test('a run that fails meanwhile is recorded as failed, and its valves are registered', async () => {
  simulator.faults.add({ match: { path: /points/ }, fault: { kind: 'status', status: 401 } });
  expect((await pollHeldUp()).code).toBe(77);
  expect(await rows('select outcome from tasmart_runs')).toEqual([{ outcome: 'failed' }]);
  expect(await rows('select from tasmart_valves')).toHaveLength(VALVES);
});
