import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chown, chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { withConnection, type Database } from '../../src/database/connection.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';
import { until } from '../support/until.ts';

let database: TestDatabase;
beforeEach(async () => {
  database = await freshDatabase();
});
afterEach(() => database.drop());

function session<T>(use: (db: Database) => Promise<T>, change: { port?: number } = {}): Promise<T> {
  const { host, port, user, password, database: name } = database;
  const settings = {
    host,
    port,
    user,
    password,
    database: name,
    sslMode: 'disable',
    sslCaFile: null,
    ...change,
  } as const;
  return withConnection(settings, { applicationName: 'test', giveUp: new AbortController().signal }, use);
}

async function setting(db: Database, name: string): Promise<string | undefined> {
  const [row] = await db.query<{ value: string }>('select current_setting($1) as value', [name]);
  return row?.value;
}

describe('a schema in which others may create', () => {
  const mallory = () => `mallory_${database.database}`;

  /** An operator that fits our columns better than PostgreSQL's own, and a function that it runs. */
  async function plant(): Promise<void> {
    const client = await database.client();
    await client.query(`
      create role ${mallory()};
      grant create on schema public to public;
      set role ${mallory()};
      create function public.steal(varchar, varchar) returns boolean language plpgsql as
        $$ begin raise exception 'code of another ran as %', current_user; end $$;
      create operator public.= (leftarg = varchar, rightarg = varchar, function = public.steal);
      create function public.steal(oid, regclass) returns boolean language plpgsql as
        $$ begin raise exception 'code of another ran as %', current_user; end $$;
      create operator public.= (leftarg = oid, rightarg = regclass, function = public.steal);
      create function public.now(text default 'x') returns timestamptz language sql as 'select pg_catalog.now()';
      reset role`);
  }

  afterEach(async () => {
    const client = await database.client();
    await client.query(`drop owned by ${mallory()}; drop role ${mallory()}`);
  });

  test('with code of theirs: nothing of ours runs beside it', async () => {
    await plant();
    const work = session((db) => db.query('select from tasmart_valves where tasmart_id = tasmart_id'));
    await expect(work).rejects.toMatchObject({
      kind: 'config',
      message:
        'schema public holds what would run with your rights: ' +
        `function public.now(text) of role ${mallory()}, ` +
        `operator public.=(character varying,character varying) of role ${mallory()}, ` +
        `operator public.=(oid,regclass) of role ${mallory()}`,
      remedy: 'drop it, and let nobody else create there: revoke create on schema public from public',
    });
  });
});

test('names are looked up where the tables are, whatever the search path of the role', async () => {
  const client = await database.client();
  await client.query(`
    create schema other; create table other.tasmart_valves (); create schema tasmart;
    alter table tasmart_migrations set schema tasmart;
    alter database ${database.database} set search_path = other, tasmart, public`);
  expect(await session((db) => setting(db, 'search_path'))).toBe('tasmart, pg_temp');
});

test('what the server sets for every session does not concern ours', async () => {
  const client = await database.client();
  await client.query(`
    alter database ${database.database} set default_transaction_isolation = 'serializable';
    alter database ${database.database} set idle_session_timeout = '100ms'`);
  await session(async (db) => {
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await setting(db, 'transaction_isolation')).toBe('read committed');
    expect(await setting(db, 'idle_session_timeout')).toBe('1h');
  });
});

test('a program that was stopped for too long is told that its session ended for it', async () => {
  const work = session(async (db) => {
    await db.query(`set idle_session_timeout = '50ms'`);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await db.query('select 1');
  });
  await expect(work).rejects.toMatchObject({
    kind: 'database',
    code: '57P05',
    remedy: 'the session was idle for too long: this program or machine was stopped; the next run will catch up',
  });
});

test('where nothing answers the login, it is said after ten seconds', async () => {
  const silent = createServer((socket) => void socket.on('error', () => undefined));
  await once(silent.listen(0, '127.0.0.1'), 'listening');
  const { port } = silent.address() as AddressInfo;
  await expect(session(() => Promise.resolve(), { port })).rejects.toMatchObject({
    kind: 'database',
    remedy:
      'nothing answers there: check DB_HOST and DB_PORT, and the firewall or security group; the next run will catch up',
  });
  silent.close();
});

