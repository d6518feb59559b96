import { execFileSync } from 'node:child_process';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { QUICKLY_MS, setStage, type Stage } from '../../faults/support/database-stage.ts';
import { untilSaid, type CliResult } from '../../support/cli.ts';

const SECRET = 'marked-secret';

async function file(stage: Stage, name: string, content: string | Buffer): Promise<string> {
  const path = join(stage.folder, name);
  await writeFile(path, content, { mode: 0o600 });
  return path;
}

/** The database by its parts, without a password. */
function parts({ database: { host, port, user, database } }: Stage): Record<string, string | undefined> {
  return { DATABASE_URL: undefined, DB_HOST: host, DB_PORT: String(port), DB_USER: user, DB_DATABASE: database };
}

function expectConfigError({ code, stderr }: CliResult, ...words: string[]): void {
  expect({ code, stderr }).toMatchObject({ code: 78 });
  for (const word of words) expect(stderr).toContain(word);
  expect(stderr).not.toContain(SECRET);
}

test('every secret is read from the file that is named for it', async () => {
  const stage = await setStage();
  const { API_KEY = '', REQUESTER_ID = '', DATABASE_URL = '' } = stage.env;
  const env = {
    API_KEY: undefined,
    API_KEY_FILE: await file(stage, 'key', `${API_KEY}\n`),
    REQUESTER_ID: undefined,
    REQUESTER_ID_FILE: await file(stage, 'requester', `\uFEFF${REQUESTER_ID}\r\n`),
  };
  const url = { DATABASE_URL: undefined, DATABASE_URL_FILE: await file(stage, 'url', DATABASE_URL) };
  const healthcheck = { HEALTHCHECK_URL_FILE: await file(stage, 'healthcheck', 'http://127.0.0.1:1/uuid') };
  const result = await stage.run(['poll'], { env: { ...env, ...url, ...healthcheck } });
  expect(result).toMatchObject({ code: 0 });
  expect(result.stderr).toContain('HEALTHCHECK_URL: the monitor cannot be reached');
  const password = { DB_PASS_FILE: await file(stage, 'password', stage.database.password) };
  expect(await stage.run(['poll'], { env: { ...env, ...parts(stage), ...password } })).toMatchObject({ code: 0 });
});

test('a file in the environment hides the secret in .env, and the other way round', async () => {
  const stage = await setStage({ valves: 1 });
  const { API_KEY = '', REQUESTER_ID = '' } = stage.env;
  await file(stage, '.env', `API_KEY=${SECRET}\nREQUESTER_ID_FILE=/no/such/file\n`);
  const env = { API_KEY: undefined, API_KEY_FILE: await file(stage, 'key', API_KEY), REQUESTER_ID };
  expect(await stage.run(['poll'], { env })).toMatchObject({ code: 0 });
});

test.for([
  ['is not there', null, 'API_KEY_FILE names a file that cannot be read (ENOENT): '],
  ['is empty', '\n', 'API_KEY_FILE names an empty file: '],
  ['is in UTF-16', Buffer.from(`\uFEFF${SECRET}`, 'utf16le'), 'API_KEY_FILE names a file in UTF-16: save '],
  ['is large', `${SECRET}${'x'.repeat(70_000)}`, 'API_KEY_FILE names a file that is too large for a secret: '],
] as const)('a file that %s: 78, and nothing else is wrong', async ([, content, message]) => {
  const stage = await setStage({ valves: 1 });
  const path = content === null ? join(stage.folder, 'nothing') : await file(stage, 'key', content);
  const result = await stage.run(['poll'], { env: { API_KEY: undefined, API_KEY_FILE: path } });
  expectConfigError(result, message, path);
  expect(result.stderr).not.toContain('is not set');
});

test('a pipe in the place of a secret is refused, not waited for', async () => {
  const stage = await setStage({ valves: 1 });
  const path = join(stage.folder, 'pipe');
  execFileSync('mkfifo', [path]);
  const result = await stage.run(['poll'], { env: { API_KEY: undefined, API_KEY_FILE: path } });
  expectConfigError(result, 'API_KEY_FILE names what is not a plain file: ', path);
});

test('a secret and its file are one too many', async () => {
  const stage = await setStage({ valves: 1 });
  const env = { API_KEY: SECRET, API_KEY_FILE: await file(stage, 'key', SECRET) };
  expectConfigError(await stage.run(['poll'], { env }), 'API_KEY_FILE and API_KEY are both set: keep one');
});

