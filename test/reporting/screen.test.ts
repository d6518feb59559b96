import { describe, expect, test } from 'vitest';
import { inAscii, adaptToScreen } from '../../src/reporting/screen.ts';

const SCREEN = { width: 80, textWidth: 80, hasColours: false, isUnicode: true, drawsBlocks: false };

test('the marks of a line are coloured, and nothing else', () => {
  const text = '✓ fine ✓\n! so so\n✗ bad\n!important\n';
  expect(adaptToScreen(text, SCREEN)).toBe(text);
  expect(adaptToScreen(text, { ...SCREEN, hasColours: true })).toBe(
    '\u001b[32m✓\u001b[39m fine ✓\n\u001b[33m!\u001b[39m so so\n\u001b[31m✗\u001b[39m bad\n!important\n',
  );
});

describe('in ASCII', () => {
  test.each([
    ['✓ Caffè dell’atrio – 1° piano…', "+ Caffe dell'atrio - 1o piano~"],
    ['m³/h', 'm3/h'],
    ['e\u0301te\u0301', 'ete'],
    ['東京 12', '???? 12'],
    ['→ do this', '> do this'],
  ])('%s', (text, expected) => {
    expect(inAscii(text)).toBe(expected);
  });
});
