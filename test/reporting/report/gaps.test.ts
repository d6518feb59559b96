import { describe, expect, test } from 'vitest';
import { US_PER_MINUTE, type Micros } from '../../../src/domain/time.ts';
import { gaps, namedSpans } from '../../../src/reporting/report/gaps.ts';
import { us } from '../builder.ts';

const at = (time: string): Micros => us(`2026-01-10T${time}Z`);
const clock = (timeUs: Micros): string => new Date(timeUs / 1000).toISOString().slice(11, 19);

/** From ten to twelve o'clock, by quarters. */
const STRETCH = { fromUs: at('10:00:00'), toUs: at('12:00:00'), intervalUs: 15 * US_PER_MINUTE };

describe('gaps', () => {
  const whole = ['10:00', '10:15', '10:30', '10:45', '11:00', '11:15', '11:30', '11:45'].map((time) => `${time}:00`);
  test.each<[string, string[], string[]]>([
    ['no readings ever', [], []],
    ['every quarter', whole, []],
    ['one and a half intervals are none', ['10:00:00', '10:22:30', '10:45:00', ...whole.slice(4)], []],
    ['a second more is one', ['10:00:00', '10:22:31', ...whole.slice(3)], ['10:00:00–10:22:31']],
    ['one reading is missing', whole.filter((time) => time !== '10:30:00'), ['10:15:00–10:45:00']],
    ['what comes before the first reading is none', whole.slice(4), []],
    ['an open one reaches to the end', whole.slice(0, 6), ['11:15:00–12:00:00']],
    ['the end within one and a half intervals is none', [...whole.slice(0, 7), '11:37:30'], []],
    ['one that began before', ['09:30:00', '10:15:00', ...whole.slice(2)], ['10:00:00–10:15:00']],
    ['one that ends after', [...whole.slice(0, 6), '12:30:00'], ['11:15:00–12:00:00']],
    ['a neighbour just after closes it', [...whole.slice(0, 7), '11:40:00', '12:01:00'], []],
    ['nothing but a reading long before', ['08:00:00'], ['10:00:00–12:00:00']],
    ['nothing between the neighbours', ['08:00:00', '13:00:00'], ['10:00:00–12:00:00']],
    ['one that lies before', ['08:00:00', '09:55:00', ...whole], []],
    ['nothing but readings to come', ['13:00:00', '14:00:00'], []],
  ])('%s', (_, times, expected) => {
    const found = gaps(times.map(at), STRETCH);
    expect(found.map(({ fromUs, toUs }) => `${clock(fromUs)}–${clock(toUs)}`)).toEqual(expected);
  });
});

describe('errors', () => {
  const ok: readonly string[] = [];
  const quarter = (hour: number, names: (readonly string[])[]): [string, readonly string[]][] =>
    names.map((own, n) => [`${hour}:${String(n * 15).padStart(2, '0')}:00`, own]);

  test.each<[string, [string, readonly string[]][], string[]]>([
    ['none', quarter(10, [ok, [], ok, []]), []],
    ['one reading’s lasts until the next', quarter(10, [ok, ['A'], ok, ok]), ['10:15:00–10:30:00 A']],
    ['equal ones are one period', quarter(10, [['A'], ['A'], ['A'], []]), ['10:00:00–10:45:00 A']],
    ['the order of names is nothing', quarter(10, [['B', 'A'], ['A', 'B', 'A'], ok]), ['10:00:00–10:30:00 A+B']],
    [
      'another set is another period',
      quarter(10, [['A'], ['A', 'B'], ['A'], ok]),
      ['10:00:00–10:15:00 A', '10:15:00–10:30:00 A+B', '10:30:00–10:45:00 A'],
    ],
    ['and so is the same again', quarter(10, [['A'], ok, ['A'], ok]), ['10:00:00–10:15:00 A', '10:30:00–10:45:00 A']],
    [
      'a gap parts them',
      [
        ['10:00:00', ['A']],
        ['10:15:00', ['A']],
        ['11:00:00', ['A']],
        ['11:15:00', ok],
      ],
      ['10:00:00–10:15:00 A', '11:00:00–11:15:00 A'],
    ],
    [
      'of a single reading before a gap, the instant is known',
      [
        ['10:15:00', ['A']],
        ['11:45:00', ok],
      ],
      ['10:15:00–10:15:00 A'],
    ],
    ['the last reading’s lasts to the end', [['11:45:00', ['A']]], ['11:45:00–12:00:00 A']],
    ['unless a gap is open', [['11:15:00', ['A']]], ['11:15:00–11:15:00 A']],
    [
      'one that began before is cut',
      [
        ['09:50:00', ['A']],
        ['10:05:00', ok],
      ],
      ['10:00:00–10:05:00 A'],
    ],
    [
      'one that goes on after is cut',
      [
        ['11:50:00', ['A']],
        ['12:05:00', ['A']],
      ],
      ['11:50:00–12:00:00 A'],
    ],
    [
      'those outside are not shown',
      [
        ['08:00:00', ['A']],
        ['09:50:00', ok],
        ['12:10:00', ['A']],
      ],
      [],
    ],
  ])('%s', (_, readings, expected) => {
    const found = namedSpans(
      readings.map(([time]) => at(time)),
      readings.map(([, names]) => names),
      STRETCH,
    );
    expect(found.map(({ fromUs, toUs, names }) => `${clock(fromUs)}–${clock(toUs)} ${names.join('+')}`)).toEqual(
      expected,
    );
  });
});
