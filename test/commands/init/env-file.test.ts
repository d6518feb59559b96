import { parse as parseEnvFile } from 'dotenv';
import { expect, test } from 'vitest';
import { setVariables } from '../../../src/commands/init/env-file.ts';

test.each(['plain', 'with blank', "o'clock", '#1', '$HOME', 'a"b', 'back\\slash', ' '])(
  '%j is read as written',
  (text) => {
    expect(parseEnvFile(setVariables('A=1\nDB_PASS=old\n', new Map([['DB_PASS', text]])))).toEqual({
      A: '1',
      DB_PASS: text,
    });
  },
);

test('what is set twice is set once, what is not wanted goes, comments stay', () => {
  const text = 'A=1\n# B=2\nexport B=3\nB=4\n\nC=5';
  const values = new Map([
    ['B', '6'],
    ['C', null],
    ['D', '7'],
  ]);
  expect(setVariables(text, values)).toBe('A=1\n# B=2\nB=6\n\nD=7\n');
});

test('a value that no quotes can hold is refused', () => {
  for (const value of ["'`", 'p\\']) {
    expect(() => setVariables(null, new Map([['DB_PASS', value]]))).toThrow('DB_PASS cannot be written');
  }
});

test('what dotenv takes for an assignment is replaced or removed', () => {
  const values = new Map([
    ['A', null],
    ['B', '2'],
  ]);
  expect(setVariables('A: old\nexport B: 1\n', values)).toBe('B=2\n');
});
