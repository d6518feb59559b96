import { expect, test } from 'vitest';
import { exactDecimal, sumDecimals } from '../../src/reporting/decimal.ts';

test.each<[(string | null)[], string | null]>([
  [[], null],
  [[null, null], null],
  [['0', null], '0'],
  [['0.1', '0.2'], '0.3'],
  [['100', '200.000000000000'], '300'],
  [['0.000000000001', '9223372036854775807'], '9223372036854775807.000000000001'],
  [['1.5', null, '-2.75'], '-1.25'],
])('%j add up to %s', (texts, expected) => {
  const sum = sumDecimals(texts);
  expect(sum === null ? null : exactDecimal(sum)).toBe(expected);
});
