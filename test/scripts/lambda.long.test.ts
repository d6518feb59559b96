import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startSimulator, type Simulator } from '../../scripts/simulator/simulator.ts';
import { REPOSITORY } from '../support/build.ts';
import { emptyDatabase, freshDatabase, type TestDatabase } from '../support/database.ts';
import { holdRunLock } from '../support/run-lock.ts';

/** As Lambda does it: loads the handler by its name, hands it events one after the other. It must end by itself. */
const RUNTIME = `
  const { handler } = await import(process.argv[2]);
  const [events, limitMs] = JSON.parse(process.argv[3]);
  for (const event of events) {
    const context = { getRemainingTimeInMillis: () => limitMs };
    const answer = await handler(event, context).then((value) => ({ value }), (error) => ({ error: error.message }));
    console.log(JSON.stringify(answer));
  }`;

/** What EventBridge sends. */
const SCHEDULED = { source: 'aws.scheduler', 'detail-type': 'Scheduled Event', detail: '{}' };

interface Invoked {
  value?: { status: number; run?: Record<string, unknown>; failures?: unknown[]; output?: string };
  error?: string;
}

let simulator: Simulator;
let database: TestDatabase;
/** the unpacked deployment package, in a folder where nothing else is: no node_modules either */
let task: string;

beforeEach(async () => {
  simulator = await startSimulator({ valves: 3 });
  database = await freshDatabase();
  task = await mkdtemp(join(tmpdir(), 'tasmart-lambda-'));
  for (const part of ['dist', 'sql', 'package.json'])
    await cp(join(REPOSITORY, part), join(task, part), { recursive: true });
  await writeFile(join(task, 'runtime.mjs'), RUNTIME);
});

afterEach(async () => {
  await simulator.close();
  await database.drop();
  await rm(task, { recursive: true });
});

async function invoke(
  events: readonly object[],
  { env = {}, limitMs = 60_000 }: { env?: Record<string, string>; limitMs?: number } = {},
): Promise<{ answers: Invoked[]; log: string }> {
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    ['runtime.mjs', join(task, 'dist', 'lambda.js'), JSON.stringify([events, limitMs])],
    {
      cwd: task,
      timeout: 40_000,
      env: {
        ...simulator.env(),
        DATABASE_URL: database.url,
        TASMART_CONFIG: JSON.stringify({ target_project_name: simulator.projects[0]?.name, requests_per_second: 1000 }),
        TMPDIR: task,
        ...env,
      },
    },
  );
  const lines = stdout.trimEnd().split('\n');
  return { answers: lines.map((line) => JSON.parse(line) as Invoked), log: stderr };
}

test('an event is one poll: its counts are the answer, its log goes to stderr, nothing is left running', async () => {
  const { answers, log } = await invoke([SCHEDULED, SCHEDULED]);
  const [first, second] = answers;
  expect(first?.value).toMatchObject({ status: 0, run: { outcome: 'success', valves: 3, stored: 3 }, failures: [] });
  expect(second?.value).toMatchObject({ status: 0, run: { outcome: 'success', valves: 3 }, failures: [] });
  expect(Object.keys(first?.value ?? {})).toEqual(['status', 'run', 'failures']);
  expect(log).toContain('"msg":"run finished"');
  const client = await database.client();
  const { rows } = await client.query('select mode, outcome from tasmart_runs order by id');
  expect(rows).toEqual([
    { mode: 'poll', outcome: 'success' },
    { mode: 'poll', outcome: 'success' },
  ]);
});

test('config.json may lie in the package', async () => {
  await writeFile(join(task, 'config.json'), JSON.stringify({ target_project_name: simulator.projects[0]?.name }));
  const { answers } = await invoke([{}], { env: { TASMART_CONFIG: ' ' } });
  expect(answers[0]?.value?.run).toMatchObject({ outcome: 'success', stored: 3 });
});

test('what needs a person is an error with what is wrong and the remedy, and never a secret', async () => {
  const { answers } = await invoke([{}], { env: { DATABASE_URL: '', TASMART_CONFIG: '{"intervall_minutes":15}' } });
  expect(answers[0]?.error).toMatch(/ended with status 78: .*\n {2}intervall_minutes .*interval_minutes\?/s);
  const refused = await invoke([{}], { env: { API_KEY: 'wrong-key' } });
  expect(refused.answers[0]?.error).toMatch(/status 77: .* → /s);
  expect(JSON.stringify(refused)).not.toContain('wrong-key');
  const debug = await invoke([{ args: ['--log-level', 'debug', 'poll'] }], { env: { API_KEY: 'wrong-key' } });
  expect(debug.answers[0]?.error).toMatch(/status 77: .*HTTP 401.* → /s);
  const { answers: unreachable } = await invoke([{}], { env: { DATABASE_URL: 'postgres://x:secret@127.0.0.1:1/x' } });
  expect(unreachable[0]?.error).toMatch(/status 74: .*ECONNREFUSED.* → /s);
  expect(unreachable[0]?.error).not.toContain('secret');
});

test('what the next run repairs is none: a valve that fails, another run under way', async () => {
  const [valve] = simulator.valves();
  simulator.faults.add({ fault: { kind: 'status', status: 404 }, match: { valveId: valve?.id ?? '' } });
  const { answers } = await invoke([{}]);
  expect(answers[0]?.value).toMatchObject({ status: 2, run: { outcome: 'partial', stored: 2, failed: 1 } });
  expect(answers[0]?.value?.failures).toHaveLength(1);

  const client = await database.client();
  await holdRunLock(client, simulator.env());
  expect((await invoke([{}])).answers[0]?.value).toEqual({ status: 75 });
});

test('other commands reach a database that only Lambda can reach', async () => {
  const empty = await emptyDatabase();
  try {
    const { answers } = await invoke([{ args: ['migrate'] }, { args: ['nonsense'] }], {
      env: { DATABASE_URL: empty.url },
    });
    expect(answers[0]?.value?.output).toContain('the schema is up to date');
    expect(answers[1]?.error).toMatch(/status 64: .*no command "nonsense"/s);
  } finally {
    await empty.drop();
  }
});

test('an event that is made wrong, or names files of the function, is refused', async () => {
  const events = [
    { args: 'migrate' },
    { args: ['poll', 7] },
    ...[
      ['--config', '/proc/self/environ', 'check'],
      ['--env-file=/etc/passwd', 'check'],
      ['report', '--out', '/tmp/x'],
      ['init', '--database-url', 'embedded:/tmp/x'],
      ['link', '--from', '/etc/passwd'],
      ['--log-level', 'debug', 'link', '--from', '/etc/passwd'],
    ].map((args) => ({ args })),
  ];
  const { answers, log } = await invoke(events);
  const isNoList = 'the event\'s "args" must be a list of texts, such as {"args": ["migrate"]}';
  const refused = (option: string) =>
    `an event must not name files: ${option} is refused (TASMART_CONFIG holds the configuration)`;
  expect(answers.map(({ error }) => error)).toEqual([
    isNoList,
    isNoList,
    ...['--config', '--env-file', '--out', 'init', '--from', '--from'].map(refused),
  ]);
  expect(log).toBe('');
});

test('a time limit that comes first is said, and leaves no lock behind', async () => {
  simulator.settings.latencyMs = 20_000;
  const { answers } = await invoke([{}], { limitMs: 4000 });
  expect(answers[0]?.error).toContain('run_deadline_seconds');
  simulator.settings.latencyMs = 0;
  expect((await invoke([{}])).answers[0]?.value?.run).toMatchObject({ outcome: 'success', stored: 3 });
});
