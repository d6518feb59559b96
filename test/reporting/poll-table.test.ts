import type { Reading } from '../../src/domain/reading.ts';
import { describe, expect, test } from 'vitest';
import type { PolledValve } from '../../src/polling/report.ts';
import { failure, polled, pollText, readingOf, summaryOf, us } from './builder.ts';

const VIEW = { timezone: 'Europe/Rome', properties: [], screen: { width: 120, textWidth: 120 } };

function rowOf(valve: PolledValve, more: Parameters<typeof summaryOf>[0] = {}): string {
  return pollText('table', [valve], VIEW, summaryOf(more)).split('\n')[1] ?? '';
}

test('a line per valve by name, in human units and local time, then one about the run', () => {
  const old = readingOf({ timeUs: us('2026-02-28T06:00:00Z'), measuredFlowDlh: null, energyCounter2Kwh: null });
  const valves = [
    polled({
      id: 'valve-3',
      shortSn: '00000003',
      userId: null,
      newest: null,
      readings: [],
      failure: failure('HTTP 503'),
    }),
    polled({ id: 'valve-2', shortSn: '00000002', userId: 'Été', newest: old, readings: [], silent: true }),
    polled(),
  ];
  const failures = ['HTTP 503', 'valve x is missing'].map((reason) => ({ valve: null, reason, remedy: null }));
  const summary = summaryOf({ outcome: 'partial', valves: 4, silent: 1, failures });
  expect(pollText('table', valves, VIEW, summary)).toBe(
    [
      'valve        serial    time (Europe/Rome)       age    m³/h       kW  kWh 1  kWh 2',
      '00000003     00000003  –                          –       –        –      –      –  failed',
      'Boiler room  89abcdef  2026-03-01 11:14:58      4 s  1.5340  15.1814  12345      0  stored',
      'Été          00000002  2026-02-28 07:00:00  1 d 4 h       –  15.1814  12345      –  silent',
      '',
      '4 valves: 1 reading stored; 0 unchanged, 1 silent, 2 failed. 3 requests, 1 retry, 0.5 s.',
      '',
    ].join('\n'),
  );
});

test('without a valve there is the line about the run alone', () => {
  expect(pollText('table', [], VIEW, summaryOf({ valves: 0, stored: 0 }))).toBe(
    '0 valves: 0 readings stored; 0 unchanged, 0 silent, 0 failed. 3 requests, 1 retry, 0.5 s.\n',
  );
});

describe('what became of the readings', () => {
  const [known, first, second] = [readingOf(), readingOf(), readingOf()];
  const nothing = new Set<Reading>();

  test.each([
    ['stored', polled()],
    ['2 stored', polled({ readings: [first, known, second], stored: new Set([first, second]) })],
    ['unchanged', polled({ readings: [known], stored: nothing })],
    ['unchanged', polled({ readings: [] })],
    ['silent', polled({ readings: [known], stored: nothing, silent: true })],
    ['silent, stored', polled({ readings: [first], silent: true })],
    ['failed', polled({ readings: [], failure: failure('HTTP 503') })],
    ['failed, 2 stored', polled({ readings: [first, second], failure: failure('HTTP 503') })],
  ])('%s', (text, valve) => {
    expect(rowOf(valve).split(/ {2,}/).at(-1)).toBe(text);
  });

  test.each([
    ['would be stored', polled()],
    ['2 would be stored', polled({ readings: [first, second] })],
  ])('in a dry run: %s', (text, valve) => {
    expect(rowOf(valve, { dryRun: true }).split(/ {2,}/).at(-1)).toBe(text);
    expect(pollText('table', [valve], VIEW, summaryOf({ dryRun: true }))).toContain('(dry run: nothing stored)');
  });
});

