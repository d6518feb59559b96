import { expect, test } from 'vitest';
import type { Consumption, MeteredValve } from '../../src/database/consumption.ts';
import { consumptionFormat } from '../../src/reporting/consumption.ts';
import { us } from './builder.ts';

const VALVE: MeteredValve = { id: 'valve-1', shortSn: null, fullSn: null, userId: 'Boiler room', backendRef: null };

test('a table of as many rows as four years have quarters of an hour', () => {
  const [startUs, endUs] = [us('2025-01-01T00:00:00Z'), us('2026-01-01T00:00:00Z')];
  const bucket: Consumption = { regime: 1, startUs, endUs, kwh: '0.25', coverage: '1', quality: 'measured' };
  const screen = { width: 80, textWidth: Infinity, drawsBlocks: false };
  const view = { timezone: 'UTC', bucket: 'year', nowUs: us('2026-03-01T00:00:00Z'), screen } as const;
  const text = consumptionFormat('table', view).valve(VALVE, new Array<Consumption>(4 * 365 * 96).fill(bucket));
  expect(text.split('\n').slice(0, 3)).toEqual([
    'Boiler room',
    '  regime 1 (UTC)      kWh  coverage',
    '  2025                0.3     100 %',
  ]);
});
