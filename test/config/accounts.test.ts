import { describe, expect, test } from 'vitest';
import { parseConfig } from '../../src/config/parse.ts';
import { configOf, ENV, fileProblems } from './builder.ts';

const target = (account: string) => ({ account, project_name: `Project of ${account}` });

/** Of these targets alone, without API_KEY and REQUESTER_ID but for what is given. */
function parse(targets: readonly object[], env: Record<string, string>) {
  const { config, problems } = parseConfig({ targets }, { DATABASE_URL: ENV.DATABASE_URL, ...env });
  return { accounts: config.accounts, problems: problems.map(({ key, message }) => `${key} ${message}`) };
}

describe('accounts', () => {
  test('each have their targets, credentials and server, in the order of config.json', () => {
    const targets = [target('Comune di Asti'), target('b-2'), { account: 'Comune di Asti', valves: ['89abcdef'] }];
    const { accounts, problems } = parse(targets, {
      API_KEY_COMUNE_DI_ASTI: 'asti',
      API_KEY_B_2: 'b',
      REQUESTER_ID: 'common',
      REQUESTER_ID_B_2: 'own',
      HYCLOUD_BASE_URL: 'https://staging.cloud.imi-hydronic.com/api/v1',
      HYCLOUD_BASE_URL_B_2: 'https://cloud.imi-hydronic.com/api/v1/',
    });
    expect(problems).toEqual([]);
    const [staging, production] = [
      'https://staging.cloud.imi-hydronic.com/api/v1/',
      'https://cloud.imi-hydronic.com/api/v1/',
    ];
    expect(accounts).toMatchObject([
      { name: 'Comune di Asti', server: staging, hycloud: { apiKey: 'asti', requesterId: 'common', baseUrl: staging } },
      { name: 'b-2', server: production, hycloud: { apiKey: 'b', requesterId: 'own', baseUrl: production } },
    ]);
    expect(accounts.map((account) => account.targets.length)).toEqual([2, 1]);
  });

  test('that are named need no plain API_KEY; targets without an account do', () => {
    const env = { API_KEY_A: 'a', REQUESTER_ID: 'r' };
    expect(parse([target('a')], env).problems).toEqual([]);
    expect(parse([target('a'), { project_name: 'B' }], env).problems).toEqual([
      'API_KEY is not set: HyCloud refuses every call without it',
    ]);
  });

  test('without credentials are all named at once, what they share only once', () => {
    expect(parse([target('a'), target('b')], { REQUESTER_ID_A: 'r' }).problems).toEqual([
      'API_KEY_A is not set: HyCloud refuses every call without it',
      'API_KEY_B is not set: HyCloud refuses every call without it',
      'REQUESTER_ID is not set: HyCloud refuses every call without it',
    ]);
    expect(parse([target('a'), target('b')], { API_KEY_A: 'a', API_KEY_B: 'b', REQUESTER_ID: 'ü' }).problems).toEqual([
      'REQUESTER_ID holds characters that cannot stand in an HTTP header',
    ]);
  });

  test.each([
    ['', 'must have a letter or digit, and no blank at its ends and no control character (it is "")'],
    [' a', 'must have a letter or digit, and no blank at its ends and no control character (it is " a")'],
    ['--', 'must have a letter or digit, and no blank at its ends and no control character (it is "--")'],
    ['My file', 'must not end in "file": API_KEY_…_FILE names a file that holds a key (it is "My file")'],
  ])('may not be called %j', (account, message) => {
    expect(fileProblems({ targets: [target(account)] })).toEqual([`targets.0.account ${message}`]);
  });

  test('may not share variables', () => {
    const { problems } = parse([target('a b'), target('A-B')], { API_KEY_A_B: 'k', REQUESTER_ID: 'r' });
    expect(problems).toEqual(['targets name the accounts "a b" and "A-B", which would share API_KEY_A_B: rename one']);
  });

  test('may not share a key', () => {
    const env = { API_KEY: 'k', API_KEY_A: 'other', API_KEY_B: 'k', REQUESTER_ID: 'r' };
    const targets = [{ project_name: 'P' }, target('a'), target('b')];
    expect(parse(targets, env).problems).toEqual([
      'API_KEY_B is the key in API_KEY too: name one account in both their targets, for HyCloud limits each key',
    ]);
    const elsewhere = { HYCLOUD_BASE_URL_B: 'https://staging.cloud.imi-hydronic.com/api/v1/' };
    expect(parse(targets, { ...env, ...elsewhere }).problems).toEqual([]);
  });

  test('are told apart by server and key, never by the key itself', () => {
    const [first] = configOf().accounts;
    const [otherKey] = configOf({}, { API_KEY: 'k-124' }).accounts;
    const [otherServer] = configOf({}, { HYCLOUD_BASE_URL: 'https://staging.cloud.imi-hydronic.com/api/v1/' }).accounts;
    const ids = [first, otherKey, otherServer].map((account) => account?.keyId);
    expect(new Set(ids).size).toBe(3);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{32}$/);
    expect(parse([], {}).accounts).toMatchObject([{ name: '', keyId: '', targets: [] }]);
  });

  test('of sound targets are checked even where another target is wrong', () => {
    expect(parse([target('a'), { account: 'b', colour: 'red' }], { REQUESTER_ID: 'r' }).problems).toEqual([
      expect.stringMatching(/^targets\.1\.colour is not a key/) as string,
      'API_KEY_A is not set: HyCloud refuses every call without it',
    ]);
  });
});