describe('numbers are exact', () => {
  test.each([
    ['0.0001', readingOf({ measuredFlowDlh: 1 })],
    ['-0.0025', readingOf({ measuredFlowDlh: -25 })],
    ['214748.3647', readingOf({ measuredFlowDlh: 2_147_483_647 })],
    ['-214748.3648', readingOf({ measuredPowerDw: -2_147_483_648 })],
    ['9007199254740991', readingOf({ energyCounter1Kwh: 9_007_199_254_740_991 })],
  ])('%s', (text, newest) => {
    expect(rowOf(polled({ newest }))).toContain(` ${text} `);
  });
});

describe('somebody else’s name cannot act on the terminal', () => {
  test.each([
    ['an escape sequence', '\u001b[2J\u001b]0;title\u0007', '\\u{1b}[2J\\u{1b}]0;title\\u{7}'],
    ['lines', 'a\r\nb', 'a\\u{d}\\u{a}b'],
    ['a right-to-left mark', 'ab\u202edc', 'ab\\u{202e}dc'],
    ['a NUL and a C1 control', 'a\0b\u009bm', 'a\\u{0}b\\u{9b}m'],
    ['what cannot be seen', 'a\u200bb\u2028c', 'a\\u{200b}b\\u{2028}c'],
  ])('%s', (_what, userId, shown) => {
    const text = pollText('table', [polled({ userId })], VIEW);
    expect(text).toContain(`\n${shown}  89abcdef`);
    expect(text.split('\n')).toHaveLength(5);
    expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });

  test('10 000 characters are cut', () => {
    expect(rowOf(polled({ userId: '🔥'.repeat(10_000) })).startsWith(`${'🔥'.repeat(22)}…  `)).toBe(true);
  });

  test('letters of any language are shown as they are', () => {
    expect(rowOf(polled({ userId: 'Città «Ω» 東京' }))).toContain('Città «Ω» 東京  89abcdef');
  });
});

test('thousands of lines are laid out as one table', () => {
  const valves = Array.from({ length: 3000 }, (_, index) =>
    polled({ id: `v${index}`, userId: `Valve ${index + 1000}` }),
  );
  const lines = pollText('table', [...valves, polled({ userId: 'The widest of them all' })], VIEW).split('\n');
  expect(lines).toHaveLength(3005);
  expect(new Set(lines.slice(1, -3).map((line) => line.indexOf('89abcdef')))).toEqual(new Set([24]));
  expect(lines[1]?.startsWith('The widest of them all  89abcdef')).toBe(true);
});

test.each([
  [200, ['valve', 'serial', 'time (Europe/Rome)', 'age', 'm³/h', 'kW', 'kWh 1', 'kWh 2']],
  [80, ['valve', 'serial', 'age', 'm³/h', 'kW', 'kWh 1']],
  [60, ['valve', 'age', 'm³/h', 'kW', 'kWh 1']],
  [40, ['valve', 'age', 'kWh 1']],
])('%i columns have room for %j, and for names', (screenWidth, headings) => {
  const valves = ['Caffè dell’atrio – Edificio "Ex Opificio"', 'Boiler room'].map((userId, index) =>
    polled({ id: `valve-${index}`, userId }),
  );
  const lines = pollText('table', valves, { ...VIEW, screen: { width: screenWidth, textWidth: screenWidth } }).split(
    '\n',
  );
  expect(lines[0]?.split(/ {2,}/)).toEqual(headings);
  expect(lines.filter((line) => line.length > screenWidth)).toEqual([]);
});

test('valves are listed by name, then serial; numbers within names count as numbers', () => {
  const valves = [
    polled({ id: 'a', userId: 'Scala 10' }),
    polled({ id: 'b', userId: 'scala 2', shortSn: '00000002' }),
    polled({ id: 'c', userId: 'scala 2', shortSn: '00000001' }),
  ];
  const ids = [...pollText('csv', valves, VIEW).matchAll(/^"?([abc])"?,/gm)].map(([, id]) => id);
  expect(ids).toEqual(['c', 'b', 'a']);
  const { readings } = JSON.parse(pollText('json', valves, VIEW)) as { readings: { tasmart_id: string }[] };
  expect(readings.map(({ tasmart_id: id }) => id)).toEqual(ids);
});
