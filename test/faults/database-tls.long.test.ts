import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test, type TestContext } from 'vitest';
import { startSimulator, type Simulator } from '../../scripts/simulator/simulator.ts';
import { type CliResult, logLines, runCli } from '../support/cli.ts';
import { startTlsPostgres, type TlsServer } from '../support/tls.ts';
import { configOf, describeEnd, NOW_US } from './support/database-stage.ts';

/** Its certificate is for localhost and 127.0.0.1; the other's has another name. */
let named: TlsServer;
let misnamed: TlsServer;
let simulator: Simulator;
let folder: string;

beforeAll(async () => {
  simulator = await startSimulator({ valves: 1, nowUs: NOW_US });
  folder = await mkdtemp(join(tmpdir(), 'tasmart-tls-'));
  [named, misnamed] = await Promise.all([startTlsPostgres(), startTlsPostgres({ certificateFor: 'db.example.com' })]);
});

afterAll(async () => {
  await Promise.all([named.stop(), misnamed.stop(), simulator.close(), rm(folder, { recursive: true })]);
});

interface Case {
  mode: string;
  server: 'named' | 'misnamed' | 'plain';
  ca: 'right' | 'other' | 'none';
  host?: string;
  /** what the refusal says; without, the connection is taken */
  refused?: RegExp;
}

const NO_TLS = /does not support SSL connections → check DB_SSL_CA.*and DB_SSLMODE/;
const UNKNOWN_CA =
  /(SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT).*→ check DB_SSL_CA(?!.*DB_SSLMODE)/;
const OTHER_NAME = /ERR_TLS_CERT_ALTNAME_INVALID\) → the certificate is for another name: check DB_HOST/;

const CASES: readonly Case[] = [
  { mode: 'verify-full', server: 'named', ca: 'right' },
  { mode: 'verify-full', server: 'named', ca: 'right', host: 'localhost' },
  { mode: 'verify-full', server: 'named', ca: 'other', refused: UNKNOWN_CA },
  { mode: 'verify-full', server: 'named', ca: 'none', refused: UNKNOWN_CA },
  { mode: 'verify-full', server: 'misnamed', ca: 'right', refused: OTHER_NAME },
  { mode: 'verify-full', server: 'misnamed', ca: 'right', host: 'localhost', refused: OTHER_NAME },
  { mode: 'verify-full', server: 'plain', ca: 'none', refused: NO_TLS },
  { mode: 'verify-ca', server: 'misnamed', ca: 'right' },
  { mode: 'verify-ca', server: 'misnamed', ca: 'other', refused: UNKNOWN_CA },
  { mode: 'verify-ca', server: 'plain', ca: 'right', refused: NO_TLS },
  { mode: 'require', server: 'misnamed', ca: 'none' },
  { mode: 'require', server: 'misnamed', ca: 'right' },
  { mode: 'require', server: 'named', ca: 'other', refused: UNKNOWN_CA },
  { mode: 'require', server: 'plain', ca: 'none', refused: NO_TLS },
  { mode: 'disable', server: 'plain', ca: 'none' },
];

type Environment = Record<string, string>;

async function tasmart(command: string, env: Environment, change: Record<string, unknown> = {}): Promise<CliResult> {
  const config = join(folder, 'config.json');
  await writeFile(config, JSON.stringify({ ...configOf(simulator), ...change }));
  return runCli(['--config', config, command], { cwd: folder, env: { ...simulator.env(), ...env } });
}

function environment({ mode, server, ca, host }: Case): Environment {
  const found = { named, misnamed, plain: inject('postgres') }[server];
  const caFile = { right: server === 'plain' ? named.caFile : (found as TlsServer).caFile, other: named.otherCaFile };
  return {
    DB_HOST: host ?? found.host,
    DB_PORT: String(found.port),
    DB_USER: found.user,
    DB_PASS: found.password,
    DB_DATABASE: 'postgres',
    DB_SSLMODE: mode,
    ...(ca !== 'none' && { DB_SSL_CA: caFile[ca] }),
  };
}

/** A database without our schema: whoever is let in is told so. */
async function expectLetIn(result: CliResult, { refused }: Case, { annotate }: TestContext): Promise<void> {
  const { msg, remedy } = logLines(result.stderr).at(-1) ?? {};
  const expected = refused ? { code: 74, said: refused } : { code: 78, said: /has no tasmart schema yet/ };
  expect({ code: result.code, said: `${String(msg)} → ${String(remedy)}` }).toEqual({
    code: expected.code,
    said: expect.stringMatching(expected.said) as string,
  });
  await annotate(describeEnd(result));
}

