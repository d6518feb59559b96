import pg from 'pg';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { JUDGING, RIGHTS } from '../../src/database/inspect.ts';
import { LEAST_RIGHTS } from './support/database-rights.ts';
import { describeEnd, expectNothingStored, expectWhole, setStage, type Stage } from './support/database-stage.ts';
import { logLines } from '../support/cli.ts';

const HOUR_US = 3_600_000_000;

let stage: Stage;
let role: string;
let url: string;

beforeEach(async () => {
  stage = await setStage();
  const { host, port, database } = stage.database;
  // Roles belong to the server, which other tests use too.
  role = `poller_${database}`;
  url = `postgres://${role}:least@${host}:${port}/${database}`;
  await stage.client.query(`
    revoke all on schema public from public;
    revoke all on database ${database} from public;
    create role ${role} login password 'least' nosuperuser nocreatedb nocreaterole;
    grant connect on database ${database} to ${role}`);
  onTestFinished(async () => {
    await stage.client.query(`drop owned by ${role}; drop role ${role}`);
  });
});

async function grant(statements = LEAST_RIGHTS): Promise<void> {
  await stage.client.query(statements.replaceAll('tasmart_poller', role));
}

const asRole = () => ({ env: { DATABASE_URL: url } });

test('the grants that migrate prints are enough for every command, and check names each that is missing', async () => {
  const { stdout } = await stage.run(['migrate', '--print-grants']);
  await stage.client.query(`create role reader_${stage.database.database}`);
  onTestFinished(async () => {
    await stage.client.query(
      `drop owned by reader_${stage.database.database}; drop role reader_${stage.database.database}`,
    );
  });
  await grant(stdout.replaceAll('tasmart_reader', `reader_${stage.database.database}`));
  for (const args of [
    ['poll'],
    ['backfill', '--from', '2026-03-01T06:00:00Z'],
    ['consumption', '--from', '2026-03-01', '--to', '2026-03-02'],
    ['report', '--from', '2026-03-01', '--to', '2026-03-02', '--out', '-'],
    ['link', stage.simulator.valves()[0]?.id ?? '', 'METER-1'],
    ['migrate', '--print-grants'],
  ]) {
    const { code, stderr } = await stage.run(args, asRole());
    expect({ args, code, stderr: code === 0 ? '' : stderr }).toEqual({ args, code: 0, stderr: '' });
  }
  const whole = (await stage.run(['check'], asRole())).stdout;
  expect(whole.match(/^.*rights to .*$/gm)).toEqual(
    expect.arrayContaining([expect.stringMatching(/^✓ rights to poll +poller_.* has them$/)]) as string[],
  );
  expect(whole).not.toMatch(/^[✗!] rights to/m);

  for (const statement of stdout.matchAll(/^grant (\w+).* on (\w+) to tasmart_poller;$/gm)) {
    const [, privilege = '', table = ''] = statement;
    await stage.client.query(`revoke ${privilege} on ${table} from ${role}`);
    const { stdout: said } = await stage.run(['check'], asRole());
    // Without these, the program does not know which schema it has before it.
    const needed = ['tasmart_migrations', 'tasmart_definitions'].includes(table)
      ? new RegExp(table)
      : new RegExp(`→ (.*; )?grant ${privilege} on ${table} to ${role}`);
    expect(said).toMatch(needed);
    await stage.client.query(`grant ${privilege} on ${table} to ${role}`);
  }
});

describe('the rights that check knows', () => {
  test.each([
    ['poll', ['poll'], 0],
    ['backfill', ['backfill', '--from', '2026-03-01T06:00:00Z'], 0],
    ['link', ['link', 'VALVE', 'R-1'], 0],
    ['status', ['status', '--max-age', '365000d'], 0],
    ['consumption', ['consumption', '--from', '2026-03-01', '--to', '2026-03-02'], 0],
  ] as const)('to %s are what the command needs, and each of them is needed', async (command, args, code) => {
    await stage.run();
    const { simulator, client } = stage;
    const [valve] = simulator.valves();
    const [project] = simulator.projects;
    if (!valve || !project) throw new Error('no valve');
    const run = () =>
      stage.run(
        args.map((arg) => arg.replace('VALVE', valve.id)),
        asRole(),
      );
    const grants = Object.entries<readonly string[]>(RIGHTS[command]);
    await client.query(`grant usage on schema public to ${role}`);
    for (const [table, privileges] of grants)
      await client.query(`grant ${privileges.join(', ')} on ${table} to ${role}`);
    expect(await run()).toMatchObject({ code });
    for (const [table, privileges] of grants) {
      // What judging needs depends on the readings.
      if (command !== 'consumption' && table in JUDGING) continue;
      if (command === 'backfill' && table in RIGHTS.poll) continue;
      for (const privilege of privileges) {
        await client.query(`revoke ${privilege} on ${table} from ${role}`);
        // Changes that the run must write down.
        valve.fwVersion = `${valve.fwVersion ?? ''}.1`;
        project.name += '!';
        await client.query('delete from tasmart_backfills');
        if (command === 'poll')
          await client.query('delete from tasmart_data_table; update tasmart_valves set synced_until = null');
        expect({ table, privilege, code: (await run()).code }).toEqual({ table, privilege, code: 77 });
        await client.query(`grant ${privilege} on ${table} to ${role}`);
      }
    }
  });
});

