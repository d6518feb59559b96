import { expect, test } from 'vitest';
import { forEachChartedProperty } from '../../../src/database/report-readings.ts';
import { US_PER_DAY } from '../../../src/domain/time.ts';
import { dayRanges } from '../../../src/reporting/report/day-ranges.ts';
import { valveReport, type ValveRecord } from '../../../src/reporting/report/valve-report.ts';

test('the least and greatest value of each day; null for a day without a value', () => {
  const timesUs = [0, 5, 10, 19, 20, 40];
  const values = [3, 1, 7, null, null, -2];
  expect(dayRanges(timesUs, values, [0, 10, 20, 30, 40])).toEqual([
    { least: 1, most: 3 },
    { least: 7, most: 7 },
    null,
    null,
    { least: -2, most: -2 },
  ]);
});

test('a day whose readings the charts leave out has a range', () => {
  const days = Array.from({ length: 3650 }, (_, day) => day * US_PER_DAY);
  const span = { fromUs: 0, toUs: 3650 * US_PER_DAY, nowUs: 3650 * US_PER_DAY, timezone: 'UTC', intervalMinutes: 15 };
  const facts = { projectName: null, account: null, firmware: null, counter1Kwh: null, counter2Kwh: null };
  const record: ValveRecord = {
    valve: { id: 'valve-1', shortSn: null, fullSn: null, userId: null, backendRef: null },
    label: 'valve-1',
    facts: { ...facts, firstUs: 0, newestUs: days.at(-1) ?? null, ageUs: 0, errorStatus: null },
    state: 'ok',
    readings: {
      timesUs: days,
      errorStatus: days.map(() => null),
      values: forEachChartedProperty((name) => days.map(() => (name === 'measured_flow' ? 15_000 : null))),
    },
    energy: [],
    events: [],
  };
  const report = valveReport(record, { ...span, dayStartsUs: days, valveCount: 1000 });
  expect(report.timesUs.length).toBeLessThan(1000);
  expect(report.series[0]?.dayRanges).toEqual(days.map(() => ({ least: 1.5, most: 1.5 })));
});
