/** Days that the page adds up from hours. */
import { describe, expect, test } from 'vitest';
import { daysOf, type Bar } from '../../../src/reporting/report/page/decode.ts';

const HOUR_S = 3600;
/** UTC */
const OFFSETS = [[0, 0]] as const;

/** The bars of a day from letters: `-` missing, `m` measured, `e` estimated, `r` reset, `p` provisional. */
function hours(letters: string): Bar[] {
  const names = { '-': 'missing', m: 'measured', e: 'estimated', r: 'reset', p: 'provisional' } as const;
  return letters.split('').map((letter, index) => ({
    startS: index * HOUR_S,
    endS: (index + 1) * HOUR_S,
    kwh: letter === '-' ? null : 1,
    quality: names[letter as keyof typeof names],
    percent: letter === '-' ? 0 : 100,
  }));
}

describe('a day has the quality that tasmart_consumption gives it', () => {
  test.each([
    ['mmmm', 'measured', 4],
    ['----', 'missing', null],
    ['--mm', 'estimated', 2],
    ['--rm', 'reset', 2],
    ['mm--', 'provisional', 2],
    ['-mp-', 'provisional', 2],
    ['-emm', 'estimated', 3],
  ])('%s: %s', (letters, quality, kwh) => {
    expect(daysOf(hours(letters), OFFSETS)).toMatchObject([{ quality, kwh }]);
  });
});

test('a day has whole Wh, as its hours have', () => {
  const tenths = hours('mmm').map((bar) => ({ ...bar, kwh: 0.1 }));
  expect(daysOf(tenths, OFFSETS)).toMatchObject([{ kwh: 0.3 }]);
});
