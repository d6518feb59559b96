import { describe, expect, test } from 'vitest';
import { PROPERTIES, PROPERTY_NAMES, type PropertyName, type Reading } from '../../src/domain/reading.ts';
import { parseRfc3339 } from '../../src/domain/time.ts';
import { decodePoint as decodePointOf, makeStorable } from '../../src/hycloud/points.ts';

const NOW = parseRfc3339('2026-03-01T10:15:03Z') ?? 0;
const TIME = '2026-03-01T10:14:58.535091Z';

function decodePoint(raw: unknown, properties: readonly PropertyName[]) {
  return decodePointOf(raw, properties, NOW);
}

/** The point of this JSON text, the time apart. */
function decode(json: string, properties: readonly PropertyName[] = PROPERTY_NAMES) {
  const members = json === '' ? '' : `, ${json}`;
  return decodePoint(JSON.parse(`{"time": "${TIME}"${members}}`), properties);
}

test('a point of the vendor’s document is read with its microseconds', () => {
  const raw: unknown = JSON.parse(
    '{"time": "2026-03-01T10:14:58.535091Z", "measured_flow": 15340, "measured_power": 151814}',
  );
  expect(decodePoint(raw, ['measured_flow', 'measured_power'])).toEqual({
    timeUs: 1_772_360_098_535_091,
    measuredFlowDlh: 15_340,
    measuredPowerDw: 151_814,
    energyCounter1Kwh: null,
    energyCounter2Kwh: null,
    relativeFlowBp: null,
    relativePowerBp: null,
    positionBp: null,
    inputSignalDv: null,
    localTempDc: null,
    remoteTempDc: null,
    valveTimestampS: null,
    valveDst: null,
    errorStatus: null,
  } satisfies Reading);
});

test('every property has its field', () => {
  const json = PROPERTY_NAMES.map((name, n) =>
    name === 'error_status' ? `"${name}": ["Other"]` : `"${name}": ${n + 1}`,
  );
  expect(decode(json.join(','))).toMatchObject({
    measuredFlowDlh: 1,
    measuredPowerDw: 2,
    energyCounter1Kwh: 3,
    energyCounter2Kwh: 4,
    relativeFlowBp: 5,
    relativePowerBp: 6,
    positionBp: 7,
    inputSignalDv: 8,
    localTempDc: 9,
    remoteTempDc: 10,
    valveTimestampS: 11,
    valveDst: 12,
    errorStatus: ['Other'],
  });
});

describe('an absent or null property is null, never 0', () => {
  test.each(['', '"measured_flow": null, "energy_counter_regime_1": null, "error_status": null'])('%s', (json) => {
    expect(decode(json)).toMatchObject({ measuredFlowDlh: null, energyCounter1Kwh: null, errorStatus: null });
  });

  test('and a 0 is 0', () => {
    expect(decode('"measured_flow": 0, "energy_counter_regime_1": 0, "error_status": []')).toMatchObject({
      measuredFlowDlh: 0,
      energyCounter1Kwh: 0,
      errorStatus: [],
    });
  });
});

describe('numbers are taken to the edge of their type', () => {
  test.each([
    ['measured_flow', '2147483647', 'measuredFlowDlh', 2_147_483_647],
    ['measured_flow', '-2147483648', 'measuredFlowDlh', -2_147_483_648],
    ['position', '32767', 'positionBp', 32_767],
    ['local_temp', '-32768', 'localTempDc', -32_768],
    ['measured_power', '15340.0', 'measuredPowerDw', 15_340],
    ['energy_counter_regime_1', '9007199254740991', 'energyCounter1Kwh', 9_007_199_254_740_991],
    ['energy_counter_regime_2', '-9007199254740991', 'energyCounter2Kwh', -9_007_199_254_740_991],
    ['valve_timestamp', '825675298', 'valveTimestampS', 825_675_298],
  ] as const)('%s: %s', (name, json, field, value) => {
    expect(decode(`"${name}": ${json}`)).toMatchObject({ [field]: value });
  });

  test.each([
    ['measured_flow', '2147483648', 'an int32'],
    ['measured_flow', '-2147483649', 'an int32'],
    ['measured_flow', '9007199254740993', 'an int32'],
    ['measured_flow', '1.5', 'an int32'],
    ['measured_flow', '"15340"', 'an int32'],
    ['measured_flow', 'true', 'an int32'],
    ['measured_flow', '[1]', 'an int32'],
    ['measured_flow', '{}', 'an int32'],
    ['position', '32768', 'an int16'],
    ['remote_temp', '-32769', 'an int16'],
    ['energy_counter_regime_1', '9007199254740992', 'an integer below 2^53'],
    ['energy_counter_regime_1', '-9007199254740992', 'an integer below 2^53'],
    ['energy_counter_regime_1', '1e30', 'an integer below 2^53'],
    ['energy_counter_regime_1', '0.5', 'an integer below 2^53'],
    ['energy_counter_regime_1', '"12"', 'an integer below 2^53'],
    ['error_status', '"Other"', 'a list of texts'],
    ['error_status', '[1]', 'a list of texts'],
    ['error_status', '[null]', 'a list of texts'],
  ] as const)('and not beyond it, nor of another type: %s: %s', (name, json, type) => {
    expect(decode(`"${name}": ${json}`)).toEqual({
      timeUs: 1_772_360_098_535_091,
      reason: `${name} is not ${type}`,
    });
  });
});

