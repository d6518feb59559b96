import { describe, expect, test } from 'vitest';
import { formatTable, wrapText, type Column } from '../../src/reporting/table.ts';

const COLUMNS: Column[] = [
  { heading: 'name', minWidth: 6 },
  { heading: 'id', rank: 2 },
  { heading: 'kWh', align: 'right' },
  { heading: 'gaps', align: 'right', rank: 1 },
];

describe('a table', () => {
  test.each([
    [40, 'name            id    kWh  gaps\nBoiler room 12  abcd   17     3\n'],
    [28, 'name          id    kWh  gaps\n', false],
    [26, 'name       id    kWh  gaps\nBoiler ro…  abcd   17     3\n', false],
    [25, 'name    id    kWh  gaps\nBoile…  abcd   17     3\n', false],
    [19, 'name      kWh  gaps\nBoiler …   17     3\n', true],
    [13, 'name      kWh\nBoiler …   17\n', true],
    [5, 'name    kWh\nBoile…   17\n', true],
  ])('of %i columns', (screenWidth, expected, isExact = true) => {
    const text = formatTable(COLUMNS, [['Boiler room 12', 'abcd', '17', '3']], screenWidth);
    if (isExact) expect(text).toBe(expected);
    if (screenWidth >= 11) for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(screenWidth);
  });

  test('first loses a column that tells nothing, whatever its rank', () => {
    const rows = [
      ['Boiler room', 'abcd', '17', '–'],
      ['Café', 'efgh', '0', '0'],
    ];
    expect(formatTable(COLUMNS, rows, 20)).toBe('name       id    kWh\nBoiler r…  abcd   17\nCafé       efgh    0\n');
  });

  test('cuts a name between characters, however wide they are', () => {
    expect(formatTable([{ heading: '', minWidth: 1 }], [['東京駅前']], 6)).toBe('\n東京…\n');
  });
});

test('a long text goes on behind its indent', () => {
  expect(wrapText('the quick brown fox jumps over the lazy dog', 20, 4)).toBe(
    'the quick brown\n    fox jumps over\n    the lazy dog',
  );
  expect(wrapText('https://example.com/a/long/path is a word', 12, 2)).toBe(
    'https://example.com/a/long/path\n  is a word',
  );
});
