import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MEASURED_PROPERTIES, PROPERTIES, PROPERTY_NAMES, type PropertyName } from '../../src/domain/reading.ts';
import { formatRfc3339, parseRfc3339, US_PER_DAY, US_PER_MINUTE, US_PER_SECOND } from '../../src/domain/time.ts';
import { readPlainPage } from '../../src/hycloud/plain.ts';
import { decodePoint, pointShape } from '../../src/hycloud/points.ts';
import { readAll } from './points.ts';

const NOW = parseRfc3339('2026-03-01T10:15:03Z') ?? 0;
const HEAD = { from: '2026-03-01T09:15:03Z', sort: 'ascending', limit: 2000, properties: ['measured_flow'] };

interface Page {
  text: string;
  properties: readonly PropertyName[];
}

function plain({ text, properties }: Page) {
  const page = readPlainPage(Buffer.from(text), properties, NOW);
  return page && { envelope: JSON.parse(page.envelope) as unknown, read: readAll(page.points) };
}

/** What JSON.parse and the decoder say of the whole. */
function whole({ text, properties }: Page) {
  const { points, ...rest } = JSON.parse(text) as { points: unknown[] };
  const shape = pointShape(properties, NOW);
  return { envelope: { ...rest, points: [] }, read: points.map((point) => decodePoint(shape, point)) };
}

const VALUES = {
  int16: fc.oneof(fc.integer({ min: -9999, max: 29_999 }), fc.constant(null)),
  int32: fc.oneof(fc.integer({ min: -999_999_999, max: 1_999_999_999 }), fc.constantFrom(0, null)),
  int64: fc.oneof(fc.integer({ min: -999_999_999_999_999, max: 999_999_999_999_999 }), fc.constant(null)),
  'text[]': fc.array(fc.constantFrom('Other', 'ErrorLowPower', '')),
} as const;

/** Of days, years and months, leap ones among them. */
const TURNS = ['2026-02-28', '2025-03-01', '2024-02-29', '2024-03-01', '2000-02-29', '1970-01-01', '1900-03-01'].map(
  (date) => Number(parseRfc3339(`${date}T00:00:00Z`)),
);

const FORMATS = [
  (timeUs: number) => formatRfc3339(timeUs),
  (timeUs: number) => formatRfc3339(timeUs).replace('Z', '000+00:00'),
  (timeUs: number) => formatRfc3339(timeUs).replace('Z', '9Z'),
  (timeUs: number) => formatRfc3339(timeUs).replace(/\.\d+/, ''),
  (timeUs: number) => formatRfc3339(timeUs).replace(/\d{4}Z/, 'Z'),
];

/** Points in one order of their properties, of which some are absent. */
function plainPage(properties: readonly PropertyName[]): fc.Arbitrary<Page> {
  const names = fc.shuffledSubarray([...properties], { minLength: properties.length });
  return fc
    .tuple(names, fc.constantFrom(...FORMATS), fc.boolean(), fc.boolean())
    .chain(([ordered, format, isSpaced, isRenamed]) => {
      const colon = isSpaced ? '": ' : '":';
      const members = ordered.map((name) => {
        const key = name === 'position' && isRenamed ? 'actuator_position' : name;
        return VALUES[PROPERTIES[name].type].map((value) => `"${key}${colon}${JSON.stringify(value)}`);
      });
      const timeUs = fc.oneof(
        fc.integer({ min: NOW - 2 * US_PER_DAY, max: NOW }),
        fc.integer({ min: Number(parseRfc3339('1899-12-31T00:00:00Z')), max: NOW }),
        fc.constantFrom(...TURNS).chain((turn) => fc.integer({ min: turn - US_PER_SECOND, max: turn })),
      );
      const time = timeUs.map((us) => `"time${colon}"${format(us)}"`);
      const first = fc.tuple(time, ...members);
      const later = fc.tuple(time, ...members.map((member) => fc.option(member)));
      const comma = isSpaced ? ', ' : ',';
      const point = (parts: readonly (string | null)[]) => `{${parts.filter((part) => part !== null).join(comma)}}`;
      return fc.tuple(first, fc.array(later, { maxLength: 30 })).map(([one, more]) => {
        const head = JSON.stringify(HEAD).slice(0, -1);
        return { text: `${head},"points":[${[one, ...more].map(point).join(comma)}]}`, properties };
      });
    });
}