describe('pgbouncer', () => {
  let bouncer: ChildProcess | undefined;
  let folder: string;

  afterEach(async () => {
    if (!bouncer) return;
    if (isRunning(bouncer)) {
      const ended = once(bouncer, 'exit');
      bouncer.kill('SIGKILL');
      await ended;
    }
    bouncer = undefined;
    await rm(folder, { recursive: true });
  });

  /** null: it is not installed */
  async function startBouncer(poolMode: string, poolSize: number, setting = ''): Promise<number | null> {
    folder = await mkdtemp(join(tmpdir(), 'tasmart-pgbouncer-'));
    const port = await freePort();
    const file = join(folder, 'pgbouncer.ini');
    const { host, user, password, port: serverPort } = database;
    await writeFile(
      file,
      `[databases]
* = host=${host} port=${serverPort} user=${user} password=${password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = ${poolMode}
default_pool_size = ${poolSize}
${setting}
`,
    );
    const account = userInfo().uid === 0 ? { uid: 65534, gid: 65534 } : null;
    if (account) await chown(file, account.uid, account.gid);
    await chmod(folder, 0o755);
    const child = spawn('pgbouncer', [file], {
      stdio: 'ignore',
      env: { PATH: '/usr/sbin:/usr/bin:/bin' },
      ...account,
    });
    const started = await new Promise((resolve) => {
      child.once('error', () => resolve(false)).once('spawn', () => resolve(true));
    });
    if (!started) {
      await rm(folder, { recursive: true });
      return null;
    }
    bouncer = child;
    await until('pgbouncer', async () => !isRunning(child) || (await isOpen(port)));
    if (!isRunning(child)) throw new Error(`pgbouncer ended by itself, with ${child.exitCode ?? child.signalCode}`);
    return port;
  }

  function isRunning({ exitCode, signalCode }: ChildProcess): boolean {
    return exitCode === null && signalCode === null;
  }

  /** Below the ports that Linux gives to outgoing connections, which other tests open all the time. */
  async function freePort(): Promise<number> {
    for (let port = 20_000 + (process.pid % 10_000); ; port++) if (!(await isOpen(port))) return port;
  }

  function isOpen(port: number): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
  }

  test.for([
    ['transaction', 1],
    ['transaction', 2],
    ['transaction', 20],
    ['statement', 20],
  ] as const)('in %s mode, %d sessions of the server: refused', async ([mode, poolSize], { skip }) => {
    const port = await startBouncer(mode, poolSize);
    if (port === null) return skip('pgbouncer is not installed');
    await expectRefused(port);
  });

  test('in transaction mode, two sessions of the server by turns: refused', async ({ skip }) => {
    const port = await startBouncer('transaction', 2, 'server_round_robin = 1');
    if (port === null) return skip('pgbouncer is not installed');
    const pool = { ...database, port, ssl: false };
    const clients = [new pg.Client(pool), new pg.Client(pool)];
    for (const client of clients) await client.connect();
    await Promise.all(clients.map((client) => client.query('select pg_sleep(0.1)'))); // now the server has both
    for (const client of clients) await client.end();
    await expectRefused(port);
  });

  function expectRefused(port: number): Promise<void> {
    return expect(session(() => Promise.resolve(), { port })).rejects.toMatchObject({
      kind: 'config',
      message: 'a connection pooler in transaction or statement mode shares the database session with others',
      remedy: 'connect to the server itself, or to a pool in session mode (pgbouncer: pool_mode = session)',
    });
  }

  test.for([1, 20])('in session mode, %d sessions of the server: taken', async (poolSize, { skip }) => {
    const port = await startBouncer('session', poolSize);
    if (port === null) return skip('pgbouncer is not installed');
    expect(await session((db) => setting(db, 'statement_timeout'), { port })).toBe('1min');
  });
});
