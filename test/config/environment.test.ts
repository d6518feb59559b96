import { describe, expect, test } from 'vitest';
import type { DatabaseSettings } from '../../src/domain/database-settings.ts';
import { configOf, envProblems } from './builder.ts';

const PARTS = { DATABASE_URL: undefined, DB_HOST: 'db.example.com', DB_USER: 'tasmart', DB_DATABASE: 'readings' };

function databaseOf(env: Record<string, string | undefined>): DatabaseSettings {
  return configOf({}, env).database;
}

describe('HyCloud', () => {
  test('is the production system unless another is named', () => {
    expect(configOf().accounts[0]?.hycloud).toEqual({
      apiKey: 'k-123',
      requesterId: 'r-456',
      variables: { apiKey: 'API_KEY', requesterId: 'REQUESTER_ID' },
      baseUrl: 'https://cloud.imi-hydronic.com/api/v1/',
    });
  });

  test.each([
    ['https://staging.cloud.imi-hydronic.com/api/v1', 'https://staging.cloud.imi-hydronic.com/api/v1/'],
    ['https://proxy.example.com/hycloud/api/v1', 'https://proxy.example.com/hycloud/api/v1/'],
    ['http://127.0.0.1:8080/api/v1/', 'http://127.0.0.1:8080/api/v1/'],
    ['http://localhost:8080/api/v1/', 'http://localhost:8080/api/v1/'],
    ['http://[::1]:8080/api/v1/', 'http://[::1]:8080/api/v1/'],
    ['https://example.com/api/v1/?x=1#y', 'https://example.com/api/v1/'],
  ])('may be %s', (text, baseUrl) => {
    expect(configOf({}, { HYCLOUD_BASE_URL: text }).accounts).toMatchObject([
      { server: baseUrl, hycloud: { baseUrl } },
    ]);
  });

  const notPlain = 'must be https: plain http would send the key in clear (only loopback may use it)';
  const needsPath = 'must end in /api/v1, as https://cloud.imi-hydronic.com/api/v1/ does (its path is';
  test.each([
    ['http://cloud.imi-hydronic.com/api/v1/', notPlain],
    ['http://127.0.0.1.example.com/', notPlain],
    ['http://localhost.example.com/', notPlain],
    ['http://10.0.0.1/', notPlain],
    ['https://user:pass@example.com/', 'must not hold a user or password'],
    ['https://hycloud.example.com', `${needsPath} "/")`],
    ['https://hycloud.example.com/api/v2/', `${needsPath} "/api/v2/")`],
    ['ftp://example.com/', 'is not a URL such as https://cloud.imi-hydronic.com/api/v1/'],
    ['cloud.imi-hydronic.com', 'is not a URL such as https://cloud.imi-hydronic.com/api/v1/'],
  ])('may not be %s', (text, message) => {
    expect(envProblems({ HYCLOUD_BASE_URL: text })).toEqual([`HYCLOUD_BASE_URL ${message}`]);
  });

  test.each([undefined, '', '   '])('needs its credentials: %j', (value) => {
    expect(envProblems({ API_KEY: value, REQUESTER_ID: value })).toEqual([
      'API_KEY is not set: HyCloud refuses every call without it',
      'REQUESTER_ID is not set: HyCloud refuses every call without it',
    ]);
  });

  test.each(['two\r\nlines', 'a blank', 'schlüssel', 'nul\0', '“quoted”'])(
    'cannot be sent the credential %j',
    (value) => {
      expect(envProblems({ API_KEY: value })).toEqual(['API_KEY holds characters that cannot stand in an HTTP header']);
    },
  );
});

describe('HEALTHCHECK_URL', () => {
  test('is optional', () => {
    expect(configOf({}, { HEALTHCHECK_URL: ' ' }).healthcheckUrl).toBeNull();
    expect(configOf({}, { HEALTHCHECK_URL: 'https://hc-ping.com/uuid' }).healthcheckUrl).toBe(
      'https://hc-ping.com/uuid',
    );
  });

  test('is a web address', () => {
    expect(envProblems({ HEALTHCHECK_URL: 'file:///etc/passwd' })).toEqual([
      'HEALTHCHECK_URL is not an http or https URL',
    ]);
  });

  test.each(['https://user:secret@hc.example.com/uuid', 'https://user@hc.example.com/uuid'])(
    'holds no credentials, which could not be sent: %s',
    (url) => {
      expect(envProblems({ HEALTHCHECK_URL: url })).toEqual(['HEALTHCHECK_URL must not hold a user or password']);
    },
  );
});

