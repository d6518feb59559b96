import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { US_PER_HOUR, US_PER_MINUTE } from '../../src/domain/time.ts';
import { startSimulator, type Simulator } from '../../scripts/simulator/simulator.ts';
import { logLines, runCli } from '../support/cli.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';

const NOON_US = Date.UTC(2026, 2, 1, 12, 0, 5) * 1000;

let simulator: Simulator;
let database: TestDatabase;
let folder: string;

beforeEach(async () => {
  simulator = await startSimulator({ valves: [2, 1], nowUs: NOON_US });
  database = await freshDatabase();
  folder = await mkdtemp(join(tmpdir(), 'tasmart-rename-'));
  project(0).name = 'Old name';
  await writeFile(join(folder, 'config.json'), '{"target_project_name": "Old name", "requests_per_second": 1000}');
});

afterEach(async () => {
  await simulator.close();
  await database.drop();
  await rm(folder, { recursive: true });
});

function project(index: number): Simulator['projects'][number] {
  return simulator.projects[index] ?? expect.fail('no such project');
}

async function poll(): Promise<{ code: number | null; warnings: string[]; errors: string[] }> {
  const env = { ...simulator.env(), DATABASE_URL: database.url };
  const { code, stderr } = await runCli(['poll'], { cwd: folder, env });
  const lines = logLines(stderr);
  const messages = (level: string) => lines.filter((line) => line.level === level).map(({ msg }) => msg);
  return { code, warnings: messages('warn'), errors: messages('error') };
}

async function query(sql: string): Promise<unknown[]> {
  return (await (await database.client()).query<Record<string, unknown>>(sql)).rows;
}

test('a project goes on under its new name, which is said once and written down', async () => {
  expect((await poll()).code).toBe(0);
  project(0).name = 'New name';
  simulator.clock.advance(15 * US_PER_MINUTE);
  const { id } = project(0);
  expect(await poll()).toEqual({
    code: 0,
    warnings: [`project ${id} was called "Old name" and is now called "New name"`],
    errors: [],
  });
  expect(await poll()).toEqual({ code: 0, warnings: [], errors: [] });
  expect(await query('select project_id, name from tasmart_project_names order by since')).toEqual([
    { project_id: id, name: 'Old name' },
    { project_id: id, name: 'New name' },
  ]);
  expect(await query('select name from tasmart_projects')).toEqual([{ name: 'New name' }]);
  expect(await query('select count(*)::int as rows from tasmart_data_table')).toEqual([{ rows: 4 }]);
});

test('the project that was meant counts, not another that takes its name', async () => {
  await poll();
  project(0).name = 'New name';
  project(1).name = 'Old name';
  for (let run = 0; run < 2; run += 1) {
    expect((await poll()).warnings).toEqual([
      `project ${project(0).id} was called "Old name" and is now called "New name"; ` +
        `another project, ${project(1).id}, now has the name "Old name", and is not polled`,
    ]);
  }
  expect(await query('select distinct project_id from tasmart_valves')).toEqual([{ project_id: project(0).id }]);
});

async function configure(config: object): Promise<void> {
  await writeFile(join(folder, 'config.json'), JSON.stringify({ requests_per_second: 1000, ...config }));
}

const byIds = () => configure({ targets: simulator.projects.map(({ id }) => ({ project_id: id })) });

test('that projects polled by their ids bore a name says nothing of whom it means: two are ambiguous', async () => {
  project(1).name = 'Old name';
  await byIds();
  expect((await poll()).code).toBe(0);
  await configure({ target_project_name: 'Old name' });
  const { code, errors } = await poll();
  expect({ code, errors }).toEqual({
    code: 78,
    errors: [expect.stringMatching(/^2 projects are called "Old name": /)],
  });
});

