import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startSimulator, type Simulator } from '../../scripts/simulator/simulator.ts';
import { parse as parseEnvFile } from 'dotenv';
import { CLI } from '../support/build.ts';
import { runCli, type CliResult } from '../support/cli.ts';
import { emptyDatabase, freshDatabase, type TestDatabase } from '../support/database.ts';

const KEY = 'simulated-api-key';
const REQUESTER = 'simulated-requester-id';

let folder: string;
let hycloud: Simulator;
let database: TestDatabase;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tasmart-init-'));
  hycloud = await startSimulator({ valves: [2, 1] });
  database = await freshDatabase();
});

afterEach(async () => {
  await hycloud.close();
  await database.drop();
  await rm(folder, { recursive: true });
});

const fileIn = (name: string) => join(folder, name);
const textOf = (name: string) => readFile(fileIn(name), 'utf8');
const project = (at: number) => hycloud.projects[at]?.name ?? expect.fail('no such project');

async function init(args: readonly string[] = [], env: Record<string, string> = {}): Promise<CliResult> {
  const variables = { HYCLOUD_BASE_URL: hycloud.baseUrl, ...env };
  return runCli(['--log-format', 'pretty', 'init', ...args], { cwd: folder, env: variables });
}

const given = () => ({ API_KEY: KEY, REQUESTER_ID: REQUESTER, DATABASE_URL: database.url });