describe('a role with the least rights', () => {
  test('polls, changes of names and projects included, and polls again', async () => {
    await grant();
    expect(await stage.run(['poll'], asRole())).toMatchObject({ code: 0 });
    await expectWhole(stage);
    const [project] = stage.simulator.projects;
    const [valve] = stage.simulator.valves();
    if (!project || !valve) throw new Error('no valves');
    project.name = 'A new name';
    valve.userId = 'Another name';
    valve.fwVersion = '9.9.9';
    stage.simulator.clock.advance(HOUR_US);
    const again = await stage.run(['poll'], asRole());
    expect({ code: again.code, stderr: again.stderr }).toEqual({ code: 0, stderr: expect.any(String) as string });
    await expectWhole(stage);
    const { rows } = await stage.client.query('select attribute from tasmart_valve_history order by attribute');
    expect(rows).toEqual([{ attribute: 'fw_version' }, { attribute: 'user_id' }]);
  });

  test('backfills and lists the valves', async () => {
    await grant();
    const filled = await stage.run(['backfill', '--from', '2026-03-01T06:00:00Z'], asRole());
    expect({ code: filled.code, stdout: filled.stdout }).toEqual({
      code: 0,
      stdout: expect.stringContaining('48 readings stored') as string,
    });
    const listed = await stage.run(['valves', '--format', 'json'], asRole());
    expect(listed.code).toBe(0);
    const valves = JSON.parse(listed.stdout) as { newest_reading: string | null }[];
    expect(valves.map(({ newest_reading: latest }) => latest?.slice(0, 13))).toEqual(
      Array.from({ length: 3 }, () => '2026-03-01T09'),
    );
    expect(listed.stderr).not.toContain('not shown');
  });

  test('can neither change nor delete a reading, nor touch the schema', async () => {
    await grant();
    const client = new pg.Client(url);
    await client.connect();
    for (const statement of [
      'update tasmart_data_table set measured_flow = 0',
      'delete from tasmart_data_table',
      'truncate tasmart_data_table',
      'delete from tasmart_valves',
      'delete from tasmart_runs',
      'delete from tasmart_backfills',
      'update tasmart_valve_history set new_value = null',
      'update tasmart_project_names set name = null',
      'alter table tasmart_data_table add column more integer',
      'create table of_its_own ()',
    ]) {
      await expect(client.query(statement), statement).rejects.toThrow(/permission denied|must be owner/);
    }
    await client.end();
  });

  /** Each of the grants is needed: without any one of them, a run says which right is missing. */
  test('is told what is missing: 77', async ({ annotate }) => {
    const result = await stage.run(['poll'], asRole());
    expect(result.code).toBe(78); // it sees no schema
    for (const [line, table] of [
      [/grant select on tasmart_migrations.*\n/, 'tasmart_migrations'],
      [/grant select, insert on tasmart_data_table.*\n/, 'tasmart_data_table'],
      [/grant select, insert, update on.*\n/, 'tasmart_runs'],
      [/grant insert on.*\n/, 'tasmart_project_names'],
    ] as const) {
      await stage.client.query(
        `drop owned by ${role}; grant connect on database ${stage.database.database} to ${role}`,
      );
      await grant(LEAST_RIGHTS.replace(line, ''));
      const refused = await stage.run(['poll'], asRole());
      const { msg, remedy } = logLines(refused.stderr).at(-1) ?? {};
      expect({ code: refused.code, msg, remedy }).toEqual({
        code: 77,
        msg: expect.stringContaining(`permission denied for table ${table} (42501)`) as string,
        remedy: 'grant the role what "tasmart migrate --print-grants" prints',
      });
      await annotate(`${table}: ${describeEnd(refused)}`);
    }
    await stage.client.query(`drop owned by ${role}; grant connect on database ${stage.database.database} to ${role}`);
    await grant(LEAST_RIGHTS.replace(/grant select on tasmart_definitions.*\n/, ''));
    const unread = await stage.run(['poll'], asRole());
    const { remedy } = logLines(unread.stderr).at(-1) ?? {};
    expect({ code: unread.code, remedy }).toEqual({
      code: 77,
      remedy: `grant select on tasmart_definitions to ${role}`,
    });
    await expectNothingStored(stage);
    await grant();
    expect((await stage.run(['poll'], asRole())).code).toBe(0);
    await expectWhole(stage);
  });
});
