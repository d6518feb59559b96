import { describe, expect, test } from 'vitest';
import { MEASURED_PROPERTIES } from '../../src/domain/reading.ts';
import { failure, polled, pollText, readingOf, summaryOf } from './builder.ts';

const VIEW = { timezone: 'Europe/Rome', properties: MEASURED_PROPERTIES };

describe('JSON', () => {
  test('is one object: the run, its readings in the units of the API, its failures', () => {
    const valves = [polled(), polled({ id: 'valve-2', readings: [], failure: failure('HTTP 503') })];
    const failures = [
      { valve: null, reason: 'valve x is missing', remedy: null },
      { valve: valves[1]?.valve ?? null, reason: 'HTTP 503', remedy: null },
    ];
    const summary = summaryOf({ outcome: 'partial', valves: 3, failures });
    expect(JSON.parse(pollText('json', valves, VIEW, summary))).toEqual({
      run: {
        outcome: 'partial',
        dry_run: false,
        valves: 3,
        stored: 1,
        unchanged: 0,
        silent: 0,
        failed: 2,
        requests: 3,
        retries: 1,
        seconds: 0.457,
      },
      readings: [
        {
          tasmart_id: 'valve-1',
          short_sn: '89abcdef',
          full_sn: null,
          user_id: 'Boiler room',
          time: '2026-03-01T10:14:58.535091Z',
          measured_flow: 15_340,
          measured_power: 151_814,
          energy_counter_regime_1: 12_345,
          energy_counter_regime_2: 0,
          stored: true,
        },
      ],
      failures: [
        { tasmart_id: null, reason: 'valve x is missing' },
        { tasmart_id: 'valve-2', reason: 'HTTP 503' },
      ],
    });
  });

  test('keeps every digit of a counter, and null apart from 0', () => {
    const reading = readingOf({ energyCounter1Kwh: 9_007_199_254_740_991, energyCounter2Kwh: null });
    const text = pollText('json', [polled({ readings: [reading], stored: new Set() })], VIEW);
    expect(text).toContain('"energy_counter_regime_1": 9007199254740991,');
    expect(text).toContain('"energy_counter_regime_2": null,');
    expect(text).toContain('"stored": false');
  });

  test('of a dry run says that nothing is stored', () => {
    const { run, readings } = JSON.parse(pollText('json', [polled()], VIEW, summaryOf({ dryRun: true }))) as {
      run: object;
      readings: object[];
    };
    expect(run).toMatchObject({ dry_run: true, stored: 0 });
    expect(readings).toMatchObject([{ stored: false }]);
  });

  test('carries hostile names unharmed, as JSON does', () => {
    const userId = '"\u001b[2J\n\0\ud83d';
    const parsed = JSON.parse(pollText('json', [polled({ userId })], VIEW)) as { readings: { user_id: string }[] };
    expect(parsed.readings[0]?.user_id).toBe(userId);
    expect(pollText('json', [polled({ userId })], VIEW)).not.toContain('\u001b');
  });
});

describe('JSON of several batches', () => {
  const [first, second] = [readingOf(), readingOf()];

  test.each([
    ['none', []],
    ['nothing read', [polled({ readings: [] })]],
    ['one reading', [polled()]],
    ['several, some of them empty', [polled({ readings: [] }), polled({ readings: [first, second] }), polled()]],
  ])('is laid out as one: %s', (_what, valves) => {
    const text = pollText('json', valves, VIEW);
    expect(text).toBe(`${JSON.stringify(JSON.parse(text), null, 2)}\n`);
    expect((JSON.parse(text) as { readings: [] }).readings).toHaveLength(
      valves.flatMap(({ readings }) => readings).length,
    );
  });
});

describe('CSV', () => {
  test('is a line per reading, with the names and units of the API', () => {
    const second = readingOf({ measuredFlowDlh: null, energyCounter1Kwh: 9_007_199_254_740_991 });
    const first = readingOf();
    const valve = polled({ readings: [first, second], stored: new Set([first]) });
    expect(pollText('csv', [valve], VIEW)).toBe(
      [
        'tasmart_id,short_sn,full_sn,user_id,time,measured_flow,measured_power,energy_counter_regime_1,energy_counter_regime_2,stored',
        '"valve-1","89abcdef",,"Boiler room","2026-03-01T10:14:58.535091Z",15340,151814,12345,0,true',
        '"valve-1","89abcdef",,"Boiler room","2026-03-01T10:14:58.535091Z",,151814,9007199254740991,0,false',
        '',
      ].join('\n'),
    );
  });

  test('of a dry run says that nothing is stored', () => {
    expect(pollText('csv', [polled()], VIEW, summaryOf({ dryRun: true }))).toMatch(/,false\n$/);
  });

  test.each([
    ['=HYPERLINK("https://evil.example.com")', `'=HYPERLINK(""https://evil.example.com"")`],
    ['+1', "'+1"],
    ['-1', "'-1"],
    ['@SUM(A1)', "'@SUM(A1)"],
    ['\t=1', "'\t'=1"],
    ['\r=1', "'\r'=1"],
    ['\n=1', "'\n'=1"],
    ['＝1', "'＝1"],
    ['a=1', 'a=1'],
    ['a,"b"', 'a,""b""'],
    ['two\nlines', 'two\nlines'],
    // A new cell begins behind a semicolon where the comma is for decimals.
    ['a;=1;b', "a;'=1;b"],
    ['a; +1', "a; '+1"],
    ['a;"@SUM(A1)', `a;""'@SUM(A1)`],
    ['a;b', 'a;b'],
    // So does a new row: there the quotes around the cell count for nothing.
    ['a\n=1', "a\n'=1"],
    ['a\t"+1', `a\t""'+1`],
  ])('defuses what a spreadsheet would run: %j', (userId, cell) => {
    expect(pollText('csv', [polled({ userId })], VIEW)).toContain(`\n"valve-1","89abcdef",,"${cell}","2026-`);
  });

  test('leaves negative numbers numbers, and joins error statuses', () => {
    const reading = readingOf({ measuredFlowDlh: -5, errorStatus: ['Other', 'ErrorReverseFlow'] });
    const view = { ...VIEW, properties: ['measured_flow', 'error_status'] as const };
    expect(pollText('csv', [polled({ readings: [reading] })], view)).toContain(',-5,"Other ErrorReverseFlow",true\n');
  });
});
