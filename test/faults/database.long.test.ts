import { createServer } from 'node:net';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { describe, expect, test, type TestContext } from 'vitest';
import type { CliResult } from '../support/cli.ts';
import { emptyDatabase } from '../support/database.ts';
import { startPostgres, type TestServer } from '../support/postgres.ts';
import {
  describeEnd,
  expectNothingStored,
  expectRepaired,
  expectWhole,
  holdInserts,
  outcomesOf,
  QUICKLY_MS,
  runsOf,
  sessionsOf,
  setStage,
  untilNoSession,
  untilWaiting,
  type Stage,
} from './support/database-stage.ts';
import { logLines } from '../support/cli.ts';
import { until } from '../support/until.ts';

type Annotate = TestContext['annotate'];

/** The program ended as it should, saying what failed and what to do about it: `msg → remedy`. */
async function expectFailure(result: CliResult, code: number, said: RegExp, annotate: Annotate): Promise<void> {
  const { msg, remedy } = logLines(result.stderr).find(({ level }) => level === 'error') ?? {};
  expect({ code: result.code, said: `${String(msg)} → ${String(remedy)}`, stderr: result.stderr }).toEqual({
    code,
    said: expect.stringMatching(said) as string,
    stderr: expect.not.stringContaining('a defect of tasmart') as string,
  });
  await annotate(describeEnd(result));
}