describe('a database named by its parts', () => {
  test.each(['postgresql://u:secret@h:5432/d', 'u:secret@h'])(
    'has no URL for a host, and does not quote it: %s',
    (host) => {
      expect(envProblems({ ...PARTS, DB_HOST: host })).toEqual([
        'DB_HOST is not a host name or address: a URL belongs in DATABASE_URL',
      ]);
    },
  );

  test.each([
    [' blanks count ', ' blanks count '],
    ['', null],
    [undefined, null],
  ])('has the password %j as it is', (given, password) => {
    expect(databaseOf({ ...PARTS, DB_PASS: given })).toMatchObject({ password });
  });

  test('has defaults for all but host, user and name', () => {
    expect(databaseOf(PARTS)).toEqual({
      host: 'db.example.com',
      port: 5432,
      user: 'tasmart',
      password: null,
      database: 'readings',
      sslMode: 'verify-full',
      sslCaFile: null,
      passwordCommand: null,
      sslCertFile: null,
      sslKeyFile: null,
    });
  });

  test('reads every part', () => {
    const more = { DB_PORT: '6432', DB_PASS: "p'a ss\\%40", DB_SSLMODE: 'verify-ca', DB_SSL_CA: '/etc/rds.pem' };
    expect(databaseOf({ ...PARTS, ...more })).toMatchObject({
      port: 6432,
      password: "p'a ss\\%40",
      sslMode: 'verify-ca',
      sslCaFile: '/etc/rds.pem',
    });
  });

  test.each(['0', '65536', '-1', '5432.5', '0x10'])('has no port %s', (port) => {
    expect(envProblems({ ...PARTS, DB_PORT: port })).toEqual([
      `DB_PORT has a port that is not between 1 and 65535 (it is "${port}")`,
    ]);
  });

  test.each(['prefer', 'allow', 'REQUIRE', 'no-verify'])('has no sslmode %s', (mode) => {
    expect(envProblems({ ...PARTS, DB_SSLMODE: mode })).toEqual([
      `DB_SSLMODE has an sslmode other than disable, require, verify-ca, verify-full (it is "${mode}")`,
    ]);
  });

  test('is not quoted where it may be a secret in the wrong place', () => {
    expect(envProblems({ ...PARTS, DB_PORT: 's3cret', DB_SSLMODE: 's3cret' }).join()).not.toContain('s3cret');
  });

  test('has its password from one place', () => {
    expect(databaseOf({ ...PARTS, DB_PASS_COMMAND: 'pass show db' })).toMatchObject({
      password: null,
      passwordCommand: 'pass show db',
    });
    expect(envProblems({ ...PARTS, DB_PASS: 'secret', DB_PASS_COMMAND: 'pass show db' })).toEqual([
      'DB_PASS_COMMAND and DB_PASS are both set: keep one',
    ]);
    expect(envProblems({ DATABASE_URL: 'postgres://u:secret@h/d', DB_PASS_COMMAND: 'pass show db' })).toEqual([
      'DB_PASS_COMMAND and a password in DATABASE_URL are both set: keep one',
    ]);
  });

  test('shows a certificate with its key', () => {
    const files = { DB_SSL_CERT: '/client.crt', DB_SSL_KEY: '/client.key' };
    expect(databaseOf({ ...PARTS, ...files })).toMatchObject({ sslCertFile: '/client.crt', sslKeyFile: '/client.key' });
    expect(databaseOf({ DATABASE_URL: 'postgres://u:p@h/d?sslcert=/c&sslkey=/k' })).toMatchObject({
      sslCertFile: '/c',
      sslKeyFile: '/k',
    });
    expect(envProblems({ ...PARTS, DB_SSL_CERT: '/c' })).toEqual([
      'DB_SSL_KEY is not set, but DB_SSL_CERT is: name both',
    ]);
    expect(envProblems({ ...PARTS, DB_SSL_KEY: '/k' })).toEqual([
      'DB_SSL_CERT is not set, but DB_SSL_KEY is: name both',
    ]);
  });
});

