import { expect, test } from 'vitest';
import type { ReportReadings } from '../../../src/database/report-readings.ts';
import { US_PER_MINUTE } from '../../../src/domain/time.ts';
import { deltaT } from '../../../src/reporting/report/delta-t.ts';

const QUARTER_US = 15 * US_PER_MINUTE;

type Reading = [local: number | null, remote: number | null, flow: number | null];

function readings(...all: Reading[]): Pick<ReportReadings, 'values'> {
  const none = { measured_power: [], relative_flow: [], relative_power: [], position: [], input_signal: [] };
  const [local_temp, remote_temp, measured_flow] = ([0, 1, 2] as const).map((column) => all.map((own) => own[column]));
  return {
    values: {
      ...none,
      local_temp: local_temp ?? [],
      remote_temp: remote_temp ?? [],
      measured_flow: measured_flow ?? [],
    },
  };
}

test('the mean is weighted by flow, and only readings with flow count', () => {
  const all = readings([400, 600, 3000], [400, 440, 1000], [300, 301, 0], [300, null, 5000]);
  expect(deltaT(all, QUARTER_US)).toEqual({ meanK: 16, hours: 0.5, lowHours: 0.25, supply: 'remote' });
});

test.each([
  ['heating: the warmer pipe', 600, 400, 'local'],
  ['cooling: the colder pipe', 70, 120, 'local'],
  ['cooling: the colder pipe', 120, 70, 'remote'],
  ['neither can be told', 260, 240, null],
])('supply, %s', (_, local, remote, supply) => {
  expect(deltaT(readings([local, remote, 1000]), QUARTER_US)?.supply).toBe(supply);
});

test('without temperatures, or without flow, there is none', () => {
  expect(deltaT(readings([null, null, 1000], [400, 600, 0]), QUARTER_US)).toBeNull();
});
