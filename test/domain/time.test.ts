import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { epochSeconds, formatRfc3339, parseRfc3339 } from '../../src/domain/time.ts';

const MARCH_1 = 1_772_360_098_000_000; // 2026-03-01T10:14:58Z
const [YEAR_1684, YEAR_2255] = [-9_007_199_254_740_991, 9_007_199_254_740_991];

describe('parseRfc3339 reads', () => {
  test.each([
    ['the epoch', '1970-01-01T00:00:00Z', 0],
    ['microseconds', '2026-03-01T10:14:58.535091Z', MARCH_1 + 535_091],
    ['whole seconds', '2026-03-01T10:14:58Z', MARCH_1],
    ['milliseconds', '2026-03-01T10:14:58.5Z', MARCH_1 + 500_000],
    ['nanoseconds, cut off at the microsecond', '2026-03-01T10:14:58.535091999+00:00', MARCH_1 + 535_091],
    ['more digits than any clock has', '2026-03-01T10:14:58.00000100000000000000Z', MARCH_1 + 1],
    ['lower case', '2026-03-01t10:14:58z', MARCH_1],
    ['a blank for the T', '2026-03-01 10:14:58Z', MARCH_1],
    ['an offset to the east', '2026-03-01T11:14:58+01:00', MARCH_1],
    ['an offset to the west', '2026-02-28T23:44:58.000000-10:30', MARCH_1],
    ['the unknown offset', '2026-03-01T10:14:58-00:00', MARCH_1],
    ['a time before the epoch', '1969-12-31T23:59:59.999999Z', -1],
    ['the 29th of February of a leap year', '2024-02-29T00:00:00Z', 1_709_164_800_000_000],
    ['a leap second, as the first second of the next minute', '2016-12-31T23:59:60.5Z', 1_483_228_800_500_000],
  ])('%s', (_what, text, expected) => {
    expect(parseRfc3339(text)).toBe(expected);
  });
});

describe('parseRfc3339 refuses', () => {
  test.each([
    ['a 30th of February', '2026-02-30T00:00:00Z'],
    ['a 29th of February of an ordinary year', '2100-02-29T00:00:00Z'],
    ['a 31st of April', '2026-04-31T00:00:00Z'],
    ['a day 0', '2026-03-00T00:00:00Z'],
    ['a month 0', '2026-00-01T00:00:00Z'],
    ['a month 13', '2026-13-01T00:00:00Z'],
    ['an hour 24', '2026-03-01T24:00:00Z'],
    ['a minute 60', '2026-03-01T00:60:00Z'],
    ['a second 61', '2026-03-01T00:00:61Z'],
    ['an offset of 24 hours', '2026-03-01T00:00:00+24:00'],
    ['an offset of 60 minutes', '2026-03-01T00:00:00+00:60'],
    ['the year 0', '0000-01-01T00:00:00Z'],
    ['the year 50, which Date.UTC takes for 1950', '0050-01-01T00:00:00Z'],
    ['the year 99, which Date.UTC takes for 1999', '0099-12-31T00:00:00Z'],
    ['a year of five digits', '12026-03-01T00:00:00Z'],
    ['no offset', '2026-03-01T10:14:58'],
    ['an offset without a colon', '2026-03-01T10:14:58+0100'],
    ['a fraction without digits', '2026-03-01T10:14:58.Z'],
    ['a comma', '2026-03-01T10:14:58,5Z'],
    ['no seconds', '2026-03-01T10:14Z'],
    ['a day alone', '2026-03-01'],
    ['blanks around it', ' 2026-03-01T10:14:58Z'],
    ['a second line', '2026-03-01T10:14:58Z\n'],
    ['digits of another script', '２０２６-03-01T10:14:58Z'],
    ['epoch seconds', '1772360098'],
    ['words', 'now'],
    ['nothing', ''],
  ])('%s', (_what, text) => {
    expect(parseRfc3339(text)).toBeNull();
  });
});

