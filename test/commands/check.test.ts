import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { valvesInTime } from '../../src/commands/check/hycloud.ts';
import { US_PER_HOUR } from '../../src/domain/time.ts';
import type { Valve } from '../../scripts/simulator/fleet.ts';
import { startSimulator, type Simulator } from '../../scripts/simulator/simulator.ts';
import { runCli, type CliResult } from '../support/cli.ts';
import { emptyDatabase, freshDatabase, type TestDatabase } from '../support/database.ts';
import { startTlsPostgres } from '../support/tls.ts';

let simulator: Simulator;
let database: TestDatabase;
let folder: string;

beforeEach(async () => {
  simulator = await startSimulator({ valves: 3 });
  database = await freshDatabase();
  folder = await mkdtemp(join(tmpdir(), 'tasmart-check-'));
  await configure({ target_project_name: project().name });
  await writeFile(join(folder, '.env'), 'API_KEY=from-the-file\n');
  await chmod(join(folder, '.env'), 0o600);
});

afterEach(async () => {
  await simulator.close();
  await database.drop();
  await rm(folder, { recursive: true });
});

function project(): Simulator['projects'][number] {
  return simulator.projects[0] ?? expect.fail('no project');
}

function valveAt(index: number): Valve {
  return simulator.valves()[index] ?? expect.fail('no such valve');
}

async function configure(config: object | string): Promise<void> {
  const text = typeof config === 'string' ? config : JSON.stringify({ requests_per_second: 1000, ...config });
  await writeFile(join(folder, 'config.json'), text);
}

function tasmart(args: readonly string[], env: Record<string, string> = {}): Promise<CliResult> {
  return runCli(args, { cwd: folder, env: { ...simulator.env(), DATABASE_URL: database.url, ...env } });
}

interface Item {
  name: string;
  state: string;
  seen: string;
  remedy: string | null;
}

interface Checked {
  code: number | null;
  items: Item[];
  /** what is not as it should be, without the remedies */
  troubles: string[];
  item: (name: string) => Item | undefined;
}

async function check(env: Record<string, string> = {}): Promise<Checked> {
  const { code, stdout } = await tasmart(['check', '--format', 'json'], env);
  const { ok, items } = JSON.parse(stdout) as { ok: boolean; items: Item[] };
  expect(ok).toBe(code === 0);
  const troubles = items
    .filter(({ state }) => state !== 'ok')
    .map(({ name, state, seen }) => `${{ failed: '✗', warning: '!', skipped: '–' }[state] ?? state} ${name}: ${seen}`);
  return { code, items, troubles, item: (name) => items.find((each) => each.name === name) };
}

async function sql(text: string, values: unknown[] = []): Promise<void> {
  await (await database.client()).query(text, values);
}

