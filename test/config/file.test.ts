import { describe, expect, test } from 'vitest';
import { parseConfig } from '../../src/config/parse.ts';
import { configOf, ENV, FILE, fileProblems } from './builder.ts';

const ID = '3f0e8a52-6a1c-4a0b-8d7e-0123456789ab';
const MEASURED = ['measured_flow', 'measured_power', 'energy_counter_regime_1', 'energy_counter_regime_2'];

test('every key has the default that the interface names', () => {
  expect(configOf()).toMatchObject({
    accounts: [{ name: '', targets: [{ projectId: null, projectName: 'Test project', valves: [] }] }],
    intervalMinutes: 15,
    properties: MEASURED,
    initialHistoryHours: 0,
    catchUpDays: 30,
    maxConcurrency: 8,
    requestsPerSecond: 20,
    requestTimeoutSeconds: 20,
    runDeadlineSeconds: 600,
    timezone: 'Europe/Rome',
    maxPowerKw: 1500,
    metricsFile: null,
    healthcheckUrl: null,
  });
});

test('every key is read', () => {
  const config = configOf({
    interval_minutes: 5,
    properties: ['local_temp'],
    initial_history_hours: 48,
    catch_up_days: 7.5,
    max_concurrency: 1,
    requests_per_second: 0.5,
    request_timeout_seconds: 2.5,
    run_deadline_seconds: 60,
    timezone: 'America/New_York',
    max_power_kw: 800,
    metrics_file: '/var/lib/node_exporter/tasmart.prom',
  });
  expect(config).toMatchObject({
    intervalMinutes: 5,
    properties: [...MEASURED, 'local_temp'],
    initialHistoryHours: 48,
    catchUpDays: 7.5,
    maxConcurrency: 1,
    requestsPerSecond: 0.5,
    requestTimeoutSeconds: 2.5,
    runDeadlineSeconds: 60,
    timezone: 'America/New_York',
    maxPowerKw: 800,
    metricsFile: '/var/lib/node_exporter/tasmart.prom',
  });
});

describe('interval_minutes', () => {
  test.each([1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60])('%i divides 60', (minutes) => {
    expect(configOf({ interval_minutes: minutes }).intervalMinutes).toBe(minutes);
  });

  test.each([7, 8, 9, 25, 45, 59, 120])('%i does not', (minutes) => {
    expect(fileProblems({ ...FILE, interval_minutes: minutes })).toEqual([
      `interval_minutes must divide 60 (it is ${minutes})`,
    ]);
  });
});

describe('a value of the wrong type or beyond its range is named by its key', () => {
  test.each([
    ['interval_minutes', 0, 'must divide 60'],
    ['interval_minutes', -15, 'must divide 60'],
    ['interval_minutes', 7.5, 'must be a whole number'],
    ['interval_minutes', '15', 'must be a whole number'],
    ['interval_minutes', null, 'must be a whole number'],
    ['initial_history_hours', -1, 'must not be negative'],
    ['initial_history_hours', 87_601, 'must be at most 87600'],
    ['initial_history_hours', '24', 'must be a number of hours'],
    ['catch_up_days', 0, 'must be more than 0'],
    ['catch_up_days', 3661, 'must be at most 3660'],
    ['max_concurrency', 0, 'must be at least 1'],
    ['max_concurrency', 257, 'must be at most 256'],
    ['max_concurrency', true, 'must be a whole number'],
    ['requests_per_second', 0, 'must be more than 0'],
    ['requests_per_second', [20], 'must be a number of requests'],
    ['request_timeout_seconds', 0, 'must be more than 0'],
    ['request_timeout_seconds', 3601, 'must be at most 3600'],
    ['run_deadline_seconds', -5, 'must be more than 0'],
    ['run_deadline_seconds', 86_401, 'must be at most 86400'],
    ['timezone', 'Rome', 'is not an IANA time zone such as Europe/Rome (an abbreviation will not do)'],
    ['timezone', '+02:00', 'is not an IANA time zone such as Europe/Rome (an abbreviation will not do)'],
    ['timezone', '', 'is not an IANA time zone such as Europe/Rome (an abbreviation will not do)'],
    ['timezone', 'CET', 'is not an IANA time zone such as Europe/Rome (an abbreviation will not do)'],
    ['timezone', 'ist', 'is not an IANA time zone such as Europe/Rome (an abbreviation will not do)'],
    ['timezone', 1, 'must be a text'],
    ['max_power_kw', 0, 'must be more than 0'],
    ['max_power_kw', '1500', 'must be a number of kW'],
    ['metrics_file', '', 'is empty'],
    ['metrics_file', false, 'must be a file name'],
    ['target_project_name', 7, 'must be a text'],
    ['target_project_name', '  ', 'is empty'],
    ['target_project_name', 'a\0', 'holds a NUL'],
    ['target_project_id', 'Test project', 'is not a uuid'],
    ['target_project_id', 42, 'must be a uuid in quotes'],
    ['target_valves', '89abcdef', 'must be a list'],
    ['target_valves', [], 'is empty'],
    ['targets', {}, 'must be a list'],
    ['properties', 'position', 'must be "all" or a list of properties'],
    ['properties', 3, 'must be "all" or a list of properties'],
  ])('%s: %j', (key, value, message) => {
    const found = typeof value === 'object' ? '' : ` (it is ${JSON.stringify(value)})`;
    expect(fileProblems({ ...FILE, [key]: value })).toEqual([`${key} ${message}${found}`]);
  });

  test.each([[[]], ['text'], [7], [null]])('the whole file: %j', (json) => {
    expect(fileProblems(json)).toEqual(['config.json must hold one JSON object']);
  });
});

