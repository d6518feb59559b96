import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
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

test('a short serial that two have is answered with both', async () => {
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
  [['R\u00ad17'], 'holds a control character'],
  [["'-17"], "holds a ' before a formula"],
  [['--list'], '--list and --from take no valve'],
])('%j is a wrong command line', async (args, words) => {
  const { code, stdout, stderr } = await tasmart('link', valveAt(0).id, ...args);
  expect({ code, stdout }).toEqual({ code: 64, stdout: '' });
  expect(stderr).toContain(words);
});

describe('link --from', () => {
  async function linkFrom(text: string): Promise<CliResult> {
    await writeFile(join(folder, 'links.csv'), text);
    return tasmart('link', '--from', 'links.csv');
  }

  test('links every valve of the file, moves registers among them, and says how many changed', async () => {
    const [first, second] = [valveAt(0), valveAt(1)];
    await tasmart('link', first.id, 'R-1');
    const { code, stdout, stderr } = await linkFrom(
      `\ufeffvalve;register\r\n${second.fullSn};R-1\r\n${first.id};"R;2"\r\n`,
    );
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '2 valves linked, 2 of them anew\n', stderr: '' });
    expect(await links()).toEqual({ [first.id]: 'R;2', [second.id]: 'R-1' });
    expect((await linkFrom(`${second.fullSn},R-1\n`)).stdout).toBe('1 valve linked, 0 of them anew\n');
  });

  test('takes what link --list prints', async () => {
    // A spreadsheet would run "-17" as a formula, so the list has it behind a quote.
    await tasmart('link', valveAt(0).id, '-17');
    const listed = (await tasmart('link', '--list', '--format', 'csv')).stdout;
    expect(listed).toContain(`'-17`);
    expect((await linkFrom(listed)).stdout).toBe('1 valve linked, 0 of them anew\n');
  });

  test('names every line that is wrong, and changes nothing', async () => {
    const [first, second, twin] = [valveAt(0), valveAt(1), valveAt(2)];
    await tasmart('link', twin.id, 'R-9');
    const lines = [`${first.id},R-1`, 'ffffffff,R-2', `${second.shortSn},R-3`, first.id, `${first.fullSn},R-4`];
    const { code, stdout, stderr } = await linkFrom(lines.join('\n'));
    expect({ code, stdout }).toEqual({ code: 78, stdout: '' });
    const { msg } = JSON.parse(stderr) as { msg: string };
    expect(msg.split('\n')).toEqual([
      '4 of 5 lines of links.csv cannot be linked, so nothing was changed:',
      '  line 2: no valve that was polled is called ffffffff',
      `  line 3: 2 valves are called ${second.shortSn}`,
      '  line 4: does not hold a valve and a register',
      `  line 5: valve ${first.fullSn} is in line 1 already`,
    ]);
    const taken = await linkFrom(`${first.id},R-9\n${second.id},R-5\n`);
    expect([taken.code, taken.stderr]).toEqual([
      78,
      expect.stringContaining(`line 1: register R-9 is linked to another valve, ${twin.shortSn} · Twin`),
    ]);
    const twice = await linkFrom(`${first.id},R-5\n${second.id},R-5\n`);
    expect(twice.stderr).toContain('line 2: register R-5 is in line 1 for another valve');
    expect(await links()).toEqual({ [twin.id]: 'R-9' });
  });

  test('needs a file that is there', async () => {
    const { code, stderr } = await tasmart('link', '--from', 'nowhere.csv');
    expect([code, stderr]).toEqual([78, expect.stringContaining('nowhere.csv cannot be read (ENOENT)')]);
  });

  test.each([
    ['\n\n', 'the file holds no link: nothing was changed'],
    ['89abcdef,"R-1\n', 'the file cannot be read as CSV: Quote Not Closed'],
  ])('refuses %j', async (text, message) => {
    const { code, stderr } = await linkFrom(text);
    expect([code, stderr]).toEqual([78, expect.stringContaining(message)]);
  });
});

test('a register is unique within an account, not beyond it', async () => {
  const client = await database.client();
  await client.query(`update tasmart_valves set account = 'asti' where tasmart_id = $1`, [valveAt(1).id]);
  try {
    for (const index of [0, 1]) expect((await tasmart('link', valveAt(index).id, 'R-1')).code).toBe(0);
    expect((await tasmart('link', valveAt(2).id, 'R-1')).code).toBe(78);
    const { stdout } = await tasmart('link', '--list');
    expect(stdout.split('\n').map((line) => line.trim().split(/ {2,}/)[0])).toEqual(['account', 'R-1', 'asti', '']);
  } finally {
    await client.query(`update tasmart_valves set account = ''`);
  }
});

test('the links are listed by register; without any, that is said', async () => {
  expect((await tasmart('link', '--list')).stdout).toBe('No valve is linked.\n');
  await tasmart('link', valveAt(0).id, 'R-10');
  await tasmart('link', valveAt(1).id, 'R-9');
  const listed = JSON.parse((await tasmart('link', '--list', '--format', 'json')).stdout) as Record<string, string>[];
  expect(listed.map(({ register, tasmart_id: id, account }) => [register, id, account])).toEqual([
    ['R-9', valveAt(1).id, ''],
    ['R-10', valveAt(0).id, ''],
  ]);
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
  expect(listed.find(({ tasmart_id: id }) => id === valveAt(0).id)?.['newest_reading']).toBe(latest.rows[0]?.time);
});
