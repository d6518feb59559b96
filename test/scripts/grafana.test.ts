import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
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
    from generate_series(${FROM}, ${TO} - 900, 900) as at`);
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
  expect(await rowsOf('Energy')).toEqual([{ kwh: '287' }]);
  expect((await rowsOf('kWh per hour')).slice(0, 2)).toMatchObject([
    { metric: 'register 1', kwh: '4' },
    { metric: 'register 2', kwh: '0' },
  ]);
  expect((await rowsOf('Power'))[0]).toMatchObject({ kW: '4.0000' });
  expect((await rowsOf('Days that are not simply measured'))[0]).toMatchObject({
    day: '2026-10-27',
    valve: 'Boiler room',
  });
});

test.each([
  'insert into tasmart_data_table (tasmart_id, "timestamp", "time") values (\'w\', 1, now())',
  'update tasmart_valves set user_id = null',
  'delete from tasmart_data_table',
  'create table of_its_own ()',
])('whoever reads a dashboard cannot: %s', async (statement) => {
  await expect(reader.query(statement)).rejects.toThrow(/permission denied/);
});