describe('what is not asked for is not looked at', () => {
  test('a wrong property that nobody asked for costs nothing', () => {
    expect(decode('"measured_flow": 1, "position": "open", "new_in_v1": {"x": 1}', ['measured_flow'])).toMatchObject({
      measuredFlowDlh: 1,
      positionBp: null,
    });
  });

  test('nor kept, whatever HyCloud sends', () => {
    const json = PROPERTY_NAMES.map((name) => `"${name}": ${name === 'error_status' ? '["Other"]' : '1'}`).join(',');
    for (const name of PROPERTY_NAMES) {
      const reading = Object.entries(decode(json, [name])).filter(([, value]) => value !== null);
      expect(reading.map(([field]) => field)).toEqual(['timeUs', PROPERTIES[name].field]);
    }
  });

  test('an unknown error status is kept', () => {
    expect(decode('"error_status": ["ErrorOfTomorrow", ""]')).toMatchObject({ errorStatus: ['ErrorOfTomorrow', ''] });
  });
});

describe('position is read under both names of the vendor’s document', () => {
  test.each([
    ['"position": 10', 10],
    ['"actuator_position": 20', 20],
    ['"position": 10, "actuator_position": 20', 10],
    ['"position": null, "actuator_position": 20', 20],
  ])('%s', (json, positionBp) => {
    expect(decode(json)).toMatchObject({ positionBp });
  });

  test('a wrong value under either is refused', () => {
    expect(decode('"actuator_position": "20"')).toMatchObject({ reason: 'position is not an int16' });
  });
});

describe('the time of a point', () => {
  const timed = (time: string) => decodePoint(JSON.parse(`{"time": ${time}, "measured_flow": 1}`), ['measured_flow']);

  test.each([
    ['whole seconds', '"2026-03-01T10:14:58Z"', 1_772_360_098_000_000],
    ['nanoseconds and an offset', '"2026-03-01T10:14:58.535091999+00:00"', 1_772_360_098_535_091],
    ['five minutes ahead of the answer’s clock', '"2026-03-01T10:20:03Z"', 1_772_360_403_000_000],
  ])('may have %s', (_what, json, timeUs) => {
    expect(timed(json)).toMatchObject({ timeUs, measuredFlowDlh: 1 });
  });

  test.each(['null', '1772360098', '""', '"yesterday"', '"2026-02-30T10:14:58Z"', '{}'])('may not be %s', (json) => {
    expect(timed(json)).toEqual({ timeUs: null, reason: 'a point without a valid time' });
  });

  test('may not be absent', () => {
    expect(decodePoint({ measured_flow: 1 }, ['measured_flow'])).toEqual({
      timeUs: null,
      reason: 'a point without a valid time',
    });
  });

  test.each(['2026-03-01T10:20:03.000001Z', '2126-03-01T00:00:00Z', '9999-12-31T23:59:59Z'])(
    'may not lie in the future: %s',
    (time) => {
      expect(timed(`"${time}"`)).toMatchObject({ reason: `a point from the future (${time})` });
    },
  );
});

test.each([null, 7, 'text', true])('%j is no point', (raw) => {
  expect(decodePoint(raw, [])).toEqual({ timeUs: null, reason: 'a point that is not an object' });
});

test('a list is a point without a time', () => {
  expect(decodePoint([], [])).toEqual({ timeUs: null, reason: 'a point without a valid time' });
});

test('text is made fit for PostgreSQL: no NUL, no half of a surrogate pair', () => {
  expect(makeStorable('a\0b\ud83d')).toBe('a\ufffdb\ufffd');
  expect(makeStorable('Niccolò 🔥')).toBe('Niccolò 🔥');
  expect(decode('"error_status": ["a\\u0000b"]')).toMatchObject({ errorStatus: ['a\ufffdb'] });
});