test('parseRfc3339 reads what the calendar and the clock have, and nothing else', () => {
  const time = fc.record({
    year: fc.oneof(fc.nat(9999), fc.constantFrom(0, 99, 100, 1900, 2000, 2024, 2100)),
    month: fc.nat(13),
    day: fc.nat(32),
    separator: fc.constantFrom('T', 't', ' '),
    hour: fc.nat(24),
    minute: fc.nat(60),
    second: fc.nat(61),
    fraction: fc.option(fc.nat(999_999_999).map(String), { nil: null }),
    offset: fc.option(fc.record({ sign: fc.constantFrom('+', '-'), hours: fc.nat(24), minutes: fc.nat(60) }), {
      nil: null,
    }),
  });
  const padded = (number: number, length = 2) => String(number).padStart(length, '0');
  fc.assert(
    fc.property(time, ({ year, month, day, separator, hour, minute, second, fraction, offset }) => {
      const local = `${padded(year, 4)}-${padded(month)}-${padded(day)}${separator}${padded(hour)}:${padded(minute)}:${padded(second)}`;
      const zone = offset ? `${offset.sign}${padded(offset.hours)}:${padded(offset.minutes)}` : 'Z';
      const read = parseRfc3339(`${local}${fraction === null ? '' : `.${fraction}`}${zone}`);
      // Date rolls over what no calendar has.
      const date = new Date(Date.UTC(year, month - 1, day));
      const isDay = date.getUTCFullYear() === year && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
      const isTime = hour <= 23 && minute <= 59 && second <= 60;
      if (!isDay || !isTime || (offset && (offset.hours > 23 || offset.minutes > 59))) {
        expect(read).toBeNull();
        return;
      }
      const east = offset ? (offset.hours * 3600 + offset.minutes * 60) * (offset.sign === '-' ? -1 : 1) : 0;
      const seconds = date.getTime() / 1000 + hour * 3600 + minute * 60 + second - east;
      expect(read).toBe(seconds * 1_000_000 + Math.round(Number(`0.${fraction?.slice(0, 6) ?? 0}`) * 1_000_000));
    }),
    { numRuns: 5000 },
  );
});

test('parseRfc3339 takes no other kind of character in any place, and does without none', () => {
  const text = '2026-03-01T10:14:58.535091+01:00';
  const alike = ['0123456789', 'Tt ', '+-'];
  for (const [place, character] of text.split('').entries()) {
    const [before, after] = [text.slice(0, place), text.slice(place + 1)];
    // The day has a minus of its own, which is no plus.
    const isOfDay = place < 10 && character === '-';
    const allowed = isOfDay ? '-' : (alike.find((some) => some.includes(character)) ?? character);
    const others = '0aT -+:.,/Z٣\n'.split('').filter((other) => !allowed.includes(other));
    for (const other of others) expect(parseRfc3339(`${before}${other}${after}`)).toBeNull();
    const isOfFraction = place > 19 && place < 26;
    if (!isOfFraction) expect(parseRfc3339(`${before}${after}`)).toBeNull();
  }
});

describe('formatRfc3339', () => {
  test.each([
    [MARCH_1 + 535_091, '2026-03-01T10:14:58.535091Z'],
    [MARCH_1, '2026-03-01T10:14:58.000000Z'],
    [MARCH_1 + 1, '2026-03-01T10:14:58.000001Z'],
    [0, '1970-01-01T00:00:00.000000Z'],
    [-1, '1969-12-31T23:59:59.999999Z'],
  ])('writes %i as %s', (timeUs, text) => {
    expect(formatRfc3339(timeUs)).toBe(text);
  });

  test('is undone by parseRfc3339, to the microsecond', () => {
    fc.assert(
      fc.property(fc.integer({ min: YEAR_1684, max: YEAR_2255 }), (timeUs) => {
        expect(parseRfc3339(formatRfc3339(timeUs))).toBe(timeUs);
      }),
    );
  });

  test('sorts as text as it does as time', () => {
    const instant = fc.integer({ min: YEAR_1684, max: YEAR_2255 });
    fc.assert(
      fc.property(instant, instant, (a, b) => {
        expect(formatRfc3339(a) < formatRfc3339(b)).toBe(a < b);
      }),
    );
  });
});

describe('epochSeconds rounds down', () => {
  test.each([
    [MARCH_1 + 999_999, 1_772_360_098],
    [MARCH_1, 1_772_360_098],
    [0, 0],
    [-1, -1],
    [-1_000_000, -1],
    [-1_000_001, -2],
  ])('%i to %i', (timeUs, seconds) => {
    expect(epochSeconds(timeUs)).toBe(seconds);
  });
});