const pages = fc.oneof(
  plainPage(MEASURED_PROPERTIES),
  plainPage(PROPERTY_NAMES),
  plainPage([...MEASURED_PROPERTIES, 'error_status']),
);

test('a plain page is read as JSON.parse and the decoder read it', () => {
  fc.assert(
    fc.property(pages, (page) => {
      expect(plain(page)).toEqual(whole(page));
    }),
  );
});

/** Anything thrown means the same: the answer is malformed. */
function outcomeOf<T>(read: () => T): T | 'malformed' {
  try {
    return read();
  } catch {
    return 'malformed';
  }
}

test('of a page with anything changed, it reads what they read, or nothing', () => {
  const characters = ' ",:{}[]\\09-.Zé\v\u00a0\n'.split('');
  const members = ['"time":"2026-03-01T10:00:00Z"', '"measured_flow":1', '"measured_flow":"1"'];
  const others = ['', 'e5', 'null', '"points":[', '{},', '"x":{"points":[{}]},', '2.5'];
  const scraps = fc.constantFrom(...characters, ...members, ...others);
  const edit = fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(3), scraps);
  const edited = fc.tuple(pages, fc.array(edit, { minLength: 1, maxLength: 3 })).map(([page, edits]) => {
    let { text } = page;
    for (const [where, removed, scrap] of edits) {
      const at = Math.floor(where * text.length);
      text = text.slice(0, at) + scrap + text.slice(at + removed);
    }
    return { ...page, text };
  });
  let read = 0;
  fc.assert(
    fc.property(edited, (page) => {
      const outcome = outcomeOf(() => plain(page));
      if (outcome === null) return;
      read += 1;
      expect(outcome).toEqual(outcomeOf(() => whole(page)));
    }),
    { numRuns: 3000 },
  );
  expect(read).toBeGreaterThan(20);
});

test('a page longer than it takes at once is read to its end', () => {
  const point = (n: number) => `{"time":"${formatRfc3339(NOW - n * US_PER_MINUTE)}","measured_flow":${n}}`;
  const text = `${JSON.stringify(HEAD).slice(0, -1)},"points":[${Array.from({ length: 5000 }, (_, n) => point(n)).join(',')}]}`;
  const page = { text, properties: ['measured_flow'] as const };
  expect(text.length).toBeGreaterThan(4 * 65_536);
  expect(plain(page)).toEqual(whole(page));
});

describe('not plain is', () => {
  const time = '"time":"2026-03-01T10:00:00Z"';
  test.each([
    ['an empty page', '{"points":[]}'],
    ['a point without a time', '{"points":[{"measured_flow":1}]}'],
    ['a point whose time is not the first', `{"points":[{"measured_flow":1,${time}}]}`],
    ['a day that is none', '{"points":[{"time":"2026-02-30T10:00:00Z"}]}'],
    ['an hour that is none', '{"points":[{"time":"2026-02-01T24:00:00Z"}]}'],
    ['a leap second', '{"points":[{"time":"2016-12-31T23:59:60Z"}]}'],
    ['a point from the future', '{"points":[{"time":"2026-03-01T10:20:03.000001Z"}]}'],
    ['a text for a number', `{"points":[{${time},"measured_flow":"1"}]}`],
    ['a fraction', `{"points":[{${time},"measured_flow":1.5}]}`],
    ['more than an int32 holds', `{"points":[{${time},"measured_flow":2147483648}]}`],
    ['an int64 that JSON.parse would round', `{"points":[{${time},"energy_counter_regime_1":9007199254740993}]}`],
    ['a property that was not asked for', `{"points":[{${time},"valve_dst":1}]}`],
    ['a property twice', `{"points":[{${time},"measured_flow":1,"measured_flow":2}]}`],
    ['points that are not the answer’s own', `{"more":{"points":[{${time}}]},"points":[]}`],
    ['what stands behind the points', `{"points":[{${time}}],"points":[]}`],
    ['what is cut off', `{"points":[{${time}}`],
    ['no JSON', `{"points":[{${time}}]}]`],
    ['a blank that is none in JSON', `{"points":[{${time}}]}\v`],
  ])('%s', (_what, text) => {
    expect(plain({ text, properties: MEASURED_PROPERTIES })).toBeNull();
  });
});
