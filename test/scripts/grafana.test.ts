import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withConnection } from '../../src/database/connection.ts';
import { US_PER_MINUTE } from '../../src/domain/time.ts';
import { judgePending } from '../../src/energy/bookkeeping.ts';
import { REPOSITORY } from '../support/build.ts';
import { runCli } from '../support/cli.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';

interface Dashboard {
  panels: { type: string; title: string; targets?: { rawSql: string; format: string }[] }[];
  templating: { list: { name: string; query: string }[] };
}

const FROM = Date.UTC(2026, 9, 24) / 1000;
const TO = Date.UTC(2026, 9, 27) / 1000;

const dashboard = JSON.parse(
  await readFile(join(REPOSITORY, 'scripts', 'grafana', 'dashboard.json'), 'utf8'),
) as Dashboard;
const queries = dashboard.panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ rawSql, format }) => ({ title, rawSql, format })),
);

let database: TestDatabase;
let client: pg.Client;
/** may read, and nothing else */
let reader: pg.Client;

beforeAll(async () => {
  database = await freshDatabase();
  client = await database.client();
  await client.query(`
    insert into tasmart_projects (project_id, name) values ('p', 'Project');
    insert into tasmart_valves (tasmart_id, project_id, short_sn, user_id) values ('v', 'p', 'ed258b7a', 'Boiler room');
    insert into tasmart_runs (mode, outcome, host, version) values ('poll', 'success', 'host', '0');
    insert into tasmart_data_table
      (tasmart_id, "timestamp", "time", measured_flow, measured_power, energy_counter_regime_1, energy_counter_regime_2)
    select 'v', at, to_timestamp(at), 10000, 40000, (at - ${FROM}) / 900, 0
    from generate_series(${FROM}, ${TO} - 900, 900) as at
    where at not between ${FROM} + 9000 and ${FROM} + 18000`);
  const server = { ...database, sslMode: 'disable', sslCaFile: null } as const;
  await withConnection(server, { applicationName: 'test', giveUp: new AbortController().signal }, async (session) => {
    await judgePending(session, { intervalUs: 15 * US_PER_MINUTE, maxPowerKw: 1500 });
  });
  reader = await connectAsReader();
});

/** As the role that `migrate --print-grants` is for. */
async function connectAsReader(): Promise<pg.Client> {
  const { stdout } = await runCli(['migrate', '--print-grants'], { env: { DATABASE_URL: database.url } });
  const role = `reader_${database.database}`;
  const { host, port } = database;
  await client.query(`
    revoke all on schema public from public;
    revoke all on database ${database.database} from public;
    create role ${role} login password 'reader' nosuperuser;
    create role poller_${database.database} nosuperuser`);
  await client.query(
    stdout.replaceAll('tasmart_reader', role).replaceAll('tasmart_poller', `poller_${database.database}`),
  );
  const session = new pg.Client(`postgres://${role}:reader@${host}:${port}/${database.database}`);
  await session.connect();
  return session;
}

afterAll(async () => {
  await reader.end();
  for (const role of ['reader', 'poller'].map((name) => `${name}_${database.database}`)) {
    await client.query(`drop owned by ${role}; drop role ${role}`);
  }
  await database.drop();
});

/** What Grafana's PostgreSQL data source makes of a query. https://grafana.com/docs/grafana/latest/datasources/postgres/ */
function expanded(sql: string): string {
  return sql
    .replaceAll('$__timeFrom()', `'${new Date(FROM * 1000).toISOString()}'`)
    .replaceAll('$__timeTo()', `'${new Date(TO * 1000).toISOString()}'`)
    .replaceAll('$__unixEpochFrom()', String(FROM))
    .replaceAll('$__unixEpochTo()', String(TO))
    .replaceAll('${zone}', 'Europe/Rome')
    .replaceAll('${valve}', 'v');
}

async function rowsOf(title: string): Promise<Record<string, unknown>[]> {
  const query = queries.find((each) => each.title === title) ?? expect.fail(`no panel ${title}`);
  return (await reader.query<Record<string, unknown>>(expanded(query.rawSql))).rows;
}

describe('every query runs against the schema and finds something', () => {
  test.each(queries)('$title', async ({ rawSql, format }) => {
    const { rows, fields } = await reader.query(expanded(rawSql));
    expect(rows.length).toBeGreaterThan(0);
    if (format === 'time_series') expect(fields[0]?.name).toBe('time');
  });

  test('the list of valves', async () => {
    const { query = '' } = dashboard.templating.list.find(({ name }) => name === 'valve') ?? {};
    expect((await reader.query(query)).rows).toEqual([{ __text: 'Boiler room', __value: 'v' }]);
  });
});

test('the panels show what is stored', async () => {
  expect(await rowsOf('Energy')).toEqual([{ 'regime 1': '287', 'regime 2': '0' }]);
  expect(await rowsOf('kWh by valve and day')).toMatchObject([
    { metric: 'Boiler room', kwh: '88' },
    { metric: 'Boiler room, regime 2', kwh: '0' },
    { metric: 'Boiler room', kwh: '100' },
    { metric: 'Boiler room, regime 2', kwh: '0' },
    { metric: 'Boiler room', kwh: '96' },
    { metric: 'Boiler room, regime 2', kwh: '0' },
    { metric: 'Boiler room', kwh: '3' },
    { metric: 'Boiler room, regime 2', kwh: '0' },
  ]);
  expect((await rowsOf('kWh per hour')).slice(0, 2)).toMatchObject([
    { metric: 'regime 1', kwh: '4' },
    { metric: 'regime 2', kwh: '0' },
  ]);
  expect((await rowsOf('Power'))[0]).toMatchObject({ kW: '4.0000' });
  expect((await rowsOf('Events: why a counter is not read as it stands'))[0]).toMatchObject({
    valve: 'Boiler room',
    regime: 1,
    kind: 'gap',
    counted_kwh: '12',
  });
  expect((await rowsOf('Coverage by valve, worst first'))[0]).toMatchObject({
    valve: 'Boiler room',
    'covered %': '95.5',
  });
});

test('the newest readings are found by the primary key', async () => {
  const { rawSql } = queries.find(({ title }) => title.startsWith('Valves with a reading')) ?? expect.fail('no panel');
  await client.query('set enable_seqscan = off');
  const { rows } = await client.query<{ 'QUERY PLAN': string }>(`explain ${rawSql}`);
  await client.query('reset enable_seqscan');
  const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
  expect(plan).toMatch(/Index Cond: .*"timestamp" > /);
});

test('no question about the whole fleet is asked by more than two panels', () => {
  const asked = queries.flatMap(({ rawSql }) => /tasmart_consumption\('\w+', [^)]*\)[^)]*\)[^)]*\)/.exec(rawSql) ?? []);
  expect(asked).toHaveLength(4);
  const most = Math.max(...asked.map((call) => asked.filter((other) => other === call).length));
  expect(most).toBeLessThanOrEqual(2);
});

test.each([
  'insert into tasmart_data_table (tasmart_id, "timestamp", "time") values (\'w\', 1, now())',
  'update tasmart_valves set user_id = null',
  'delete from tasmart_data_table',
  'create table of_its_own ()',
])('whoever reads a dashboard cannot: %s', async (statement) => {
  await expect(reader.query(statement)).rejects.toThrow(/permission denied/);
});