test('nor does it if another has the name by the time it is first polled by it', async () => {
  await byIds();
  await poll();
  project(0).name = 'Older name';
  project(1).name = 'Old name';
  await poll();
  await configure({ target_project_name: 'Old name' });
  simulator.clock.advance(15 * US_PER_MINUTE);
  expect(await poll()).toEqual({ code: 0, warnings: [], errors: [] });
  const polled = `select project_id, count(*)::int as valves from tasmart_valves
    where last_attempt_at = (select max(last_attempt_at) from tasmart_valves) group by project_id`;
  expect(await query(polled)).toEqual([{ project_id: project(1).id, valves: 1 }]);

  project(1).name = 'New name';
  expect((await poll()).warnings).toEqual([
    `project ${project(1).id} was called "Old name" and is now called "New name"`,
  ]);
});

test('a project that the key can no longer see is an error that names it', async () => {
  await poll();
  const { id } = project(0);
  simulator.projects.shift();
  const { code, errors } = await poll();
  expect(code).toBe(78);
  expect(errors).toEqual([`project ${id}, last called "Old name", is not there, or the key may not see it (HTTP 404)`]);
});

test('where it is gone, and one alone has its name, that one is polled from then on; the run that finds it says so', async () => {
  await poll();
  const { id } = project(0);
  simulator.projects.shift();
  project(0).name = 'Old name';
  simulator.clock.advance(15 * US_PER_MINUTE);
  expect(await poll()).toEqual({
    code: 0,
    warnings: [
      `project ${id}, which "Old name" meant, is not there any more; ` +
        `${project(0).id}, which has that name now, is polled in its place`,
    ],
    errors: [],
  });
  expect(await poll()).toEqual({ code: 0, warnings: [], errors: [] });
  expect(await query('select distinct project_id from tasmart_valves order by 1')).toHaveLength(2);
});

test('a project without valves awaits them; one that has lost all of them is told, in every run', async () => {
  const { valves } = project(0);
  const listed = [...valves];
  valves.clear();
  expect(await poll()).toEqual({ code: 0, warnings: [], errors: [] });
  for (const [id, valve] of listed) valves.set(id, valve);
  expect(await poll()).toEqual({ code: 0, warnings: [], errors: [] });
  valves.clear();
  for (let run = 0; run < 2; run += 1) {
    expect(await poll()).toEqual({
      code: 0,
      warnings: ['project "Old name" lists no valves; before, it had 2 valves'],
      errors: [],
    });
  }
});

test('a project that two targets name has not lost the valves that the first one takes', async () => {
  const targets = [{ project_name: 'Old name' }, { project_name: 'Old name' }];
  await writeFile(join(folder, 'config.json'), JSON.stringify({ targets, requests_per_second: 1000 }));
  await poll();
  expect(await poll()).toEqual({ code: 0, warnings: [], errors: [] });
});

test('each run asks for the list of projects, and for each project, once', async () => {
  await poll();
  simulator.log.length = 0;
  await poll();
  expect(simulator.log.map(({ path }) => path.includes('projects'))).toEqual([true, true, false, false]);
});

test('a valve that moves, changes and comes back leaves a dated trace and no hole', async () => {
  const [valve] = simulator.valves();
  if (!valve) return expect.fail('no valve');
  valve.fwVersion = '1.0.0';
  valve.userId = 'Boiler room';
  await poll();

  valve.fwVersion = '1.1.0';
  valve.userId = 'Cellar';
  simulator.clock.advance(15 * US_PER_MINUTE);
  await poll();

  project(0).valves.delete(valve.id);
  simulator.clock.advance(US_PER_HOUR);
  expect((await poll()).code).toBe(0);
  project(0).valves.set(valve.id, valve);
  simulator.clock.advance(15 * US_PER_MINUTE);
  await poll();

  expect(await query('select attribute, old_value, new_value from tasmart_valve_history order by attribute')).toEqual([
    { attribute: 'fw_version', old_value: '1.0.0', new_value: '1.1.0' },
    { attribute: 'user_id', old_value: 'Boiler room', new_value: 'Cellar' },
  ]);
  const boundaries = await query(
    `select to_char(to_timestamp(ceil("timestamp" / 900.0) * 900) at time zone 'UTC', 'HH24:MI') as boundary
     from tasmart_data_table where tasmart_id = '${valve.id}' order by "timestamp"`,
  );
  expect(boundaries).toEqual(
    ['12:00', '12:15', '12:30', '12:45', '13:00', '13:15', '13:30'].map((boundary) => ({ boundary })),
  );
});
