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

test.each([
  ['midnight was skipped a day later', 'Africa/Cairo', '2026-04-24T12:00Z', 'yesterday', '2026-04-22T22:00:00.000000Z'],
  ['midnight was skipped today', 'Africa/Cairo', '2026-04-24T12:00Z', 'today', '2026-04-23T22:00:00.000000Z'],
  ['midnight was repeated today', 'Atlantic/Azores', '2026-10-25T12:00Z', 'today', '2026-10-25T00:00:00.000000Z'],
  [
    'midnight is repeated on a date',
    'Atlantic/Azores',
    '2026-12-01T00:00Z',
    '2026-10-25',
    '2026-10-25T00:00:00.000000Z',
  ],
  [
    'midnight is repeated a day later',
    'Atlantic/Azores',
    '2026-10-26T12:00Z',
    'yesterday',
    '2026-10-25T00:00:00.000000Z',
  ],
])('a day begins at its first instant: %s', (_what, timezone, now, text, expected) => {
  expect(formatRfc3339(parseTime(text, '--from', timezone, Date.parse(now) * 1000))).toBe(expected);
});
