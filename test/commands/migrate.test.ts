import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { REPOSITORY } from '../support/build.ts';
import { emptyDatabase } from '../support/database.ts';
import {
  expectRepaired,
  QUICKLY_MS,
  setStage,
  untilNoSession,
  untilWaiting,
} from '../faults/support/database-stage.ts';

const list = async (folder: string) =>
  (await readdir(join(REPOSITORY, folder))).filter((name) => name.endsWith('.sql')).sort();
const MIGRATIONS = await list('sql');
const FILES = [...MIGRATIONS, ...(await list('sql/definitions')).map((name) => `definitions/${name}`)];

test('creates the schema, says what it did, and nothing the second time', async () => {
  const stage = await setStage({}, emptyDatabase);
  const applied = FILES.map((name) => `applied ${name}\n`).join('');
  const first = await stage.run(['migrate']);
  expect({ code: first.code, stdout: first.stdout, stderr: first.stderr }).toEqual({
    code: 0,
    stdout: `${applied}the schema is up to date: ${FILES.length} files applied\n`,
    stderr: '',
  });
  const second = await stage.run(['migrate']);
  expect(second).toMatchObject({ code: 0, stdout: 'the schema is up to date: nothing to do\n', stderr: '' });
  await expectRepaired(stage);
});

test('five at once: each migration is applied once, and all end well', async () => {
  const stage = await setStage({}, emptyDatabase);
  const results = await Promise.all(Array.from({ length: 5 }, () => stage.run(['migrate'])));
  expect(results.map(({ code, stderr }) => ({ code, stderr }))).toEqual(results.map(() => ({ code: 0, stderr: '' })));
  const applied = results.flatMap(({ stdout }) => [...stdout.matchAll(/^applied (.*)$/gm)].map(([, name]) => name));
  expect(applied.sort()).toEqual(FILES);
  await expectRepaired(stage);
});

test.each(['SQL_ASCII', 'LATIN1'])('refuses a database in %s before it touches it', async (encoding) => {
  const stage = await setStage({}, () => emptyDatabase(`encoding '${encoding}' lc_collate 'C' lc_ctype 'C'`));
  const { code, stdout, stderr } = await stage.run(['migrate']);
  expect({ code, stdout }).toEqual({ code: 78, stdout: '' });
  expect(stderr).toContain(`the database is encoded in ${encoding}, not UTF8. Nothing was touched`);
  const { rows } = await stage.client.query(`select to_regclass('tasmart_migrations') as found`);
  expect(rows).toEqual([{ found: null }]);
  expect((await stage.run(['check'])).stdout).toMatch(
    new RegExp(`✗ database .*encoded in ${encoding}, not UTF8\n +→ create one with`),
  );
});

test('says which migrations were applied, though a later one fails', async () => {
  const stage = await setStage({}, emptyDatabase);
  await stage.client.query('create table tasmart_projects (in_the_way integer)');
  const { code, stdout, stderr } = await stage.run(['migrate']);
  expect({ code, stdout }).toEqual({
    code: 74,
    stdout: MIGRATIONS.slice(0, 2)
      .map((name) => `applied ${name}\n`)
      .join(''),
  });
  expect(stderr).toContain('Nothing of this migration was kept.');
});

test('tells of the rows of a prototype that it upgrades', async () => {
  const stage = await setStage({}, emptyDatabase);
  await stage.client.query(`
    create table tasmart_data_table (
      id serial primary key, timestamp integer, tasmart_id varchar(255), measured_flow integer,
      measured_power integer, energy_counter_regime_1 integer, energy_counter_regime_2 integer
    );
    insert into tasmart_data_table (timestamp, tasmart_id) values (1, 'a'), (1, 'a'), (null, 'a'), (2, 'a')`);
  const { code, stdout } = await stage.run(['migrate']);
  expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining('2 rows after') as string });
});

test('SIGTERM while it waits for another: 143, and nothing is half done', async ({ annotate }) => {
  const stage = await setStage({}, emptyDatabase);
  const other = await stage.database.client();
  await other.query('select pg_advisory_lock(1952543597, 1835624306)');
  const { child, result } = await stage.start(['migrate']);
  await untilWaiting(stage);
  const killedMs = performance.now();
  child.kill('SIGTERM');
  const { code, stdout } = await result;
  const ms = performance.now() - killedMs;
  expect({ code, stdout }).toEqual({ code: 143, stdout: 'another process is changing the schema; waiting for it\n' });
  expect(ms).toBeLessThan(QUICKLY_MS);
  await annotate(`exit 143 ${Math.round(ms)} ms after the signal`);
  await other.query('select pg_advisory_unlock_all()');
  await untilNoSession(stage);
  expect((await stage.run(['migrate'])).code).toBe(0);
  await expectRepaired(stage);
});
