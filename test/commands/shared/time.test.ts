import { expect, test } from 'vitest';
import { parseTime } from '../../../src/commands/shared/time.ts';
import { formatRfc3339 } from '../../../src/domain/time.ts';

const NOW_US = Date.parse('2026-03-29T10:15:00Z') * 1000;

/** Summer time began that night at 02:00 in Rome. */
test.each([
  ['now', '2026-03-29T10:15:00.000000Z'],
  ['today', '2026-03-28T23:00:00.000000Z'],
  ['yesterday', '2026-03-27T23:00:00.000000Z'],
  ['2026-03-29T08:00', '2026-03-29T06:00:00.000000Z'],
  ['24h', '2026-03-28T10:15:00.000000Z'],
])('%s', (text, expected) => {
  expect(formatRfc3339(parseTime(text, '--from', 'Europe/Rome', NOW_US))).toBe(expected);
});