async function asAdmin<T>(
  { host, port, user, password }: TestServer,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({ host, port, user, password, database: 'postgres' });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

describe('the way to the database', () => {
  test('nothing listens: 74, and HyCloud is not even asked', async ({ annotate }) => {
    const stage = await setStage();
    const env = { DATABASE_URL: 'postgres://tasmart:secret@127.0.0.1:1/tasmart' };
    const result = await stage.run(['poll'], { env });
    await expectFailure(result, 74, /ECONNREFUSED.*nothing listens there: check DB_HOST and DB_PORT/, annotate);
    expect(result.ms).toBeLessThan(QUICKLY_MS);
    expect(stage.simulator.totals().requests).toBe(0);
    await expectRepaired(stage);
  });

  test('a name that does not resolve: 74', async ({ annotate }) => {
    const stage = await setStage();
    const env = { DATABASE_URL: undefined, DB_HOST: 'db.invalid', DB_USER: 'a', DB_PASS: 'b', DB_DATABASE: 'c' };
    const result = await stage.run(['poll'], { env });
    await expectFailure(result, 74, /(ENOTFOUND.*does not resolve|EAI_AGAIN.*DNS does not answer)/, annotate);
  });

  test('a server that takes connections and never says a word: 74 at the deadline', async ({ annotate }) => {
    const stage = await setStage();
    const mute = createServer().listen(0, '127.0.0.1');
    await once(mute, 'listening');
    const { port } = mute.address() as { port: number };
    const env = { DATABASE_URL: `postgres://tasmart:secret@127.0.0.1:${port}/tasmart` };
    const result = await stage.run(['poll'], { env, config: { run_deadline_seconds: 1.5 } });
    mute.close();
    await expectFailure(result, 74, /the database kept the run until its deadline \(1\.5 s\)/, annotate);
    expect(result.ms).toBeLessThan(QUICKLY_MS);
  });

  test('a wrong password: 77', async ({ annotate }) => {
    const stage = await setStage();
    const { host, port, user, database } = stage.database;
    const parts = { DB_HOST: host, DB_PORT: String(port), DB_USER: user, DB_PASS: 'wrong', DB_DATABASE: database };
    const result = await stage.run(['poll'], { env: { DATABASE_URL: undefined, ...parts } });
    await expectFailure(result, 77, /password authentication failed.*28P01.*check DB_USER and DB_PASS/, annotate);
    await expectNothingStored(stage);
    const good = { DATABASE_URL: undefined, ...parts, DB_PASS: stage.database.password };
    expect((await stage.run(['poll'], { env: good })).code).toBe(0);
    await expectWhole(stage);
  });

  test('an unknown user: 77', async ({ annotate }) => {
    const stage = await setStage();
    const { host, port, database } = stage.database;
    const env = { DATABASE_URL: `postgres://nobody-here:x@${host}:${port}/${database}` };
    await expectFailure(await stage.run(['poll'], { env }), 77, /28P01|28000/, annotate);
  });

  test('an unknown database: 74', async ({ annotate }) => {
    const stage = await setStage();
    const env = { DATABASE_URL: stage.database.url.replace(stage.database.database, 'no_such_database') };
    const result = await stage.run(['poll'], { env });
    await expectFailure(result, 74, /"?no_such_database.*3D000.*check DB_DATABASE/, annotate);
  });

  test('too many connections for a moment: the run waits', async () => {
    const stage = await setStage();
    const role = `few_${stage.database.database}`;
    await stage.client.query(`create role ${role} login password 'few' connection limit 0`);
    await stage.client.query(`grant ${stage.database.user} to ${role}`);
    const { host, port, database } = stage.database;
    const env = { DATABASE_URL: `postgres://${role}:few@${host}:${port}/${database}` };
    const { result } = await stage.start(['poll'], { env });
    await delay(1000);
    await stage.client.query(`alter role ${role} connection limit 5`);
    const { code, stderr } = await result;
    await stage.client.query(`drop role ${role}`);
    expect({ code, stderr }).toMatchObject({ code: 0 });
  });
});

describe('going down', () => {
  test('in the middle of a run: 74 at once, and the rest is not fetched', async ({ annotate }) => {
    const stage = await setStage();
    const server = await startPostgres();
    const { host, port, user, password } = server;
    await asAdmin(server, (admin) => admin.query('create database tasmart'));
    const env = { DATABASE_URL: `postgres://${user}:${password}@${host}:${port}/tasmart` };
    expect((await stage.run(['migrate'], { env })).code).toBe(0);
    stage.simulator.faults.add({ match: { path: /points/ }, fault: { kind: 'silence' } });
    const { result } = await stage.start(['poll'], { env });
    await until('a request for points', () => stage.simulator.log.some(({ path }) => path.includes('points')));
    const stoppedMs = performance.now();
    await server.stop();
    const ended = await result;
    expect(performance.now() - stoppedMs).toBeLessThan(QUICKLY_MS);
    await expectFailure(ended, 74, /57P01.*shutting down, starting or failing over.*next run will catch up/, annotate);
    stage.simulator.faults.clear();
    await expectRepaired(stage);
  });

  test('a failover in a transaction: 74, nothing of the transaction stays', async ({ annotate }) => {
    const stage = await setStage();
    const release = await holdInserts(stage);
    const { result } = await stage.start();
    await untilWaiting(stage);
    for (const { pid } of await sessionsOf(stage)) await stage.client.query('select pg_terminate_backend($1)', [pid]);
    const ended = await result;
    await expectFailure(ended, 74, /terminating connection.*57P01.*next run will catch up/, annotate);
    await release();
    await expectNothingStored(stage);
    expect(await outcomesOf(stage.client)).toEqual([null]);
    await expectRepaired(stage);
    expect(await outcomesOf(stage.client)).toEqual(['killed', 'success']);
  });

  test('a failover while HyCloud is being read: 74 at once', async ({ annotate }) => {
    const stage = await setStage();
    stage.simulator.faults.add({ match: { path: /projects/ }, fault: { kind: 'silence' } });
    const { result } = await stage.start();
    await until('a request', () => stage.simulator.log.length > 0);
    const killedMs = performance.now();
    for (const { pid } of await sessionsOf(stage)) await stage.client.query('select pg_terminate_backend($1)', [pid]);
    const ended = await result;
    expect(performance.now() - killedMs).toBeLessThan(QUICKLY_MS);
    await expectFailure(ended, 74, /57P01/, annotate);
    stage.simulator.faults.clear();
    await expectRepaired(stage);
  });

  test('migrate, its backend terminated while it waits for a lock: 74', async ({ annotate }) => {
    const stage = await setStage({}, emptyDatabase);
    const holder = await stage.database.client();
    await holder.query('select pg_advisory_lock(1952543597, 1835624306)');
    const { result } = await stage.start(['migrate']);
    await untilWaiting(stage);
    for (const { pid } of await sessionsOf(stage)) await stage.client.query('select pg_terminate_backend($1)', [pid]);
    await expectFailure(await result, 74, /57P01/, annotate);
  });
});

describe('a server that refuses to write', () => {
  async function expectRefusal(stage: Stage, message: RegExp, annotate: Annotate): Promise<void> {
    await expectFailure(await stage.run(), 74, message, annotate);
    await expectNothingStored(stage);
  }

  test('read-only: 74, before HyCloud is asked', async ({ annotate }) => {
    const stage = await setStage();
    const { database } = stage.database;
    await stage.client.query(`alter database ${database} set default_transaction_read_only = on`);
    await expectRefusal(stage, /25006.*read-only replica: use the writer endpoint/, annotate);
    expect(stage.simulator.totals().requests).toBe(0);
    await stage.client.query(`alter database ${database} reset default_transaction_read_only`);
    await expectRepaired(stage);
  });

  test('read-only from the middle of a run on: 74', async ({ annotate }) => {
    const stage = await setStage();
    await raiseOnInsert(stage, '25006', 'cannot execute INSERT in a read-only transaction');
    await expectRefusal(stage, /25006.*after a failover the next run will catch up/, annotate);
    expect((await runsOf(stage.client))[0]).toMatchObject({ outcome: 'failed', stored: 0 });
    await stage.client.query('drop trigger raise on tasmart_data_table');
    await expectRepaired(stage);
  });

  test('disk full: 74, nothing half done', async ({ annotate }) => {
    const stage = await setStage();
    await raiseOnInsert(stage, '53100', 'could not extend file "base/1/2": No space left on device');
    await expectRefusal(stage, /No space left on device.*53100.*its disk is full: give it more storage/, annotate);
    await stage.client.query('drop trigger raise on tasmart_data_table');
    await expectRepaired(stage);
    expect(await outcomesOf(stage.client)).toEqual(['failed', 'success']);
  });

  test('a statement that takes too long: 74', async ({ annotate }) => {
    const stage = await setStage();
    await raiseOnInsert(stage, '57014', 'canceling statement due to statement timeout');
    await expectRefusal(stage, /57014.*a statement took too long: look for locks and load/, annotate);
    await stage.client.query('drop trigger raise on tasmart_data_table');
    await expectRepaired(stage);
  });

  test('a deadlock: 74', async ({ annotate }) => {
    const stage = await setStage();
    await raiseOnInsert(stage, '40P01', 'deadlock detected');
    await expectRefusal(stage, /deadlock detected.*40P01.*next run will catch up/, annotate);
    await stage.client.query('drop trigger raise on tasmart_data_table');
    await expectRepaired(stage);
  });

  async function raiseOnInsert({ client }: Stage, code: string, message: string): Promise<void> {
    await client.query(`
      create function raise_it() returns trigger language plpgsql as $$
      begin raise exception '%', '${message}' using errcode = '${code}'; end $$;
      create trigger raise before insert on tasmart_data_table for each row execute function raise_it()`);
  }
});

describe('a table that another session locks', () => {
  async function lock(stage: Stage, table: string): Promise<() => Promise<unknown>> {
    const holder = await stage.database.client();
    await holder.query(`begin; lock table ${table} in access exclusive mode`);
    return () => holder.query('rollback');
  }

  test('the run ends at its deadline, 74, and what waits is gone soon', async ({ annotate }) => {
    const stage = await setStage();
    const unlock = await lock(stage, 'tasmart_data_table');
    const result = await stage.run(['poll'], { config: { run_deadline_seconds: 4 } });
    await expectFailure(result, 74, /the database kept the run until its deadline \(4 s\)/, annotate);
    expect(result.ms).toBeLessThan(QUICKLY_MS);
    await unlock();
    await expectNothingStored(stage);
    await untilNoSession(stage);
    await expectRepaired(stage);
    expect(await outcomesOf(stage.client)).toEqual(['killed', 'success']);
  });

  test('SIGTERM ends a run that waits: 143', async ({ annotate }) => {
    const stage = await setStage();
    const unlock = await lock(stage, 'tasmart_data_table');
    const { child, result } = await stage.start();
    await untilWaiting(stage);
    const killedMs = performance.now();
    child.kill('SIGTERM');
    const ended = await result;
    expect(performance.now() - killedMs).toBeLessThan(QUICKLY_MS);
    expect({ code: ended.code, stderr: ended.stderr }).toMatchObject({
      code: 143,
      stderr: expect.stringContaining('interrupted by SIGTERM: what was stored stays, the next run goes on') as string,
    });
    await annotate(describeEnd(ended));
    await unlock();
    await untilNoSession(stage);
    await expectRepaired(stage);
  });

  test('a lock that is freed in time costs nothing but the time', async () => {
    const stage = await setStage();
    const unlock = await lock(stage, 'tasmart_valves');
    const { result } = await stage.start();
    await untilWaiting(stage);
    await unlock();
    expect((await result).code).toBe(0);
    await expectWhole(stage);
  });

  test('a poll and a backfill never wait for each other in a circle', async () => {
    const stage = await setStage({ valves: 60 });
    expect((await stage.run()).code).toBe(0);
    const args = ['backfill', '--from', '2026-03-01T08:00:00Z', '--to', '2026-03-01T10:00:00Z'];
    for (const round of [1, 2, 3]) {
      stage.simulator.clock.advance(15 * 60 * 1_000_000);
      const ended = await Promise.all([stage.run(), stage.run(args)]);
      expect(ended.map(({ code }) => ({ round, code }))).toEqual([
        { round, code: 0 },
        { round, code: 0 },
      ]);
    }
    await expectWhole(stage);
  });
});

describe('a schema that is not ours', () => {
  async function expectSchemaError(stage: Stage, message: RegExp, annotate: Annotate): Promise<void> {
    await expectFailure(await stage.run(), 78, message, annotate);
    expect(stage.simulator.totals().requests).toBe(0);
  }

  test('none: 78, run migrate; and then it works', async ({ annotate }) => {
    const stage = await setStage({}, emptyDatabase);
    await expectSchemaError(stage, /has no tasmart schema yet.*run "tasmart migrate"/, annotate);
    expect((await stage.run(['migrate'])).code).toBe(0);
    await expectRepaired(stage);
  });

  test('older, or a migration was stopped half-way: 78, run migrate; and then it works', async ({ annotate }) => {
    const stage = await setStage({}, emptyDatabase);
    // The fifth migration fails, those before it are committed.
    await stage.client.query('create table tasmart_backfills ()');
    const migrated = await stage.run(['migrate']);
    expect({ code: migrated.code, stderr: migrated.stderr }).toEqual({
      code: 74,
      stderr: expect.stringMatching(/0006_backfill\.sql.*already exists.*Nothing of this migration was kept/) as string,
    });
    await expectSchemaError(
      stage,
      /not that of this program \(\d+ migrations? behind\).*run "tasmart migrate"/,
      annotate,
    );
    await stage.client.query('drop table tasmart_backfills');
    expect((await stage.run(['migrate'])).code).toBe(0);
    await expectRepaired(stage);
  });

  test('newer: 78, update tasmart', async ({ annotate }) => {
    const stage = await setStage();
    await stage.client.query("insert into tasmart_migrations values (9999, '9999_future.sql', 'x', now())");
    await expectSchemaError(stage, /newer than this program: it has 9999_future\.sql.*update tasmart/, annotate);
    const migrated = await stage.run(['migrate']);
    expect({ code: migrated.code, stderr: migrated.stderr }).toEqual({
      code: 78,
      stderr: expect.stringContaining('Nothing was touched; update tasmart.') as string,
    });
  });

  test('altered: 78, install it as it was released', async ({ annotate }) => {
    const stage = await setStage();
    await stage.client.query("update tasmart_migrations set sha256 = 'other' where number = 3");
    await expectSchemaError(stage, /0003_registry\.sql has changed since.*as it was released/, annotate);
    expect((await stage.run(['migrate'])).code).toBe(78);
  });

  test('a table that somebody dropped: 78', async ({ annotate }) => {
    const stage = await setStage();
    await stage.client.query('drop table tasmart_backfills');
    const result = await stage.run(['backfill', '--from', '2026-03-01T09:00:00Z']);
    await expectFailure(result, 78, /tasmart_backfills.*does not exist.*42P01/, annotate);
  });
});