describe('without a terminal it asks nothing', () => {
  test('options give everything: both files are written, readable by their owner alone, and checked', async () => {
    await writeFile(fileIn('key'), `${KEY}\n`);
    const options = ['--api-key-file', 'key', '--requester-id', REQUESTER, '--database-url', database.url];
    const { code, stdout, stderr } = await init([...options, '--project', project(1)]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(await textOf('config.json'))).toEqual({
      target_project_name: project(1),
      target_project_id: hycloud.projects[1]?.id,
    });
    expect(parseEnvFile(await textOf('.env'))).toEqual({
      API_KEY: KEY,
      REQUESTER_ID: REQUESTER,
      DATABASE_URL: database.url,
      HYCLOUD_BASE_URL: hycloud.baseUrl,
    });
    for (const name of ['config.json', '.env']) expect((await stat(fileIn(name))).mode & 0o777).toBe(0o600);
    expect(stdout).toMatch(/✓ target +".*" \(1 valve\)/);
    expect(stdout).toMatch(
      /backfill --from 30d\n.*\n.* consumption\n.*\n.*report --out .*\n.*\n {2}\*\/15 \* \* \* \* sleep 5; /,
    );
    expect(stdout).not.toContain(KEY);
  });

  test('a file that cannot be written is refused before HyCloud is asked', async () => {
    const args = ['--project', project(1), '--config', 'nowhere/config.json'];
    const { code, stdout, stderr } = await init(args, given());
    expect({ code, stdout }).toEqual({ code: 78, stdout: '' });
    expect(stderr).toContain('nowhere/config.json cannot be written (ENOENT)');
    expect(hycloud.log).toEqual([]);
  });

  test('variables do too, in the plain form or as files', async () => {
    await writeFile(fileIn('secret'), KEY);
    const variables = { ...given(), API_KEY: '', API_KEY_FILE: 'secret' };
    expect((await init(['--project', hycloud.projects[0]?.id ?? ''], variables)).code).toBe(0);
    const written = parseEnvFile(await textOf('.env'));
    expect(written).toMatchObject({ API_KEY_FILE: 'secret', REQUESTER_ID: REQUESTER });
    expect(written['API_KEY']).toBeUndefined();
  });

  test.each([
    [{}, 64, 'missing --requester-id <id> (or REQUESTER_ID), --api-key-file <file> (or API_KEY), --database-url'],
    [{ API_KEY: KEY, REQUESTER_ID: REQUESTER }, 64, 'missing --database-url <url> (or DATABASE_URL)\n'],
    [{ REQUESTER_ID: 'wrong' }, 77, 'HyCloud refuses this requester id'],
    [{ API_KEY: 'wrong' }, 77, 'HyCloud refuses this key'],
    [{ DATABASE_URL: 'mysql://host/name' }, 78, 'DATABASE_URL is neither postgresql://'],
    [{ DATABASE_URL: 'postgresql://user:secret-word@127.0.0.1:1/name' }, 74, 'ECONNREFUSED'],
    [{ args: ['--project', 'Nowhere'] }, 78, '--project Nowhere is not a project that the key sees: "'],
    [{ args: [] }, 78, 'the key sees 2 projects: "'],
  ])('%j: %i', async ({ args = ['--project', project(0)], ...variables }: Record<string, unknown>, status, words) => {
    const complete = status === 64 ? variables : { ...given(), ...variables };
    const { code, stderr } = await init(args as string[], complete as Record<string, string>);
    expect({ code, stderr }).toEqual({ code: status, stderr: expect.stringContaining(words) as string });
    expect(stderr).not.toMatch(/secret-word|simulated-api-key/);
    expect(['config.json', '.env'].map((name) => existsSync(fileIn(name)))).toEqual([false, false]);
  });

  test('a server without a schema: it is told, and made with --migrate', async () => {
    const empty = await emptyDatabase();
    const variables = { ...given(), DATABASE_URL: empty.url };
    const args = ['--project', project(0)];
    const without = await init(args, variables);
    expect(without).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('its schema is missing: run "tasmart') as string,
    });
    const made = await init([...args, '--migrate', '--force'], variables);
    expect(made).toMatchObject({ code: 0, stdout: expect.stringContaining('its schema is up to date') as string });
    await empty.drop();
  });

  test('a schema that a newer program made is refused, and nothing is written', async () => {
    await (
      await database.client()
    ).query(`insert into tasmart_migrations (number, name, sha256) values (9999, '9999_later.sql', 'x')`);
    expect(
      await init(['--database-url', database.url, '--project', project(0)], { API_KEY: KEY, REQUESTER_ID: REQUESTER }),
    ).toMatchObject({
      code: 78,
      stderr: expect.stringContaining('9999_later.sql') as string,
    });
    expect(existsSync(fileIn('.env'))).toBe(false);
  });

  test('files that are there are kept, or replaced where that is said', async () => {
    await writeFile(
      fileIn('.env'),
      `# mine\nAPI_KEY='${KEY}'\nREQUESTER_ID=${REQUESTER}\nDB_HOST=\nHEALTHCHECK_URL=\n`,
    );
    const before = await textOf('.env');
    await writeFile(fileIn('config.json'), '{}');
    const args = ['--project', project(0), '--database-url', database.url];
    const refused = await init(args);
    expect(refused).toMatchObject({
      code: 78,
      stderr: expect.stringContaining('config.json is here already') as string,
    });
    expect([await textOf('config.json'), await textOf('.env')]).toEqual(['{}', before]);

    await rm(fileIn('config.json'));
    expect((await init(args)).code).toBe(0);
    const after = await textOf('.env');
    expect(after).toContain(`# mine\nAPI_KEY='${KEY}'\n`);
    expect(parseEnvFile(after)).toMatchObject({ DATABASE_URL: database.url, HEALTHCHECK_URL: '' });

    const other = await init(['--project', project(1), '--database-url', 'embedded:./other', '--force']);
    expect(other.code).toBe(0);
    expect(parseEnvFile(await textOf('.env'))['DATABASE_URL']).toBe('embedded:./other');
    expect(JSON.parse(await textOf('config.json'))).toMatchObject({ target_project_name: project(1) });
  });
});

test('an option replaces a variable that names a file with another secret', async () => {
  const empty = 'embedded:./never-made';
  await Promise.all([
    writeFile(fileIn('old-key'), 'old'),
    writeFile(fileIn('old-url'), empty),
    writeFile(fileIn('key'), KEY),
  ]);
  await writeFile(
    fileIn('.env'),
    `API_KEY_FILE=old-key\nDATABASE_URL_FILE=old-url\nDB_PASS_FILE=old-key\nREQUESTER_ID=${REQUESTER}\n`,
  );
  const args = ['--api-key-file', 'key', '--database-url', database.url, '--project', project(0)];
  expect(await init(args)).toMatchObject({
    code: 78,
    stderr: expect.stringContaining('.env sets API_KEY_FILE, DATABASE_URL_FILE, DB_PASS_FILE otherwise') as string,
  });
  expect((await init([...args, '--force'])).code).toBe(0);
  expect(parseEnvFile(await textOf('.env'))).toEqual({
    API_KEY: KEY,
    REQUESTER_ID: REQUESTER,
    DATABASE_URL: database.url,
    HYCLOUD_BASE_URL: hycloud.baseUrl,
  });
});