describe('as libpq means it', () => {
  for (const entry of CASES) {
    const { mode, server, ca, host, refused } = entry;
    const where = `${server} server${host === undefined ? '' : ` as ${host}`}, ${ca} CA`;
    test(`${mode}, ${where}: ${refused ? 'refused' : 'accepted'}`, async (context) => {
      await expectLetIn(await tasmart('poll', environment(entry)), entry, context);
    });
  }

  test('a URL says the same: sslmode and sslrootcert', async (context) => {
    const { host, port, user, password, caFile, otherCaFile } = named;
    const url = (ca: string) =>
      `postgres://${user}:${password}@${host}:${port}/postgres?sslmode=verify-full&sslrootcert=${encodeURIComponent(ca)}`;
    const right: Case = { mode: 'verify-full', server: 'named', ca: 'right' };
    await expectLetIn(await tasmart('poll', { DATABASE_URL: url(caFile) }), right, context);
    const wrong: Case = { ...right, refused: UNKNOWN_CA };
    await expectLetIn(await tasmart('poll', { DATABASE_URL: url(otherCaFile) }), wrong, context);
  });

  for (const mode of ['verify-full', 'verify-ca', 'require']) {
    test(`${mode} is verified whatever NODE_TLS_REJECT_UNAUTHORIZED says`, async (context) => {
      const entry: Case = { mode, server: 'named', ca: 'other', refused: UNKNOWN_CA };
      const env = { ...environment(entry), NODE_TLS_REJECT_UNAUTHORIZED: '0' };
      const result = await tasmart('poll', env);
      await expectLetIn(result, entry, context);
      expect(result.stderr).toContain('NODE_TLS_REJECT_UNAUTHORIZED=0 is set');
      expect((await tasmart('check', env)).stdout).toContain('NODE_TLS_REJECT_UNAUTHORIZED=0 is set');
    });
  }

  test('a name that does not match is no reason to check less', async () => {
    const result = await tasmart('poll', environment({ mode: 'verify-full', server: 'misnamed', ca: 'right' }));
    expect(result.stderr).toContain('the certificate is for another name');
    expect(result.stderr).not.toContain('verify-ca');
  });

  test('a CA file that is not there: 78', async ({ annotate }) => {
    const env = environment({ mode: 'verify-full', server: 'named', ca: 'right' });
    const result = await tasmart('poll', { ...env, DB_SSL_CA: '/no/such/ca.pem' });
    expect({ code: result.code, stderr: result.stderr }).toEqual({
      code: 78,
      stderr: expect.stringContaining('DB_SSL_CA: /no/such/ca.pem cannot be read') as string,
    });
    await annotate(describeEnd(result));
  });

  test.for([
    ['a web page', '<!DOCTYPE html>\n<html><body>Not Found</body></html>', 'holds a web page: the download failed'],
    ['nothing', '\n', 'is empty'],
    ['a key', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n', 'holds no certificate'],
    ['damage', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n', 'holds a damaged certificate'],
  ] as const)('a CA file that holds %s is named: 78', async ([, content, said]) => {
    const file = join(folder, 'ca.pem');
    await writeFile(file, content);
    const env = environment({ mode: 'verify-full', server: 'named', ca: 'right' });
    const result = await tasmart('poll', { ...env, DB_SSL_CA: file });
    expect({ code: result.code, stderr: result.stderr }).toEqual({
      code: 78,
      stderr: expect.stringContaining(`DB_SSL_CA: ${file} ${said}`) as string,
    });
  });

  test('a client certificate logs in where the server wants one', async () => {
    const env = environment({ mode: 'verify-full', server: 'named', ca: 'right' });
    const client = new pg.Client({ ...named, database: 'postgres' });
    await client.connect();
    await client.query(`create role by_certificate login`);
    const { certFile, keyFile } = await named.clientCertificate('by_certificate');
    const role = { ...env, DB_USER: 'by_certificate', DB_PASS: '' };
    expect((await tasmart('poll', role)).code).not.toBe(78);
    const own = { ...role, DB_SSL_CERT: certFile, DB_SSL_KEY: keyFile };
    expect(await tasmart('poll', own)).toMatchObject({
      code: 78,
      stderr: expect.stringContaining('has no tasmart schema yet') as string,
    });
    const swapped = await tasmart('poll', { ...own, DB_SSL_KEY: certFile });
    expect(swapped.code).toBe(78);
    expect(swapped.stderr).toContain('DB_SSL_CERT and DB_SSL_KEY cannot be used');
    await client.query('drop role by_certificate');
    await client.end();
  });

  test('a run over TLS stores, and one that waits for a lock ends at its deadline', async ({ annotate }) => {
    const env = environment({ mode: 'verify-full', server: 'named', ca: 'right' });
    expect((await tasmart('migrate', env)).code).toBe(0);
    const first = await tasmart('poll', env);
    expect({ code: first.code, stdout: first.stdout }).toEqual({
      code: 0,
      stdout: expect.stringContaining('5 readings stored') as string,
    });
    const holder = new pg.Client({ ...named, database: 'postgres', ssl: false });
    await holder.connect();
    await holder.query('begin; lock table tasmart_runs in access exclusive mode');
    const result = await tasmart('poll', env, { run_deadline_seconds: 1.5 });
    await holder.query('rollback');
    await holder.end();
    expect({ code: result.code, stderr: result.stderr }).toEqual({
      code: 74,
      stderr: expect.stringContaining('the database kept the run until its deadline (1.5 s)') as string,
    });
    await annotate(describeEnd(result));
  });
});
