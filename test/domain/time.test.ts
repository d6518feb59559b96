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

describe('parseRfc3339 reads exactly what the grammar and the calendar allow:', () => {
  const GRAMMAR = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

  /** The same by a regular expression and Date, which rolls over what no calendar has. */
  function byGrammar(text: string): number | null {
    const [, year, month, day, h, m, s, fraction = '', sign, offsetH = '0', offsetM = '0'] = GRAMMAR.exec(text) ?? [];
    const date = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)));
    const isDay = !Number.isNaN(date.getTime()) && date.toISOString().startsWith(`${year}-${month}-${day}T`);
    if (!isDay || Number(h) > 23 || Number(m) > 59 || Number(s) > 60) return null;
    if (Number(offsetH) > 23 || Number(offsetM) > 59) return null;
    const offsetS = (Number(offsetH) * 3600 + Number(offsetM) * 60) * (sign === '-' ? -1 : 1);
    const seconds = date.getTime() / 1000 + Number(h) * 3600 + Number(m) * 60 + Number(s) - offsetS;
    return seconds * 1_000_000 + Number(fraction.padEnd(6, '0').slice(0, 6));
  }

  const number = (length: number, max: number) =>
    fc.integer({ min: 0, max }).map((value) => String(value).padStart(length, '0'));
  const year = fc.oneof(number(4, 9999), fc.constantFrom('0000', '0099', '0100', '1900', '2000', '2024', '2100'));
  const fraction = fc.oneof(
    fc.constantFrom('', '.'),
    number(1, 999_999_999).map((value) => `.${value}`),
  );
  const zone = fc.oneof(
    fc.constantFrom('Z', 'z', ''),
    fc.tuple(fc.constantFrom('+', '-'), number(2, 24), number(2, 60)),
  );
  const text = fc
    .tuple(
      year,
      number(2, 13),
      number(2, 32),
      fc.constantFrom('T', 't', ' '),
      number(2, 24),
      number(2, 60),
      number(2, 61),
    )
    .map(([y, mo, d, separator, h, mi, s]) => `${y}-${mo}-${d}${separator}${h}:${mi}:${s}`);
  const nearly = fc
    .tuple(text, fraction, zone)
    .map(
      ([local, part, where]) =>
        local + part + (typeof where === 'string' ? where : `${where[0]}${where[1]}:${where[2]}`),
    );

  test('of texts that are times, or nearly', () => {
    fc.assert(
      fc.property(nearly, (time) => {
        expect(parseRfc3339(time)).toBe(byGrammar(time));
      }),
      { numRuns: 5000 },
    );
  });

  test('of texts with a character put in, taken out, or replaced', () => {
    const changed = fc
      .tuple(
        nearly,
        fc.nat(33),
        fc.nat(1),
        fc.constantFrom('', '0', '9', '-', '+', ':', '.', 'T', 'Z', ' ', '\n', '/', '٣'),
      )
      .map(([time, at, taken, put]) => time.slice(0, at) + put + time.slice(at + taken));
    fc.assert(
      fc.property(changed, (time) => {
        expect(parseRfc3339(time)).toBe(byGrammar(time));
      }),
      { numRuns: 5000 },
    );
  });
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
