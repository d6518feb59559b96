import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EXIT_STATUS } from '../../src/domain/errors.ts';
import { ANSWERS } from './support/hycloud-faults.ts';
import { openSite, type Run, type RunOptions, type Site } from './support/hycloud-site.ts';

/** None of these may ever be seen; some are such as URLs and headers stumble over. */
const API_KEY = 'marked-api-key-vexqa';
const REQUESTER_ID = 'marked-requester-vexqb';
const PASSWORD = 'marked-pass-vexqc';
const EMAIL = 'marked.vexqd@example.com';
/** Letters that no id, time or hash is made of. */
const MARKED = /vexq[abcd]/;

interface Case {
  name: string;
  code: number;
  /** what makes it go wrong */
  prepare?: (site: Site) => RunOptions;
}

const withEnv = (env: Record<string, string>) => (): RunOptions => ({ env });
const strike =
  (text: string) =>
  (site: Site): RunOptions => {
    site.hycloud.faults.add({ fault: { kind: 'body', text } });
    return {};
  };
/** Breaks something in a way that nobody could foresee. */
const withSurprise = (preload: string) => (): RunOptions => ({ preload });

const CASES: readonly Case[] = [
  { name: 'nothing', code: 0 },
  {
    name: 'every answer, one to each valve',
    code: EXIT_STATUS.partial,
    prepare: ({ hycloud, valves }) => {
      ANSWERS.forEach(({ fault }, index) => hycloud.faults.add({ match: { valveId: valves[index]?.id ?? '' }, fault }));
      return { config: { max_concurrency: 64, request_timeout_seconds: 1 } };
    },
  },
  {
    name: 'a key that is refused',
    code: EXIT_STATUS.credentials,
    prepare: withEnv({ API_KEY: `${API_KEY}-wrong` }),
  },
  {
    name: 'a project that is not there',
    code: EXIT_STATUS.config,
    prepare: () => ({ config: { target_project_id: '00000000-0000-4000-a000-000000000000' } }),
  },
  {
    name: 'a server error at the lookup',
    code: EXIT_STATUS.hycloud,
    prepare: (site) => {
      site.hycloud.faults.add({ fault: { kind: 'status', status: 500, headers: { 'x-echo': API_KEY } } });
      return {};
    },
  },
  {
    name: 'a body that holds everything, and is no JSON',
    code: EXIT_STATUS.hycloud,
    prepare: strike(`{"users": [{"email": "${EMAIL}"}], "key": "${API_KEY}", "id": "${REQUESTER_ID}"`),
  },
  {
    name: 'a project of the wrong shape',
    code: EXIT_STATUS.hycloud,
    prepare: strike(`{"id": 1, "name": ["${API_KEY}"], "users": [{"email": "${EMAIL}"}], "tasmarts": "${EMAIL}"}`),
  },
  {
    name: 'HyCloud refused',
    code: EXIT_STATUS.hycloud,
    prepare: withEnv({ HYCLOUD_BASE_URL: 'http://127.0.0.1:9/api/v1/' }),
  },
  {
    name: 'TLS refused',
    code: EXIT_STATUS.hycloud,
    prepare: ({ hycloud }) => ({ env: { HYCLOUD_BASE_URL: hycloud.baseUrl.replace('http:', 'https:') } }),
  },
  {
    name: 'a wrong password',
    code: EXIT_STATUS.credentials,
    prepare: ({ database: { host, port, user, database } }) => ({
      env: { DATABASE_URL: `postgresql://${user}:${PASSWORD}@${host}:${port}/${database}` },
    }),
  },
  {
    name: 'an unknown database',
    code: EXIT_STATUS.database,
    prepare: ({ database: { host, port, user, password } }) => ({
      env: {
        DATABASE_URL: '',
        DB_HOST: host,
        DB_PORT: String(port),
        DB_USER: user,
        DB_PASS: password,
        DB_DATABASE: 'nowhere',
      },
    }),
  },
  {
    name: 'a database that is down',
    code: EXIT_STATUS.database,
    prepare: withEnv({ DATABASE_URL: `postgresql://tasmart:${PASSWORD}@127.0.0.1:9/tasmart` }),
  },
  ...[
    `postgresql://tasmart:${PASSWORD}/x@127.0.0.1/tasmart`,
    `postgresql://tasmart:${PASSWORD}?x=y@127.0.0.1/tasmart`,
    `postgresql://tasmart:${PASSWORD}#@127.0.0.1:5432/tasmart`,
    `postgresql://tasmart:${PASSWORD}@127.0.0.1:notaport/tasmart`,
    `postgresql://tasmart:${PASSWORD}@/tasmart?sslmode=${PASSWORD}`,
    `postgres//tasmart:${PASSWORD}@127.0.0.1/tasmart`,
    `postgresql://${PASSWORD}`,
  ].map((url, index) => ({
    name: `a DATABASE_URL that cannot be read (${index + 1})`,
    code: EXIT_STATUS.config,
    prepare: withEnv({ DATABASE_URL: url }),
  })),
  {
    name: 'credentials that are no header values, and more',
    code: EXIT_STATUS.config,
    prepare: withEnv({
      API_KEY: `${API_KEY}\n`.padStart(40, 'é'),
      REQUESTER_ID: `${REQUESTER_ID} ${PASSWORD}`,
      HYCLOUD_BASE_URL: `https://user:${PASSWORD}@127.0.0.1/`,
      HEALTHCHECK_URL: `ftp://${PASSWORD}/`,
      DB_PORT: PASSWORD,
      DB_SSLMODE: PASSWORD,
    }),
  },
  {
    name: 'a defect in the way to HyCloud',
    code: EXIT_STATUS.defect,
    prepare: withSurprise(`import http from 'node:http';
        http.request = (options) => { throw Object.assign(new TypeError('surprise'), { config: options, options }); };`),
  },
  ...[
    ['an exception that nobody catches', 'setImmediate(() => { throw error; });'],
    ['a rejection that nobody handles', 'void Promise.reject(error);'],
  ].map(([name = '', happens = '']) => ({
    name,
    code: EXIT_STATUS.defect,
    prepare: withSurprise(`import http from 'node:http';
        const { request } = http;
        http.request = (options, ...more) => {
          const error = Object.assign(new TypeError('surprise'), { config: options, env: process.env });
          ${happens}
          return request(options, ...more);
        };`),
  })),
];

