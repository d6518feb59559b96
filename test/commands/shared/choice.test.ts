/** `--project` and `--valve`, and tables on a narrow terminal. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCli } from '../../support/cli.ts';
import { freshDatabase, type TestDatabase } from '../../support/database.ts';
import { insertReadings, STEADY } from '../counter-readings.ts';

const SPAN = ['--from', '2025-10-26', '--to', '2025-10-28'];

let database: TestDatabase;

/** Two customers call a project of theirs "Sede". Valve b left Torino's for Asti's. */
beforeAll(async () => {
  database = await freshDatabase();
  const client = await database.client();
  await client.query(
    `insert into tasmart_projects (project_id, name, account) values
       ('p1', 'Sede', 'torino'), ('p2', 'Sede', 'asti'), ('p3', 'Caffè', 'asti')`,
  );
  await client.query(
    `insert into tasmart_valves (tasmart_id, project_id, user_id) values
       ('a', 'p1', 'Cucina'), ('b', 'p2', 'A name as long as the label of a valve in a large building'), ('c', 'p3', 'Cucina')`,
  );
  await client.query(
    `insert into tasmart_project_valves (project_id, tasmart_id, last_seen_at) values
       ('p1', 'a', now()), ('p1', 'b', now() - interval '1 year'), ('p2', 'b', now()), ('p3', 'c', now())`,
  );
  await insertReadings(database, 'a', 200, STEADY);
  await insertReadings(database, 'b', 200, (slot) => (slot > 40 && slot < 60 ? null : STEADY(slot + 1_000_000)));
  await insertReadings(database, 'c', 200, (slot) => (slot < 100 ? STEADY(slot) : STEADY(slot - 900)));
});

afterAll(() => database.drop());

function tasmart(args: readonly string[], env: Record<string, string> = {}) {
  return runCli(args, { env: { DATABASE_URL: database.url, ...env } });
}

async function valvesOf(...args: string[]): Promise<string[]> {
  const { stdout, stderr } = await tasmart(['consumption', ...SPAN, '--by', 'total', '--format', 'json', ...args]);
  expect(stderr).toBe('');
  return (JSON.parse(stdout) as { tasmart_id: string }[]).map(({ tasmart_id: id }) => id);
}

describe('--project', () => {
  test('means the valves that the project lists now, by its id or name', async () => {
    expect(await valvesOf('--project', 'p1')).toEqual(['a']);
    expect(await valvesOf('--project', 'p2', '--project', 'CAFFE\u0300')).toEqual(['b', 'c']);
  });

  test('and --valve: a name within the project', async () => {
    expect(await valvesOf('--valve', 'cucina')).toEqual(['a', 'c']);
    expect(await valvesOf('--project', 'Caffè', '--valve', 'cucina')).toEqual(['c']);
  });

  test.each([
    [
      ['consumption', '--project', 'sede'],
      '--project sede is the name of 2 projects: \\"Sede\\" (p1 of account torino)',
    ],
    [
      ['verify', '--project', 'Nord'],
      '--project Nord is not a project that was polled: \\"Caffè\\" (p3 of account asti)',
    ],
    [['events', '--project', 'p1', '--valve', 'b'], 'no valve with readings in \\"p1\\" is called b'],
  ])('%j ends with 78', async (args, words) => {
    const { code, stderr } = await tasmart(args);
    expect({ code, words: stderr.includes(words) ? words : stderr }).toEqual({ code: 78, words });
  });

  test.each(['status', 'verify', 'events', 'report'])('narrows %s', async (command) => {
    const span = command === 'status' ? [] : SPAN;
    const format = command === 'report' ? ['--out', '-'] : ['--format', 'json'];
    const { stdout } = await tasmart([command, ...span, '--project', 'p2', ...format]);
    expect(stdout).toContain('A name as long');
    expect(stdout).not.toContain('Cucina');
  });
});

test.each([
  ['status'],
  ['consumption', ...SPAN, '--by', '15min'],
  ['consumption', ...SPAN, '--matrix'],
  ['events', ...SPAN],
  ['verify', ...SPAN],
])('%s %s fits 60 columns', async (...args) => {
  const { stdout } = await tasmart(args, { COLUMNS: '60' });
  const tables = stdout.split('\n').filter((line) => /\S {2,}\S/.test(line));
  expect(tables.length).toBeGreaterThan(2);
  expect(tables.filter((line) => line.length > 60)).toEqual([]);
});

test('status --watch needs a terminal', async () => {
  expect(await tasmart(['status', '--watch'])).toMatchObject({ code: 64, stdout: '' });
});