test('a variable that names a file replaces the secret itself', async () => {
  await writeFile(fileIn('secret'), KEY);
  await writeFile(fileIn('.env'), `API_KEY=old\nREQUESTER_ID=${REQUESTER}\n`);
  const variables = { ...given(), API_KEY: '', API_KEY_FILE: 'secret' };
  expect((await init(['--project', project(0), '--force'], variables)).code).toBe(0);
  const written = parseEnvFile(await textOf('.env'));
  expect([written['API_KEY_FILE'], written['API_KEY']]).toEqual(['secret', undefined]);
});

const SCRIPT = '/usr/bin/script';

describe.skipIf(process.platform !== 'linux' || !existsSync(SCRIPT))('on a terminal', () => {
  /** Types each answer when its question has come. Returns what stood on the screen. */
  async function converse(answers: readonly (readonly [question: string, answer: string])[]) {
    const child = spawn(SCRIPT, ['-qec', `exec "${process.execPath}" "${CLI}" init`, '/dev/null'], {
      cwd: folder,
      env: {
        PATH: process.env['PATH'],
        HOME: folder,
        SHELL: '/bin/sh',
        HYCLOUD_BASE_URL: hycloud.baseUrl,
        LANG: 'C.UTF-8',
        NO_COLOR: '1',
      },
    });
    let screen = '';
    let answered = 0;
    const left = [...answers];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      screen += text;
      for (let [next] = left; next; [next] = left) {
        const [question, answer] = next;
        const at = screen.indexOf(question, answered);
        if (at < 0) return;
        answered = at + question.length;
        left.shift();
        child.stdin.write(answer);
      }
    });
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, screen: screen.replaceAll('\r\n', '\n'), unasked: left.map(([question]) => question) };
  }

  test('it asks, tries each answer at once, asks again for a wrong one, and shows no secret', async () => {
    const { host, port, user, password } = database;
    const { code, screen, unasked } = await converse([
      ['Requester id', 'wrong\r'],
      ['HyCloud refuses this requester id', ''],
      ['Requester id', `${REQUESTER}\r`],
      ['API key', 'wrong-key\r'],
      ['API key', `${KEY}\r`],
      ['Which of them?', '3\r'],
      ['Which of them?', '2,\r'],
      ['Folder or host name', `${host}\r`],
      ['Port', `${port}\r`],
      ['Database', `${database.database}\r`],
      ['User', `${user}\r`],
      ['Password', 'wrong-password\r'],
      ['Folder or host name', `${host}\r`],
      ['Port', `${port}\r`],
      ['Database', `${database.database}\r`],
      ['User', `${user}\r`],
      ['Password', `${password}\r`],
    ]);
    expect({ code, unasked }).toEqual({ code: 0, unasked: [] });
    expect(screen).toContain('✓ the database is ready');
    for (const secret of ['wrong-key', KEY, 'wrong-password', password]) expect(screen).not.toContain(secret);
    expect(JSON.parse(await textOf('config.json'))).toMatchObject({ target_project_id: expect.any(String) as string });
    expect(parseEnvFile(await textOf('.env'))).toMatchObject({ API_KEY: KEY, DB_HOST: host, DB_PASS: password });
  });

  test('a folder may be written as in DATABASE_URL, but not with a ~, which would become a folder of that name', async () => {
    await writeFile(fileIn('taken'), 'a file');
    const { code, screen, unasked } = await converse([
      ['Requester id', `${REQUESTER}\r`],
      ['API key', `${KEY}\r`],
      ['Which of them?', '2\r'],
      ['Folder or host name', '~/data\r'],
      ['✗ write the whole path: "~" stands for no folder here', ''],
      ['Folder or host name', 'embedded:~/data\r'],
      ['✗ write the whole path: "~" stands for no folder here', ''],
      ['Folder or host name', 'embedded:taken\r'],
      ['✗ ', ''],
      ['Folder or host name', '\u0003'],
    ]);
    expect({ code, unasked }).toEqual({ code: 130, unasked: [] });
    expect(screen).toMatch(/✗ the embedded PostgreSQL .*taken/);
    expect(existsSync(fileIn('~'))).toBe(false);
  });

  test('Ctrl-C ends it, and nothing is written', async () => {
    const { code } = await converse([['Requester id', '\u0003']]);
    expect(code).toBe(130);
    expect(existsSync(fileIn('.env'))).toBe(false);
  });

  test('so does the end of the input', async () => {
    const { code, screen } = await converse([['Requester id', '\u0004']]);
    expect({ code, screen }).toEqual({ code: 64, screen: expect.stringContaining('the input ended before') as string });
  });
});
