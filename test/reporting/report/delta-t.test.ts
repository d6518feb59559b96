import { expect, test } from 'vitest';
import type { ReportReadings } from '../../../src/database/report-readings.ts';
import { US_PER_MINUTE } from '../../../src/domain/time.ts';
import { deltaT } from '../../../src/reporting/report/delta-t.ts';

const INTERVAL_US = 15 * US_PER_MINUTE;
const SPAN = { fromUs: 0, intervalUs: INTERVAL_US };

type Reading = [local: number | null, remote: number | null, flow: number | null];

/** Readings at the end of each interval of SPAN, or every `stepUs`. */
function readings(all: readonly Reading[], stepUs = INTERVAL_US): Pick<ReportReadings, 'timesUs' | 'values'> {
  const none = { measured_power: [], relative_flow: [], relative_power: [], position: [], input_signal: [] };
  const [local_temp, remote_temp, measured_flow] = ([0, 1, 2] as const).map((column) => all.map((own) => own[column]));
  return {
    timesUs: all.map((_, index) => (index + 1) * stepUs),
    values: {
      ...none,
      local_temp: local_temp ?? [],
      remote_temp: remote_temp ?? [],
      measured_flow: measured_flow ?? [],
    },
  };
}

test('the mean is weighted by flow, and only readings with flow count', () => {
  const all = readings([
    [400, 600, 3000],
    [400, 440, 1000],
    [300, 301, 0],
    [300, null, 5000],
  ]);
  expect(deltaT(all, SPAN)).toEqual({ meanK: 16, hours: 0.5, lowHours: 0.25, supply: 'remote' });
});

test('a reading stands for the time since the one before, at most one interval; the first for that since the start', () => {
  const FIVE_MINUTES_US = 5 * US_PER_MINUTE;
  const twelve = [...repeat(3, [400, 440, 1000]), ...repeat(9, [400, 600, 1000])];
  const [one, two] = [twelve.slice(0, 1), twelve.slice(2, 4)];
  expect(deltaT(readings(twelve, FIVE_MINUTES_US), SPAN)).toMatchObject({ meanK: 16, hours: 1, lowHours: 0.25 });
  expect(deltaT(readings(two, 4 * INTERVAL_US), SPAN)).toMatchObject({ meanK: 12, hours: 0.5, lowHours: 0.25 });
  expect(deltaT(readings(one), { ...SPAN, fromUs: INTERVAL_US - FIVE_MINUTES_US })).toMatchObject({ hours: 5 / 60 });
  expect(deltaT(readings(one), { ...SPAN, fromUs: INTERVAL_US })).toBeNull();
});

test.each([
  ['heating: the warmer pipe', 600, 400, 'local'],
  ['cooling: the colder pipe', 70, 120, 'local'],
  ['cooling: the colder pipe', 120, 70, 'remote'],
  ['neither can be told', 260, 240, null],
])('supply, %s', (_, local, remote, supply) => {
  expect(deltaT(readings([[local, remote, 1000]]), SPAN)?.supply).toBe(supply);
});

test.each<[string, Reading[], string | null]>([
  ['over a changeover', [...repeat(35, [450, 350, 1000]), ...repeat(65, [70, 120, 1000])], 'local'],
  ['from the readings that carry heat', [...repeat(9, [450, 453, 1000]), [600, 400, 1000]], 'local'],
  ['unless readings disagree', [...repeat(3, [450, 350, 1000]), ...repeat(2, [350, 450, 1000])], null],
  ['unless both are equally warm', [[450, 450, 1000]], null],
])('supply is known %s', (_, all, supply) => {
  expect(deltaT(readings(all), SPAN)?.supply).toBe(supply);
});

function repeat(times: number, reading: Reading): Reading[] {
  return Array.from({ length: times }, () => reading);
}

test('without temperatures, or without flow, there is none', () => {
  expect(
    deltaT(
      readings([
        [null, null, 1000],
        [400, 600, 0],
      ]),
      SPAN,
    ),
  ).toBeNull();
});