describe('TLS is verified by default, unless nothing leaves the machine', () => {
  test.each([
    ['db.example.com', 'verify-full'],
    ['10.0.0.5', 'verify-full'],
    ['127.0.0.1.example.com', 'verify-full'],
    ['fe80::1', 'verify-full'],
    ['localhost', 'disable'],
    ['127.0.0.1', 'disable'],
    ['127.8.9.10', 'disable'],
    ['::1', 'disable'],
    ['/var/run/postgresql', 'disable'],
  ])('%s: %s', (host, sslMode) => {
    expect(databaseOf({ ...PARTS, DB_HOST: host })).toMatchObject({ host, sslMode });
  });

  test('what is configured holds on loopback too', () => {
    expect(databaseOf({ ...PARTS, DB_HOST: 'localhost', DB_SSLMODE: 'require' })).toMatchObject({ sslMode: 'require' });
  });
});

describe('a database named by a URL', () => {
  test.each([
    [
      'postgresql://u:p%40ss%2F%25w@h:6432/db',
      { host: 'h', port: 6432, user: 'u', password: 'p@ss/%w', database: 'db' },
    ],
    ['postgres://u@h/db', { host: 'h', port: 5432, password: null, sslMode: 'verify-full' }],
    ['postgres://u:100%@h/db', { password: '100%' }],
    ['postgres://u:a%=b%40@h/db', { password: 'a%=b@' }],
    ['postgres://u%40corp:p@h/my%20db', { user: 'u@corp', database: 'my db' }],
    ['postgres://u:p@[::1]:6432/db', { host: '::1', port: 6432, sslMode: 'disable' }],
    ['postgres://u:p@[2001:db8::7]/db', { host: '2001:db8::7', sslMode: 'verify-full' }],
    ['postgres://u:p@%2Fvar%2Frun%2Fpostgresql/db', { host: '/var/run/postgresql', sslMode: 'disable' }],
    ['postgres://u:p@localhost/db?host=/var/run/postgresql', { host: '/var/run/postgresql', sslMode: 'disable' }],
    [
      'postgresql://u:p@/db?host=/var/run/postgresql',
      { host: '/var/run/postgresql', user: 'u', password: 'p', database: 'db', sslMode: 'disable' },
    ],
    ['postgres://u:p@h/db?sslmode=require&sslrootcert=/ca.pem', { sslMode: 'require', sslCaFile: '/ca.pem' }],
  ])('%s', (url, expected) => {
    expect(databaseOf({ DATABASE_URL: url })).toMatchObject(expected);
  });

  test('takes from the environment what it does not say itself', () => {
    const env = { DATABASE_URL: 'postgres://u@h/db', DB_PASS: 'pw', DB_SSLMODE: 'require', DB_SSL_CA: '/ca.pem' };
    expect(databaseOf(env)).toMatchObject({ password: 'pw', sslMode: 'require', sslCaFile: '/ca.pem' });
  });

  test.each([
    ['mysql://u:p@h/db', ['is neither postgresql://user:password@host:port/database nor embedded:<folder>']],
    ['h/db', ['is neither postgresql://user:password@host:port/database nor embedded:<folder>']],
    ['postgres://h/db', ['names no user']],
    ['postgres://u:p@h', ['names no database']],
    ['postgres://u:p@h/', ['names no database']],
    ['postgres://u:p@/db', ['names no host']],
    ['postgres:///', ['names no host', 'names no user', 'names no database']],
    [
      'postgres://u:p@h/db?connect_timeout=5',
      ['has parameters other than host, sslmode, sslrootcert, sslcert, sslkey'],
    ],
    [
      'postgres://u:p@h/db?sslmode=prefer',
      ['has an sslmode other than disable, require, verify-ca, verify-full (it is "prefer")'],
    ],
    ['embedded:', ['names no folder: write embedded:./data']],
  ])('refuses %s', (url, messages) => {
    expect(envProblems({ DATABASE_URL: url })).toEqual(messages.map((message) => `DATABASE_URL ${message}`));
  });

  test('embedded, in a folder', () => {
    expect(databaseOf({ DATABASE_URL: 'embedded:./data' })).toEqual({ embeddedFolder: './data' });
  });

  test.each([
    [{ DB_HOST: 'h' }, 'DB_HOST'],
    [{ DB_PORT: '5433' }, 'DB_PORT'],
    [{ DB_HOST: 'h', DB_USER: 'u', DB_DATABASE: 'd' }, 'DB_HOST, DB_USER, DB_DATABASE'],
  ])('and by parts: %j', (parts, keys) => {
    expect(envProblems(parts)).toEqual([`DATABASE_URL and ${keys} are both set: keep one way of naming the database`]);
  });
});
