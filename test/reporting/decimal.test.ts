import { expect, test } from 'vitest';
import { exactNumber, sumDecimals } from '../../src/reporting/decimal.ts';

test.each<[(string | null)[], number | null]>([
  [[], null],
  [[null, null], null],
  [['0', null], 0],
  [['0.1', '0.2'], 0.3],
  [['100', '200.000000000000'], 300],
  [['0.333333333333', '0.333333333333', '0.333333333334'], 1],
  [['1.5', null, '-2.75'], -1.25],
])('%j add up to %s', (texts, expected) => {
  expect(sumDecimals(texts)).toBe(expected);
});

test.each([
  [null, null],
  ['138566', 138_566],
  ['138566.130', 138_566.13],
  ['-0.5', -0.5],
  ['100', 100],
  ['12345678901234567890', '12345678901234567890'],
  ['0.1234567890123456789', '0.1234567890123456789'],
])('%s is printed as %s', (text, expected) => {
  expect(exactNumber(text)).toBe(expected);
});