test('a command prints the password of each run; its errors are seen, what it prints never', async () => {
  const stage = await setStage({ valves: 1 });
  const { password } = stage.database;
  const run = (command: string) => stage.run(['poll'], { env: { ...parts(stage), DB_PASS_COMMAND: command } });
  const script = await file(
    stage,
    'token.sh',
    `#!/bin/sh\necho asked >> asked\necho a warning >&2\necho '${password}'\n`,
  );
  await chmod(script, 0o700);
  for (const asked of ['asked\n', 'asked\nasked\n']) {
    const result = await run('./token.sh');
    expect(result).toMatchObject({ code: 0 });
    expect(result.stderr).toContain('a warning\n');
    expect(result.stderr).not.toContain(password);
    expect(await readFile(join(stage.folder, 'asked'), 'utf8')).toBe(asked);
  }
  for (const [command, said] of [
    [`echo ${SECRET}; echo no token >&2; exit 3`, 'DB_PASS_COMMAND ended with status 3'],
    ['true', 'DB_PASS_COMMAND printed nothing'],
    [`echo ${SECRET}; echo ${SECRET}`, 'DB_PASS_COMMAND printed more than one line'],
    ['no-such-command-here', 'DB_PASS_COMMAND ended with status 127'],
    ['yes', 'DB_PASS_COMMAND printed more than a password'],
  ] as const) {
    expectConfigError(await run(command), said);
  }
  const { stderr } = await run(`echo ${SECRET}; echo no token >&2; exit 3`);
  expect(stderr).toContain('no token\n');
});

test.each([
  ['with the run', ['SIGTERM']],
  ['at once by a second signal', ['SIGINT', 'SIGTERM']],
] as const)('a command that never ends is stopped %s, and so is what it has started', async (_when, signals) => {
  const stage = await setStage({ valves: 1 });
  const env = { ...parts(stage), DB_PASS_COMMAND: 'echo at work >&2; sleep 60; true' };
  const running = await stage.start(['migrate'], { env });
  await untilSaid(running, 'at work');
  for (const signal of signals) running.child.kill(signal);
  const result = await running.result; // whatever still ran would hold its standard error open
  expect([130, 143]).toContain(result.code); // two signals may arrive in either order
  expect(result.ms).toBeLessThan(QUICKLY_MS);
});

test.for(['.env', 'config.json'])('%s in UTF-16 is named as such', async (name) => {
  const stage = await setStage({ valves: 1 });
  const path = await file(stage, name, Buffer.from('\uFEFFAPI_KEY=x\n', 'utf16le'));
  const option = name === '.env' ? ['--env-file', path] : ['--config', path];
  expectConfigError(await stage.run([...option, 'poll']), `${path} is in UTF-16`, 'save it as UTF-8');
});

test.for([
  [`{\n  "interval_minutes": 15,\n  "timezone": ${SECRET}\n}`, 'line 3, column 15'],
  [`{"timezone": "Europe/Rome",\n}`, 'line 2, column 1'],
  [`{"timezone": "${SECRET}`, `line 1, column ${14 + SECRET.length + 1}`],
  [`{\n"a": tru }`, 'line 2, column 9'],
  [`// ${SECRET}\n{}`, 'line 1, column 1'],
  [`{"a": "${SECRET}" "b": 1}`, `line 1, column ${10 + SECRET.length}`],
] as const)('%j is no JSON at %s', async ([text, place]) => {
  const stage = await setStage({ valves: 1 });
  const path = await file(stage, 'broken.json', text);
  expectConfigError(await stage.run(['--config', path, 'poll']), `${path} is not valid JSON: ${place}`);
});

test('check names what psql would use and tasmart does not', async () => {
  const stage = await setStage({ valves: 1 });
  const env = { PGPASSFILE: '/etc/pgpass', PGSSLROOTCERT: '/etc/ca.pem' };
  const { stdout } = await stage.run(['check'], { env });
  expect(stdout).toMatch(/– variables of libpq +PGPASSFILE, PGSSLROOTCERT: psql uses them, tasmart does not/);
});

test('an empty variable for a file, as docker compose sets it, hides no secret of the env file', async () => {
  const stage = await setStage();
  const { API_KEY = '' } = stage.env;
  const envFile = await file(stage, 'env', `API_KEY=${API_KEY}\n`);
  const env = { API_KEY: undefined, API_KEY_FILE: '' };
  expect(await stage.run(['--env-file', envFile, 'poll'], { env })).toMatchObject({ code: 0 });
});
