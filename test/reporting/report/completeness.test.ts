import { describe, expect, test } from 'vitest';
import { US_PER_MINUTE, type Micros } from '../../../src/domain/time.ts';
import { completenessByDay, dayStarts, type CompletenessSpan } from '../../../src/reporting/report/completeness.ts';
import { us } from '../builder.ts';

const QUARTER_US = 15 * US_PER_MINUTE;

/** A reading 2 s before each boundary, from after `from` to `to`. */
function quarters(from: string, to: string): Micros[] {
  const count = (us(to) - us(from)) / QUARTER_US;
  return Array.from({ length: count }, (_, n) => us(from) + (n + 1) * QUARTER_US - 2_000_000);
}

function span(
  from: string,
  to: string,
  { timezone = 'Europe/Rome', ...more }: Partial<CompletenessSpan> & { timezone?: string } = {},
): CompletenessSpan {
  const own = {
    fromUs: us(from),
    toUs: us(to),
    nowUs: us('2030-01-01T00:00:00Z'),
    firstUs: us('2010-01-01T00:00:00Z'),
    intervalUs: QUARTER_US,
    ...more,
  };
  return { ...own, dayStartsUs: dayStarts({ ...own, timezone }) };
}

/** `2026-03-01T10:00Z 3/4` */
function days(timesUs: readonly Micros[], of: CompletenessSpan): string[] {
  return completenessByDay(timesUs, of).map(
    ({ startUs, expected, present }) =>
      `${new Date(startUs / 1000).toISOString().slice(0, 16)}Z ${present}/${expected}`,
  );
}

test.each([
  ['winter', '2026-01-09T23:00:00Z', '2026-01-10T23:00:00Z', ['2026-01-09T23:00Z 96/96']],
  ['summer time begins', '2026-03-28T23:00:00Z', '2026-03-29T22:00:00Z', ['2026-03-28T23:00Z 92/92']],
  ['summer time ends', '2026-10-24T22:00:00Z', '2026-10-25T23:00:00Z', ['2026-10-24T22:00Z 100/100']],
])('a day of Rome, %s', (_, from, to, expected) => {
  expect(days(quarters(from, to), span(from, to))).toEqual(expected);
});

test('a day that begins at one o’clock, because midnight is skipped', () => {
  const [from, to] = ['2018-11-03T03:00:00Z', '2018-11-05T02:00:00Z'];
  expect(days(quarters(from, to), span(from, to, { timezone: 'America/Sao_Paulo' }))).toEqual([
    '2018-11-03T03:00Z 96/96',
    '2018-11-04T03:00Z 92/92',
  ]);
});

describe('which boundaries count', () => {
  const [from, to] = ['2026-01-10T10:00:00Z', '2026-01-10T12:00:00Z'];
  test.each<[string, string[], Partial<CompletenessSpan>, string]>([
    ['none has a reading', [], {}, '0/8'],
    ['a reading at the boundary itself is its own', ['11:00:00'], {}, '1/8'],
    ['one a microsecond later is the next one’s', ['11:00:00', '11:00:00.000001'], {}, '2/8'],
    ['two readings of one window count once', ['11:00:01', '11:14:59'], {}, '1/8'],
    ['a reading at the very start belongs to the window before', ['10:00:00'], {}, '0/8'],
    ['neighbours outside do not count', ['09:59:59', '12:00:01'], {}, '0/8'],
    ['what is to come is not expected', ['10:10:00'], { nowUs: us('2026-01-10T10:44:59Z') }, '1/2'],
    ['nor what came before the first reading', ['11:20:00'], { firstUs: us('2026-01-10T11:20:00Z') }, '1/3'],
    ['nor anything of a valve without readings', [], { firstUs: null }, '0/0'],
    ['a span that begins between boundaries', ['10:10:00'], { fromUs: us('2026-01-10T10:05:00Z') }, '0/7'],
    ['hours', ['10:10:00'], { intervalUs: 60 * US_PER_MINUTE }, '1/2'],
  ])('%s', (_, times, more, expected) => {
    const timesUs = times.map((time) => us(`2026-01-10T${time}Z`));
    const own = span(from, to, more);
    expect(completenessByDay(timesUs, own).map((day) => `${day.present}/${day.expected}`)).toEqual([expected]);
  });
});

test('every day of the span is there, those to come too', () => {
  const of = span('2026-01-10T10:07:30Z', '2026-01-13T10:07:30Z', { nowUs: us('2026-01-11T10:07:30Z') });
  expect(days([], of)).toEqual([
    '2026-01-10T10:07Z 0/51',
    '2026-01-10T23:00Z 0/44',
    '2026-01-11T23:00Z 0/0',
    '2026-01-12T23:00Z 0/0',
  ]);
});
