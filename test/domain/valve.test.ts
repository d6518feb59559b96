import { describe, expect, test } from 'vitest';
import { foldName, isNamed, valveLabel } from '../../src/domain/valve.ts';

const VALVE = {
  id: '0f2b9c1e-8a77-4d0e-9b34-1f2e3d4c5b6a',
  fullSn: '0123456789abcdef01234567',
  shortSn: '89abcdef',
  userId: 'Boiler room',
};

describe('a valve is called', () => {
  test.each([
    ['by the name the customer gave it', VALVE, 'Boiler room'],
    ['by its short serial where it has no name', { ...VALVE, userId: null }, '89abcdef'],
    [
      'by its id where it has neither',
      { ...VALVE, userId: null, shortSn: null },
      '0f2b9c1e-8a77-4d0e-9b34-1f2e3d4c5b6a',
    ],
  ])('%s', (_how, valve, label) => {
    expect(valveLabel(valve)).toBe(label);
  });
});

describe('a valve is named', () => {
  test.each([
    ['0f2b9c1e-8a77-4d0e-9b34-1f2e3d4c5b6a', true],
    ['0F2B9C1E-8A77-4D0E-9B34-1F2E3D4C5B6A', true],
    ['0123456789ABCDEF01234567', true],
    ['89ABCDEF', true],
    ['89abcdef', true],
    ['89abcde', false],
    ['Boiler room', false],
    ['', false],
  ])('by %s: %s', (name, expected) => {
    expect(isNamed(VALVE, name)).toBe(expected);
  });

  test('by nothing but its id, where it has no serials', () => {
    expect(isNamed({ ...VALVE, fullSn: null, shortSn: null }, 'null')).toBe(false);
  });
});

test.each([
  ['Caffè', 'CAFFE\u0300'],
  ['\u1e98', 'W\u030a'], // W with a ring above has no capital of one character
])('%s and %s are the same name', (a, b) => {
  expect(foldName(a)).toBe(foldName(b));
});
