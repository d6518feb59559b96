import { expect, test } from 'vitest';
import type { Consumption } from '../../src/database/consumption.ts';
import type { Quality } from '../../src/domain/energy.ts';
import { changeText } from '../../src/reporting/corrections.ts';

const DAY_US = 24 * 3600 * 1e6;
const START_US = Date.UTC(2026, 9, 30) * 1000;

function days(...values: [kwh: string | null, quality?: Quality][]): Consumption[] {
  return values.map(([kwh, quality = 'measured'], index) => {
    const startUs = START_US + index * DAY_US;
    return { regime: 1, startUs, endUs: startUs + DAY_US, kwh, coverage: '1', quality };
  });
}

test.each([
  ['another sum', days(['96'], ['96']), days(['96'], ['90']), ', 2026-10-31: 96.0 kWh before, 90.0 kWh now'],
  [
    'kWh that move over the end of a month, where the qualities stay',
    days(['96'], ['96', 'estimated'], ['96', 'estimated']),
    days(['96'], ['98.94', 'estimated'], ['93.06', 'estimated']),
    ', 2026-10-31 to 2026-11-01: 192.0 kWh as before, 2.9 kWh moved between days',
  ],
  [
    'both',
    days(['96'], ['96'], ['96', 'estimated']),
    days(['94'], ['97', 'estimated'], ['97', 'estimated']),
    ', 2026-10-30 to 2026-11-01: 288.0 kWh as before, 2.0 kWh moved between days, now estimated',
  ],
  [
    'only the quality',
    days([null, 'missing']),
    days([null, 'provisional']),
    ', 2026-10-30: – kWh as before, now provisional',
  ],
  [
    'less than is printed',
    days(['96'], ['96']),
    days(['96.01'], ['96']),
    ', 2026-10-30: 96.0 kWh as before, within 0.1 kWh',
  ],
  ['nothing', days(['96']), days(['96']), ': all days keep their kWh and quality'],
])('what a correction changed: %s', (_name, before, after, expected) => {
  expect(changeText(before, after, 'UTC')).toBe(`  regime 1${expected}\n`);
});