test('on a machine that is set up, everything is ticked', async () => {
  await tasmart(['poll']);
  const { code, stdout, stderr } = await tasmart(['check']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const ticked = stdout.split('\n').map((line) => line.split(/ {2,}/)[0]);
  expect(ticked).toEqual([
    '✓ config.json',
    '✓ .env',
    '✓ .env permissions',
    '✓ configuration',
    '✓ database',
    '✓ TLS',
    '✓ clock of the database',
    '✓ time zone',
    '✓ rights of others',
    '✓ schema',
    '✓ rights to poll',
    '✓ rights to backfill',
    '✓ rights to link',
    '✓ rights to status',
    '✓ rights to consumption',
    '✓ rights to correct',
    '✓ duplicates',
    '✓ runs by themselves',
    '✓ HyCloud',
    '✓ credentials',
    '✓ clock of this machine',
    '✓ target',
    '✓ valves',
    '✓ clocks of the valves',
    '',
    'Nothing is wrong; 0 warnings.',
    '',
  ]);
});

test('five things wrong are five things told, each with what to do', async () => {
  await chmod(join(folder, '.env'), 0o644);
  await configure({ target_project_name: 'Nowhere', interval_minute: 15, catch_up_days: -1 });
  await sql(`delete from tasmart_migrations where number = (select max(number) from tasmart_migrations)`);
  const { code, stdout } = await tasmart(['check'], { HYCLOUD_BASE_URL: simulator.baseUrl });
  expect(code).toBe(1);
  for (const line of [
    /^! \.env permissions +644: other users of this machine can read the credentials\n +→ chmod 600 \.env$/m,
    /^✗ configuration +interval_minute is not a key of config\.json: did you mean interval_minutes\?$/m,
    /^✗ configuration +catch_up_days must be more than 0 \(it is -1\)$/m,
    /^✗ schema +the database's schema is not that of this program \(1 migration behind\)\n +→ run "tasmart migrate"; first /m,
    /^✗ target +no project is called "Nowhere"\n +→ the key can see, nearest first: "Condominio Città Giardino – Milano"$/m,
    /^4 things wrong; 1 warning\.$/m,
  ]) {
    expect(stdout).toMatch(line);
  }
});

describe('files', () => {
  test('none there: what is missing is named, and the rest is tried all the same', async () => {
    await rm(join(folder, 'config.json'));
    await rm(join(folder, '.env'));
    const { code, troubles, item } = await check();
    expect(code).toBe(1);
    expect(troubles).toContain('✗ config.json: does not exist');
    expect(troubles).toContain('! .env: does not exist: only the environment is used');
    expect(item('credentials')).toMatchObject({ state: 'ok' });
    expect(item('database')).toMatchObject({ state: 'ok' });
  });

  test('a config.json that is no JSON', async () => {
    await configure('{"target');
    const { troubles, item } = await check();
    expect(troubles[0]).toMatch(/^✗ configuration: config\.json is not valid JSON: /);
    expect(item('credentials')).toMatchObject({ state: 'ok' });
  });

  test('what the environment lacks is told by its key', async () => {
    const { code, troubles, item } = await check({ API_KEY: 'ä', DATABASE_URL: 'mysql://x' });
    expect(code).toBe(1);
    expect(troubles).toContain('✗ configuration: API_KEY holds characters that cannot stand in an HTTP header');
    expect(item('database')).toMatchObject({ state: 'skipped', seen: 'not tried: its settings are wrong' });
    expect(item('HyCloud')).toMatchObject({ state: 'skipped' });
  });

  test('a folder for metrics that is not there', async () => {
    await configure({ target_project_name: project().name, metrics_file: '/nowhere/tasmart.prom' });
    expect((await check()).item('metrics_file')).toMatchObject({
      state: 'failed',
      seen: '/nowhere cannot be written (ENOENT)',
    });
  });

  test.each(['/tmp', '/dev/null'])('metrics to %s, which is not a file', async (file) => {
    await configure({ target_project_name: project().name, metrics_file: file });
    expect((await check()).item('metrics_file')).toMatchObject({
      state: 'failed',
      seen: `${file} is not a file`,
      remedy: 'name a file',
    });
  });
});

test('a schema in which everybody may create', async () => {
  await sql('grant create on schema public to public');
  const { code, item } = await check();
  expect({ code, item: item('rights of others') }).toEqual({
    code: 0,
    item: {
      name: 'rights of others',
      state: 'warning',
      seen: 'every role may create objects in schema public, which could run with your rights',
      remedy: 'revoke create on schema public from public',
    },
  });
});

test('shards that --shard tells apart are no fault of the environment', async () => {
  expect((await tasmart(['poll', '--shard', '1/1'], { TASMART_SHARDS: '4' })).code).toBe(0);
  const { code, troubles } = await check({ TASMART_SHARDS: '4' });
  expect({ code, troubles: troubles.filter((trouble) => trouble.includes('SHARDS')) }).toEqual({
    code: 0,
    troubles: [
      '! configuration: TASMART_SHARDS is set, but not which of them this is: JOB_COMPLETION_INDEX, or --shard 1/4',
    ],
  });
});

describe('HyCloud', () => {
  test.each([
    [{ API_KEY: 'wrong-secret' }, 'REQUESTER_ID is accepted, API_KEY is refused'],
    [{ REQUESTER_ID: 'wrong-secret' }, 'REQUESTER_ID is refused'],
    [{ REQUESTER_ID: 'wrong-secret', API_KEY: 'wrong-secret' }, 'REQUESTER_ID is refused'],
  ])('%j: %s', async (env, seen) => {
    const { stdout, stderr } = await tasmart(['check'], env);
    expect(`${stdout}${stderr}`).not.toMatch(/wrong-secret|simulated-|from-the-file/);
    const { code, item } = await check(env);
    expect(code).toBe(1);
    expect(item('HyCloud')).toMatchObject({ state: 'ok' });
    expect(item('credentials')).toMatchObject({ state: 'failed', seen });
  });

  test('whose firmware answer makes no sense is used by nothing else', async () => {
    simulator.faults.add({
      match: { path: /firmwares/ },
      fault: { kind: 'transform', transform: () => ({ metadata: 'changed' }) },
    });
    const { item } = await check();
    expect(item('HyCloud')).toMatchObject({ state: 'ok' });
    expect(item('valves')).toMatchObject({ state: 'ok' });
  });

  test('that has troubles of its own has nothing against the credentials', async () => {
    simulator.faults.add({ match: { path: /projects$/ }, fault: { kind: 'status', status: 404 } });
    const { code, item } = await check();
    expect(code).toBe(1);
    expect(item('HyCloud')).toMatchObject({
      state: 'failed',
      seen: 'HyCloud, GET projects: HTTP 404 (api/v1/not-found)',
    });
    expect(item('credentials')).toBeUndefined();
  });

  test.each([
    [14_000, 50, 100],
    [14_000, 500, 27],
    [9_900, 1000, 8],
    [10, 10_000, 1],
  ])('in %d ms, at one request each %d ms, is asked for the points of %d valves', (leftMs, spacingMs, valves) => {
    expect(valvesInTime(leftMs, spacingMs)).toBe(valves);
  });

  test('that answers with other points than were asked for', async () => {
    const transform = (answer: { points: [] }) => ({ ...answer, sort: 'ascending' });
    simulator.faults.add({ match: { path: /points$/ }, fault: { kind: 'transform', transform } });
    const { code, troubles } = await check();
    expect(code).toBe(1);
    expect(troubles).toContainEqual(expect.stringMatching(/^✗ valves: 3 could not be read: .*other than asked for/));
  });

  test('whose clock is another', async () => {
    simulator.faults.add({ fault: { kind: 'date', date: 120e6 } });
    const { code, item } = await check();
    expect(code).toBe(0);
    expect(item('clock of this machine')).toMatchObject({
      state: 'warning',
      seen: expect.stringMatching(/^ours is (1|2) min behind HyCloud's$/) as string,
    });
  });

  test('each target is tried, however many are wrong', async () => {
    const [valve] = simulator.valves();
    await configure({
      targets: [
        { project_id: '00000000-0000-4000-8000-000000000000' },
        { project_name: project().name, valves: [valve?.shortSn, '00000000'] },
      ],
    });
    const { items } = await check();
    expect(items.filter(({ name }) => name === 'target').map(({ state, seen }) => [state, seen])).toEqual([
      ['failed', expect.stringContaining('project 00000000-0000-4000-8000-000000000000 is not there') as string],
      ['ok', '"Condominio Città Giardino – Milano" (1 valve)'],
      ['failed', 'valve 00000000 is not in project "Condominio Città Giardino – Milano"'],
    ]);
  });

  test('a valve that is silent, one that fails and one whose clock is wrong', async () => {
    valveAt(0).outages = [
      { fromUs: simulator.clock.now() - 2 * US_PER_HOUR, toUs: simulator.clock.now() + US_PER_HOUR },
    ];
    valveAt(1).clockAheadS = -7300;
    valveAt(1).userId = 'Slow\u001b[2J';
    valveAt(2).clockAheadS = 0;
    const lift = simulator.faults.add({ match: { valveId: valveAt(2).id }, fault: { kind: 'status', status: 404 } });
    const wrong = await check();
    expect(wrong.code).toBe(1);
    expect(wrong.item('valves')?.seen).toMatch(/^1 of 3 valves sent points within the hour; silent: /);
    expect(wrong.troubles).toContainEqual(expect.stringMatching(/^✗ valves: 1 could not be read: .*HTTP 404/));
    expect(wrong.item('clocks of the valves')?.seen).toMatch(/^1 of 1 valve wrong: Slow.* 2 h 1 min behind$/);
    expect((await tasmart(['check'])).stdout).toContain('Slow\\u{1b}[2J 2 h 1 min behind');

    lift();
    const liftMalformed = simulator.faults.add({
      match: { valveId: valveAt(2).id },
      fault: {
        kind: 'transform',
        transform: (answer: { points: object[] }) => ({
          ...answer,
          points: answer.points.map((point) => ({ ...point, valve_timestamp: 'soon' })),
        }),
      },
    });
    expect((await check()).troubles).toContainEqual(
      expect.stringMatching(/^✗ valves: 1 could not be read: .*valve_timestamp/),
    );

    liftMalformed();
    const { code, item } = await check();
    expect(code).toBe(0);
    expect(item('valves')).toMatchObject({ state: 'warning' });
  });
});

describe('the database', () => {
  test('that cannot be reached costs none of the rest', async () => {
    const { code, item } = await check({ DATABASE_URL: 'postgresql://x:hidden-password@127.0.0.1:1/z' });
    expect(code).toBe(1);
    expect(item('database')).toMatchObject({
      state: 'failed',
      seen: expect.stringContaining('ECONNREFUSED') as string,
      remedy: expect.stringContaining('check DB_HOST and DB_PORT') as string,
    });
    expect(item('valves')).toMatchObject({ state: 'ok' });
  });

  test('without a schema', async () => {
    const empty = await emptyDatabase();
    const { item } = await check({ DATABASE_URL: empty.url });
    expect(item('schema')).toMatchObject({ state: 'failed', seen: 'the database has no tasmart schema yet' });
    expect(item('rights, key, runs')).toMatchObject({ state: 'skipped' });
    await empty.drop();
  });

  test('that is not there yet because it is embedded is no trouble, and is not made', async () => {
    const { item } = await check({ DATABASE_URL: 'embedded:./data' });
    expect(item('database')).toMatchObject({ state: 'ok', seen: 'embedded in ./data: the first run will make it' });
    await expect(rm(join(folder, 'data'))).rejects.toThrow('ENOENT');
  });

  test('that is read-only', async () => {
    await sql(`alter database ${database.database} set default_transaction_read_only = on`);
    expect((await check()).item('database')).toMatchObject({
      state: 'failed',
      seen: expect.stringMatching(/: read-only$/) as string,
    });
  });

  test('that has lost its key', async () => {
    await sql('alter table tasmart_data_table drop constraint tasmart_data_table_pkey');
    const { code, item } = await check();
    expect(code).toBe(1);
    expect(item('duplicates')).toMatchObject({ state: 'failed' });
    await sql('alter table tasmart_data_table add unique (tasmart_id, "timestamp") deferrable');
    await sql('create unique index on tasmart_data_table (tasmart_id, "timestamp", abs(id))');
    expect((await check()).item('duplicates'), 'on conflict cannot use either').toMatchObject({ state: 'failed' });
    await sql(item('duplicates')?.remedy ?? '');
    expect((await check()).item('duplicates')).toMatchObject({ state: 'ok' });
  });

  test('TLS: in use and checked, in use and not checked', async () => {
    const server = await startTlsPostgres();
    const url = `postgresql://${server.user}:${server.password}@127.0.0.1:${server.port}/postgres`;
    const checked = await check({ DATABASE_URL: `${url}?sslmode=verify-full&sslrootcert=${server.caFile}` });
    expect(checked.item('TLS')).toMatchObject({ state: 'ok', seen: 'TLSv1.3, verify-full' });
    const unchecked = await check({ DATABASE_URL: `${url}?sslmode=require` });
    expect(unchecked.item('TLS')).toMatchObject({
      state: 'warning',
      seen: "TLSv1.3, but the server's certificate is not verified (sslmode require)",
    });
    const wrongCa = await check({ DATABASE_URL: `${url}?sslmode=verify-full&sslrootcert=${server.otherCaFile}` });
    expect(wrongCa.item('database')).toMatchObject({
      state: 'failed',
      remedy: expect.stringContaining('DB_SSL_CA') as string,
    });
    await server.stop();
  });
});

describe('the runs', () => {
  const RUNS = 'runs by themselves';

  test('none yet', async () => {
    expect((await check()).item(RUNS)).toMatchObject({ state: 'warning', seen: 'no poll yet' });
  });

  test('the last one was too long ago', async () => {
    await tasmart(['poll']);
    await sql(`update tasmart_runs set started_at = started_at - interval '3 days'`);
    expect((await check()).item(RUNS)).toMatchObject({
      state: 'failed',
      seen: 'the last poll began 3 d ago: success',
    });
  });

  test('the last one failed', async () => {
    await tasmart(['poll'], { API_KEY: 'wrong' });
    expect((await check()).item(RUNS)).toMatchObject({
      state: 'warning',
      seen: expect.stringMatching(/^the last poll began \d+ s ago: failed: HyCloud, GET projects: HTTP 401/) as string,
    });
  });
});

describe('rights', () => {
  let role: string;

  beforeEach(async () => {
    role = `role_${database.database}`;
    await sql(`create role ${role} login password 'secret'`);
  });

  afterEach(async () => {
    await sql(`drop owned by ${role}`);
    await sql(`drop role ${role}`);
  });

  const asRole = () => ({ DATABASE_URL: database.url.replace(/\/\/.*@/, `//${role}:secret@`) });

  test('that are missing are told as the statements that grant them, and these are enough', async () => {
    await sql(
      `grant select on tasmart_migrations, tasmart_definitions, tasmart_runs, tasmart_project_names, tasmart_projects to ${role}`,
    );
    const before = await check(asRole());
    expect(before.code).toBe(1);
    expect(before.item('rights to poll')).toEqual({
      name: 'rights to poll',
      state: 'failed',
      seen: `${role} lacks some`,
      remedy: [
        `grant select, insert, update, delete on tasmart_checkpoints to ${role}`,
        `grant select on tasmart_corrections to ${role}`,
        `grant select, insert, delete on tasmart_counter_events to ${role}`,
        `grant select, insert on tasmart_data_table to ${role}`,
        `grant select, insert, update, delete on tasmart_energy to ${role}`,
        `grant select, insert, update on tasmart_judgements to ${role}`,
        `grant insert on tasmart_project_names to ${role}`,
        `grant select, insert, update on tasmart_project_valves to ${role}`,
        `grant insert, update on tasmart_projects to ${role}`,
        `grant insert, update on tasmart_runs to ${role}`,
        `grant select, insert on tasmart_settings to ${role}`,
        `grant select, insert, update on tasmart_target_projects to ${role}`,
        `grant select, insert, delete on tasmart_unjudged to ${role}`,
        `grant insert on tasmart_valve_history to ${role}`,
        `grant select, insert, update on tasmart_valves to ${role}`,
      ].join('; '),
    });
    expect(before.item('rights to backfill')?.state).toBe('warning');
    await sql(before.item('rights to poll')?.remedy ?? '');
    expect((await check(asRole())).item('rights to poll')).toMatchObject({ state: 'ok' });
    expect((await tasmart(['poll'], asRole())).code).toBe(0);
  });
});