describe('properties', () => {
  const all = [
    ...MEASURED,
    ...['relative_flow', 'relative_power', 'position', 'input_signal', 'local_temp', 'remote_temp'],
    ...['valve_timestamp', 'valve_dst', 'error_status'],
  ];

  test.each([
    ['all', all],
    [[], MEASURED],
    [
      ['error_status', 'position', 'position'],
      [...MEASURED, 'position', 'error_status'],
    ],
    [['energy_counter_regime_2'], MEASURED],
  ])('%j: the four are always read, each once, in the order of the interface', (properties, expected) => {
    expect(configOf({ properties }).properties).toEqual(expected);
  });

  test('an unknown one is answered with the nearest', () => {
    expect(fileProblems({ ...FILE, properties: ['measured_flow', 'locale_temp', 'flow', 'Temp'] })).toEqual([
      'properties.1 is not a property of HyCloud: did you mean local_temp? (it is "locale_temp")',
      'properties.2 is not a property of HyCloud: did you mean measured_flow? (it is "flow")',
      'properties.3 is not a property of HyCloud: did you mean local_temp? (it is "Temp")',
    ]);
  });
});

test('a long value, which may be anything, is not quoted', () => {
  const key = 'x'.repeat(64);
  expect(fileProblems({ ...FILE, timezone: key, interval_minutes: key }).join()).not.toContain(key);
});

describe('unknown keys are answered with the nearest known one', () => {
  test('at the top', () => {
    expect(fileProblems({ ...FILE, interval_minute: 15, time_zone: 'Europe/Rome' })).toEqual([
      'interval_minute is not a key of config.json: did you mean interval_minutes?',
      'time_zone is not a key of config.json: did you mean timezone?',
    ]);
  });

  test('or with .env, where they are its', () => {
    expect(fileProblems({ ...FILE, API_KEY: 'x' })).toEqual([
      'API_KEY is not a key of config.json: it belongs in .env',
    ]);
  });

  test('inside of targets', () => {
    expect(fileProblems({ targets: [{ project_name: 'A' }, { target_project_id: ID }] })).toEqual([
      'targets.1.target_project_id is not a key of config.json: did you mean project_id?',
    ]);
  });
});

describe('targets', () => {
  test('a project id is read in any letter case, and kept beside the name', () => {
    expect(configOf({ target_project_id: ID.toUpperCase() }).accounts[0]?.targets).toEqual([
      { projectId: ID, projectName: 'Test project', valves: [] },
    ]);
  });

  test('a name is taken exactly as it is', () => {
    expect(configOf({ target_project_name: ' Piazza "Ània" ' }).accounts[0]?.targets[0]?.projectName).toBe(
      ' Piazza "Ània" ',
    );
  });

  test('valves alone are enough', () => {
    const { config, problems } = parseConfig({ target_valves: ['89ABCDEF', ID, '0123456789abcdef01234567'] }, ENV);
    expect(problems).toEqual([]);
    expect(config.accounts[0]?.targets).toEqual([
      { projectId: null, projectName: null, valves: ['89ABCDEF', ID, '0123456789abcdef01234567'] },
    ]);
  });

  test('a list adds to the single target', () => {
    const targets = [{ project_id: ID }, { project_name: 'Other', valves: ['89abcdef'] }];
    expect(configOf({ targets }).accounts[0]?.targets).toEqual([
      { projectId: null, projectName: 'Test project', valves: [] },
      { projectId: ID, projectName: null, valves: [] },
      { projectId: null, projectName: 'Other', valves: ['89abcdef'] },
    ]);
  });

  test('a valve that is neither uuid nor serial is named by its place', () => {
    const message = 'is neither a uuid nor a serial number (24 or 8 hex digits)';
    expect(fileProblems({ target_valves: ['89abcdef', '89abcde', '89abcdeg'] })).toEqual([
      `target_valves.1 ${message} (it is "89abcde")`,
      `target_valves.2 ${message} (it is "89abcdeg")`,
    ]);
    expect(fileProblems({ targets: [{ valves: ['x'] }] })).toEqual([`targets.0.valves.0 ${message} (it is "x")`]);
  });

  test.each([[{}], [{ targets: [] }], [{ targets: [{}] }]])('%j is no target', (json) => {
    expect(fileProblems(json)).toEqual([
      'target_project_name is not set: name a project (target_project_name or target_project_id) or valves (target_valves)',
    ]);
  });
});