/** What the health checks were told. */
const pings: string[] = [];
const metricsFiles: string[] = [];
const monitor = createServer((request, response) => {
  void text(request).then((body) => {
    pings.push(`${request.url ?? ''} ${JSON.stringify(request.headers)} ${body}`);
    response.end();
  });
});

beforeAll(() => new Promise<void>((resolve) => monitor.listen(0, '127.0.0.1', resolve)));

afterAll(async () => {
  expect(pings).not.toHaveLength(0);
  expect(metricsFiles.filter((metrics) => metrics.includes('tasmart_last_run_timestamp_seconds'))).not.toHaveLength(0);
  await new Promise((resolve) => monitor.close(resolve));
});

describe.each(['json', 'pretty'])('log format %s, at level trace', (format) => {
  // However a configuration is wrong, the message is made in one place.
  const cases = CASES.filter(
    ({ code }, index) => code !== EXIT_STATUS.config || (index % 2 === 0) === (format === 'json'),
  );

  test.concurrent.each(cases)('$name', async ({ code, prepare }) => {
    const settings = { apiKey: API_KEY, requesterId: REQUESTER_ID };
    const metricsFile = join(tmpdir(), `tasmart-${randomUUID()}.prom`);
    const site = await openSite({ valves: ANSWERS.length + 1, settings, config: { metrics_file: metricsFile } });
    for (const { users } of site.hycloud.projects) users.push({ email: EMAIL, access: 'admin' });
    const args = ['--log-level', 'trace', '--log-format', format, 'poll', '--format', 'json'];

    const prepared = prepare?.(site);
    const HEALTHCHECK_URL = `http://127.0.0.1:${(monitor.address() as AddressInfo).port}/ping`;
    const run = await site.run({ args, ...prepared, env: { HEALTHCHECK_URL, ...prepared?.env } });

    expect({ code: run.code, stderr: run.code === code ? '' : run.stderr }).toEqual({ code, stderr: '' });
    expect(run.stderr).not.toBe('');
    const secrets = [API_KEY, REQUESTER_ID, PASSWORD, EMAIL, site.database.password];
    const metrics = await readFile(metricsFile, 'utf8').catch(() => '');
    metricsFiles.push(metrics);
    const seen = [everything(run), await everythingStored(site), metrics, ...pings].join('\n');
    expect(secrets.filter((secret) => seen.includes(secret) || seen.includes(btoa(secret)))).toEqual([]);
    expect(MARKED.exec(seen)).toBeNull();
    expect(seen).not.toMatch(/@example\./);
    await site.close();
  });
});

function everything({ stdout, stderr }: Run): string {
  return `${stdout}\n${stderr}`;
}

/** Every row of every table, as text. */
async function everythingStored({ client }: Site): Promise<string> {
  const { rows: tables } = await client.query<{ name: string }>(
    `select quote_ident(tablename) as name from pg_tables where schemaname = 'public'`,
  );
  const texts: string[] = [];
  for (const { name } of tables) {
    const { rows } = await client.query<{ row: string }>(`select "row"::text from ${name} as "row"`);
    texts.push(...rows.map(({ row }) => row));
  }
  return texts.join('\n');
}
