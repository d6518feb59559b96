import { expect, test } from 'vitest';
import type { ReportReading } from '../../../src/database/report.ts';
import { US_PER_MINUTE } from '../../../src/domain/time.ts';
import { deltaT } from '../../../src/reporting/report/delta-t.ts';

const QUARTER_US = 15 * US_PER_MINUTE;

function reading(local_temp: number | null, remote_temp: number | null, measured_flow: number | null): ReportReading {
  const others = { measured_power: 0, relative_flow: null, relative_power: null, position: null, input_signal: null };
  return { timeUs: 0, errorStatus: null, values: { local_temp, remote_temp, measured_flow, ...others } };
}

test('the mean is weighted by flow, and only readings with flow count', () => {
  const readings = [reading(400, 600, 3000), reading(400, 440, 1000), reading(300, 301, 0), reading(300, null, 5000)];
  expect(deltaT(readings, QUARTER_US)).toEqual({ meanK: 16, hours: 0.5, lowHours: 0.25, supply: 'remote' });
});

test.each([
  ['heating: the warmer pipe', 600, 400, 'local'],
  ['cooling: the colder pipe', 70, 120, 'local'],
  ['cooling: the colder pipe', 120, 70, 'remote'],
  ['neither can be told', 260, 240, null],
])('supply, %s', (_, local, remote, supply) => {
  expect(deltaT([reading(local, remote, 1000)], QUARTER_US)?.supply).toBe(supply);
});

test('without temperatures, or without flow, there is none', () => {
  expect(deltaT([reading(null, null, 1000), reading(400, 600, 0)], QUARTER_US)).toBeNull();
});
