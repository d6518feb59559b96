import { describe, expect, test } from 'vitest';
import { durationText, localTime } from '../../src/reporting/units.ts';
import { us } from './builder.ts';

const SECOND = 1_000_000;
const [MINUTE, HOUR, DAY] = [60 * SECOND, 3600 * SECOND, 86_400 * SECOND];

describe('an age is rounded down to two units', () => {
  test.each([
    [-5 * SECOND, '0 s'],
    [0, '0 s'],
    [59.999999 * SECOND, '59 s'],
    [MINUTE, '1 min'],
    [HOUR - 1, '59 min'],
    [HOUR, '1 h'],
    [3 * HOUR + 20 * MINUTE, '3 h 20 min'],
    [DAY - 1, '23 h 59 min'],
    [DAY, '1 d'],
    [4 * DAY + 2 * HOUR, '4 d 2 h'],
    [400 * DAY, '400 d'],
  ])('%d: %s', (spanUs, text) => {
    expect(durationText(spanUs)).toBe(text);
  });
});

describe('local time', () => {
  test.each([
    ['2026-03-29T00:59:59.999999Z', 'Europe/Rome', '2026-03-29 01:59:59'],
    ['2026-03-29T01:00:00Z', 'Europe/Rome', '2026-03-29 03:00:00'],
    ['2025-10-26T00:30:00Z', 'Europe/Rome', '2025-10-26 02:30:00'],
    ['2025-10-26T01:30:00Z', 'Europe/Rome', '2025-10-26 02:30:00'],
    ['2026-03-01T10:14:58.535091Z', 'UTC', '2026-03-01 10:14:58'],
    ['2026-03-01T10:14:58Z', 'America/New_York', '2026-03-01 05:14:58'],
    ['2026-03-01T20:00:00Z', 'Asia/Kolkata', '2026-03-02 01:30:00'],
    ['1969-12-31T23:59:59.999999Z', 'UTC', '1969-12-31 23:59:59'],
  ])('of %s in %s is %s', (time, timezone, local) => {
    expect(localTime(us(time), timezone)).toBe(local);
  });
});
