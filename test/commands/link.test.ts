import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { parseRfc3339 } from '../../src/domain/time.ts';
import { createValve, type Valve } from '../../scripts/simulator/fleet.ts';
import { startSimulator, type Simulator } from '../../scripts/simulator/simulator.ts';
import { runCli, type CliResult } from '../support/cli.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';

let simulator: Simulator;
let database: TestDatabase;
let folder: string;

beforeAll(async () => {
  simulator = await startSimulator({ valves: 2, nowUs: parseRfc3339('2026-03-01T10:15:10Z') ?? NaN });
  valveAt(0).userId = 'Centrale termica';
  delete valveAt(1).userId;
  const twin: Valve = { ...createValve(1, 7), shortSn: valveAt(1).shortSn, userId: 'Twin' };
  simulator.projects[0]?.valves.set(twin.id, twin);
  database = await freshDatabase();
  folder = await mkdtemp(join(tmpdir(), 'tasmart-link-'));
  const config = { target_project_name: simulator.projects[0]?.name, requests_per_second: 1000 };
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  expect((await tasmart('poll')).code).toBe(0);
});

beforeEach(async () => {
  await (await database.client()).query('update tasmart_valves set backend_ref = null');
});

afterAll(async () => {
  await simulator.close();
  await database.drop();
  await rm(folder, { recursive: true });
});

function tasmart(...args: string[]): Promise<CliResult> {
  return runCli(args, { cwd: folder, env: { ...simulator.env(), DATABASE_URL: database.url } });
}

function valveAt(index: number): Valve {
  return simulator.valves()[index] ?? expect.fail('no such valve');
}

async function links(): Promise<Record<string, string>> {
  const client = await database.client();
  const { rows } = await client.query<{ tasmart_id: string; backend_ref: string }>(
    'select tasmart_id, backend_ref from tasmart_valves where backend_ref is not null',
  );
  return Object.fromEntries(rows.map((row) => [row.tasmart_id, row.backend_ref]));
}

test.each([
  ['uuid', (valve: Valve) => valve.id.toUpperCase()],
  ['full serial', (valve: Valve) => valve.fullSn.toUpperCase()],
  ['short serial', (valve: Valve) => valve.shortSn.toUpperCase()],
])('a valve is linked by its %s, whatever the letter case', async (_name, nameOf) => {
  const valve = valveAt(0);
  const { code, stdout, stderr } = await tasmart('link', nameOf(valve), 'R-17');
  expect({ code, stdout, stderr }).toEqual({
    code: 0,
    stdout: `${valve.shortSn} · Centrale termica: linked to register R-17\n`,
    stderr: '',
  });
  expect(await links()).toEqual({ [valve.id]: 'R-17' });
});

test('linking again changes nothing, linking elsewhere moves it, removing takes it away, once', async () => {
  const { id, shortSn } = valveAt(0);
  const say = async (...args: string[]) => {
    const { code, stdout } = await tasmart('link', id, ...args);
    return [code, stdout];
  };
  expect(await say('R-17')).toEqual([0, `${shortSn} · Centrale termica: linked to register R-17\n`]);
  expect(await say('R-17')).toEqual([0, `${shortSn} · Centrale termica: linked to register R-17 already\n`]);
  expect(await say('R-18')).toEqual([0, `${shortSn} · Centrale termica: linked to register R-18, no longer to R-17\n`]);
  expect(await say('--remove')).toEqual([0, `${shortSn} · Centrale termica: no longer linked to register R-18\n`]);
  expect(await say('--remove')).toEqual([0, `${shortSn} · Centrale termica: was not linked\n`]);
  expect(await links()).toEqual({});
});

test('a register that another valve holds is refused with that valve’s name', async () => {
  await tasmart('link', valveAt(0).id, 'R-17');
  const { code, stdout, stderr } = await tasmart('link', valveAt(1).id, 'R-17');
  expect({ code, stdout }).toEqual({ code: 78, stdout: '' });
  expect(stderr).toContain(`register R-17 is linked to another valve, ${valveAt(0).shortSn} · Centrale termica`);
  expect(stderr).toContain(`tasmart link ${valveAt(0).id} --remove`);
  expect(await links()).toEqual({ [valveAt(0).id]: 'R-17' });
});

test('two who want the same register at once: one gets it, the other hears who', async () => {
  const ended = await Promise.all([tasmart('link', valveAt(0).id, 'R-1'), tasmart('link', valveAt(1).id, 'R-1')]);
  expect(ended.map(({ code }) => code).sort()).toEqual([0, 78]);
  expect(Object.values(await links())).toEqual(['R-1']);
});

test('a valve that is not known is answered with the nearest that is', async () => {
  const { shortSn } = valveAt(0);
  const wrong = `${shortSn.slice(0, 7)}${shortSn.endsWith('0') ? '1' : '0'}`;
  const { code, stderr } = await tasmart('link', wrong, 'R-17');
  expect(code).toBe(78);
  expect(stderr).toContain(`no valve that was polled is called ${wrong}`);
  expect(stderr).toContain(`nearest: ${shortSn} · Centrale termica`);
});

test('a short serial that two bear is answered with both', async () => {
  const { code, stderr } = await tasmart('link', valveAt(1).shortSn, 'R-17');
  expect(code).toBe(78);
  expect(stderr).toContain(`2 valves are called ${valveAt(1).shortSn}`);
  for (const valve of [valveAt(1), valveAt(2)]) expect(stderr).toContain(valve.id);
});

test.each([
  [['R-17', '--remove'], '--remove takes no register'],
  [[], 'no register is given'],
  [[''], 'the register is empty'],
  [['R'.repeat(256)], 'the register is longer than 255 characters'],
  [[' R-17'], 'begins or ends in a blank'],
  [['R\n17'], 'holds a control character'],
])('%j is a wrong command line', async (args, words) => {
  const { code, stdout, stderr } = await tasmart('link', valveAt(0).id, ...args);
  expect({ code, stdout }).toEqual({ code: 64, stdout: '' });
  expect(stderr).toContain(words);
});

test('readings and valves carry the register', async () => {
  await tasmart('link', valveAt(0).id, 'R-17');
  const client = await database.client();
  const { rows } = await client.query('select distinct backend_ref from tasmart_readings where tasmart_id = $1', [
    valveAt(0).id,
  ]);
  expect(rows).toEqual([{ backend_ref: 'R-17' }]);
  expect((await tasmart('valves')).stdout).toMatch(/Centrale termica .* R-17\n/);
  const latest = await client.query<{ time: string }>(
    `select to_char(max("time"), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as time from tasmart_data_table where tasmart_id = $1`,
    [valveAt(0).id],
  );
  const listed = JSON.parse((await tasmart('valves', '--format', 'json')).stdout) as Record<string, string>[];
  expect(listed.find(({ tasmart_id: id }) => id === valveAt(0).id)?.['latest_reading']).toBe(latest.rows[0]?.time);
});
