import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConfigError, parseConfig, requireConfig } from '../../src/config/parse.ts';
import { configOf, ENV, FILE } from './builder.ts';

describe('every problem is listed at once', () => {
  const json = { interval_minutes: 7, timezone: 'Rome', colour: 'red', properties: ['flow'] };
  const env = { DB_PORT: '0', DB_HOST: 'db', DB_SSLMODE: 'prefer', HEALTHCHECK_URL: 'ping', HYCLOUD_BASE_URL: 'cloud' };

  test('of the file and of the environment, a missing target included', () => {
    expect(parseConfig(json, env).problems.map(({ key }) => key)).toEqual([
      'interval_minutes',
      'properties.0',
      'timezone',
      'colour',
      'target_project_name',
      'API_KEY',
      'REQUESTER_ID',
      'HYCLOUD_BASE_URL',
      'DB_PORT',
      'DB_USER',
      'DB_DATABASE',
      'DB_SSLMODE',
      'HEALTHCHECK_URL',
    ]);
  });

  test('a target that is there is not called missing because something else is wrong', () => {
    const { config, problems } = parseConfig({ ...FILE, interval_minutes: 7, max_power_kw: 900 }, ENV);
    expect(problems.map(({ key }) => key)).toEqual(['interval_minutes']);
    expect(config).toMatchObject({
      accounts: [{ targets: [{ projectName: 'Test project' }] }],
      intervalMinutes: 15,
      maxPowerKw: 900,
    });
  });

  test.each([
    [{ target_project_name: 7 }, ['target_project_name']],
    [{ target_project_nam: 'A' }, ['target_project_nam']],
    [{ targets: [{ valves: ['?'] }] }, ['targets.0.valves.0']],
  ])('a target that is there but wrong is not called missing too: %j', (file, keys) => {
    expect(parseConfig(file, ENV).problems.map(({ key }) => key)).toEqual(keys);
  });
});

describe('requireConfig', () => {
  const withoutDatabase = parseConfig(FILE, { ...ENV, DATABASE_URL: '' });

  test('overlooks what concerns other sections', () => {
    expect(requireConfig(withoutDatabase, ['targets', 'hycloud'])).toBe(withoutDatabase.config);
  });

  test('throws every problem of its sections, a line each, with the status for a wrong configuration', () => {
    const error = (() => {
      try {
        return requireConfig(withoutDatabase, ['database']);
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(error).toBeInstanceOf(ConfigError);
    expect(error).toMatchObject({
      kind: 'config',
      message: [
        'the configuration is wrong:',
        '  DB_HOST is not set (or set DATABASE_URL)',
        '  DB_USER is not set (or set DATABASE_URL)',
        '  DB_DATABASE is not set (or set DATABASE_URL)',
      ].join('\n'),
    });
  });

  test('never overlooks what is wrong for every command', () => {
    expect(() => requireConfig(parseConfig({ ...FILE, timezone: '?' }, ENV), [])).toThrow('timezone is not an IANA');
  });
});

describe('the configuration', () => {
  test('is frozen to its last list', () => {
    const config = configOf({ targets: [{ valves: ['89abcdef'] }] });
    const [account] = config.accounts;
    const parts = [config, config.accounts, account, account?.targets, account?.targets[1]?.valves, account?.hycloud];
    for (const part of [...parts, config.properties, config.database]) expect(Object.isFrozen(part)).toBe(true);
  });

  test('follows from its arguments alone, and changes neither', () => {
    const json = { targets: [{ project_name: 'A', valves: ['89abcdef'] }], properties: ['position'] };
    const env = { ...ENV, HYCLOUD_BASE_URL: 'http://localhost:1/x' };
    const [jsonBefore, envBefore] = [structuredClone(json), { ...env }];
    const [first, second] = [parseConfig(json, env), parseConfig(json, env)];
    expect(second).toEqual(first);
    expect([json, env]).toEqual([jsonBefore, envBefore]);
    expect([json, json.targets, json.targets[0]?.valves, json.properties].some(Object.isFrozen)).toBe(false);
  });

  test('any JSON is answered with problems, never with a crash', () => {
    fc.assert(
      fc.property(
        fc.jsonValue(),
        fc.dictionary(fc.constantFrom('timezone', 'targets', 'properties'), fc.jsonValue()),
        (json, keys) => {
          expect(parseConfig(json, ENV).problems).toBeInstanceOf(Array);
          expect(parseConfig({ ...FILE, ...keys }, ENV).problems).toBeInstanceOf(Array);
        },
      ),
    );
  });
});

describe('no problem quotes a secret', () => {
  const words = fc.string({
    unit: fc.constantFrom(...Array.from('Q7zK%@:/?#&=+[] \\é\n')),
    minLength: 0,
    maxLength: 12,
  });
  /** starts and ends in what stands in no message of ours */
  const secret = words.map((text) => `QZ${text}7K`);
  const variables = fc.constantFrom(
    'API_KEY',
    'REQUESTER_ID',
    'DB_PASS',
    'HYCLOUD_BASE_URL',
    'HEALTHCHECK_URL',
    'DATABASE_URL',
  );

  test('of any variable that holds one', () => {
    fc.assert(
      fc.property(variables, secret, (key, value) => {
        expectNoSecret({ ...ENV, DB_PORT: 'x', [key]: value });
      }),
    );
  });

  test('of the password of a URL, whatever it makes of the URL', () => {
    const start = fc.constantFrom('', '1', '12?', '5432?sslmode=', '1?x=', '1/db?');
    const scheme = fc.constantFrom('postgresql', 'postgres', 'http', 'https', 'mysql', 'embedded');
    fc.assert(
      fc.property(scheme, start, secret, (protocol, prefix, value) => {
        const url = `${protocol}://user:${prefix}${value}@db.example.com/readings`;
        for (const key of ['DATABASE_URL', 'HYCLOUD_BASE_URL', 'HEALTHCHECK_URL'])
          expectNoSecret({ ...ENV, [key]: url });
      }),
    );
  });

  function expectNoSecret(env: Record<string, string>): void {
    const { problems } = parseConfig({}, env);
    expect(problems.map(({ key, message }) => `${key} ${message}`).join('\n')).not.toMatch(/QZ|7K/);
  }
});
