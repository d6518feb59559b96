import fc from 'fast-check';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { formatRfc3339, parseRfc3339 } from '../../src/domain/time.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';
import { bucketOf, odometerCurve, type CounterReading } from './consumption-reference.ts';

const SECOND = 1_000_000n;
const MINUTE = 60n * SECOND;
const HOUR = 60n * MINUTE;
const DAY = 24n * HOUR;

/** a few days before the clocks of Rome go back */
const ORIGIN = us('2025-10-22T05:50:00Z');
const MAX_KWH = 2n ** 63n - 1n;

// runs that find something shrink it, with many queries
vi.setConfig({ testTimeout: 180_000 });

let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await freshDatabase();
  client = await database.client();
  await client.query("set datestyle = 'ISO'; set timezone = 'UTC'");
});
afterAll(() => database.drop());

interface Row {
  valve: string;
  regime: 1 | 2;
  start: bigint;
  end: bigint;
  /** 10⁻¹² kWh */
  pico: bigint | null;
  coverage: number;
  quality: string;
}

interface Range {
  bucket: '15min' | 'hour' | 'day' | 'month';
  from: bigint;
  to: bigint;
  timezone: string;
}

type Shape = 'linear' | 'power';

interface Series {
  first: CounterReading[];
  second: CounterReading[];
}

function us(time: string): bigint {
  const micros = parseRfc3339(time);
  if (micros === null) throw new Error(`not a time: ${time}`);
  return BigInt(micros);
}

/** In a transaction that is rolled back: runs do not see each other. */
async function withReadings<T>(fleet: readonly Series[], work: () => Promise<T>): Promise<T> {
  await client.query('begin');
  try {
    await insert(fleet);
    return await work();
  } finally {
    await client.query('rollback');
  }
}

async function insert(fleet: readonly Series[]): Promise<void> {
  const rows = fleet.flatMap(({ first, second }, valve) => {
    const counters = new Map<bigint, [bigint | null, bigint | null]>();
    for (const { at, kwh } of first) counters.set(at, [kwh, null]);
    for (const { at, kwh } of second) counters.set(at, [counters.get(at)?.[0] ?? null, kwh]);
    return [...counters].map(([at, pair]) => ({ valve: valveName(valve), at, pair }));
  });
  await client.query(
    `insert into tasmart_data_table
       ("timestamp", tasmart_id, measured_power, energy_counter_regime_1, energy_counter_regime_2, "time")
     select floor(extract(epoch from at)), valve, nullif(hashtext(at::text) % 50000, 0), first, second, at
     from unnest($1::text[], $2::timestamptz[], $3::bigint[], $4::bigint[]) as r (valve, at, first, second)`,
    [
      rows.map((row) => row.valve),
      rows.map((row) => rfc3339(row.at)),
      rows.map((row) => row.pair[0]),
      rows.map((row) => row.pair[1]),
    ],
  );
}

const valveName = (index: number) => `valve ${String(index).padStart(3, '0')}`;
const rfc3339 = (at: bigint) => formatRfc3339(Number(at));

async function consumption({ bucket, from, to, timezone }: Range, shape: Shape = 'linear'): Promise<Row[]> {
  const { rows } = await client.query<
    Pick<Row, 'valve' | 'regime' | 'coverage' | 'quality'> & { start: string; end: string; pico: string | null }
  >(
    `select
       tasmart_id as valve, regime, coverage::float8, quality,
       round(extract(epoch from bucket_start) * 1000000)::text as start,
       round(extract(epoch from bucket_end) * 1000000)::text as end,
       (kwh * 1000000000000)::numeric(60, 0)::text as pico
     from tasmart_consumption($1, $2, $3, $4, shape => $5)
     order by tasmart_id, regime, bucket_start`,
    [bucket, rfc3339(from), rfc3339(to), timezone, shape],
  );
  return rows.map(({ start, end, pico, ...row }) => ({
    ...row,
    start: BigInt(start),
    end: BigInt(end),
    pico: pico === null ? null : BigInt(pico),
  }));
}

const total = (rows: readonly Row[]) => rows.reduce((sum, { pico }) => sum + (pico ?? 0n), 0n);

// Series: any mix of counting, gaps, nulls, jitter, glitches, resets and impossible rises; and plain noise.

const anyGap = fc.oneof(
  { weight: 12, arbitrary: fc.constant(15n * MINUTE) },
  { weight: 2, arbitrary: fc.bigInt(1n, 30n * MINUTE) },
  { weight: 2, arbitrary: fc.constantFrom(1350n * SECOND, 1350n * SECOND + 1n, HOUR, 6n * HOUR) },
  { weight: 1, arbitrary: fc.constantFrom(DAY, DAY + 1n, DAY - 15n * MINUTE, 70n * DAY) },
);

type Event =
  | { kind: 'count' | 'jitter' | 'low' | 'high' | 'reset' | 'jump'; gap: bigint; by: bigint; readings: number }
  | { kind: 'null' | 'steady'; gap: bigint; by: bigint; readings: number };

const anyEvent: fc.Arbitrary<Event> = fc.record({
  kind: fc.oneof(
    { weight: 10, arbitrary: fc.constant('count' as const) },
    {
      weight: 5,
      arbitrary: fc.constantFrom(
        ...(['jitter', 'low', 'high', 'reset', 'jump', 'null', 'steady', 'steady', 'steady'] as const),
      ),
    },
  ),
  gap: anyGap,
  by: fc.oneof(fc.bigInt(0n, 3n), fc.bigInt(0n, 1000n), fc.constantFrom(375n, 376n)),
  readings: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 110 })),
});

function register(origin: bigint, opening: bigint, events: readonly Event[]): CounterReading[] {
  const readings: CounterReading[] = [];
  let at = origin;
  let level = opening;
  const add = (gap: bigint, kwh: bigint | null) => {
    const clamped = kwh === null ? null : kwh < 0n ? 0n : kwh > MAX_KWH ? MAX_KWH : kwh;
    readings.push({ at, kwh: clamped });
    // the primary key holds whole seconds
    at += gap < SECOND ? SECOND : gap;
  };
  for (const { kind, gap, by, readings: count } of events) {
    const few = Math.min(count, 4);
    for (let i = 0; i < (kind === 'steady' ? count : few); i++) {
      switch (kind) {
        case 'count':
          level += by;
          add(gap, level);
          break;
        case 'steady':
          level += by % 4n === 3n ? 0n : by % 4n;
          add(15n * MINUTE, level);
          break;
        case 'jitter':
          add(gap, level - (by % 3n));
          break;
        case 'low':
          add(gap, level - level / (1n + (by % 3n)) - by);
          break;
        case 'high':
          add(gap, level + 100_000n * (1n + by) + BigInt(i));
          break;
        case 'null':
          add(gap, null);
          break;
        case 'reset':
          level = by % 4n === 0n ? 0n : level / (by + 1n);
          add(gap, level);
          break;
        case 'jump':
          level += 377n * (1n + by);
          add(gap, level);
          break;
      }
    }
  }
  return readings;
}

const openings = fc.oneof(fc.constantFrom(0n, 1n, 3n, 1000n, 250_000n, MAX_KWH - 2000n), fc.bigInt(0n, 1_000_000n));
const anyRegister: fc.Arbitrary<CounterReading[]> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .record({ opening: openings, events: fc.array(anyEvent, { maxLength: 14 }) })
      .map(({ opening, events }) => register(ORIGIN, opening, events)),
  },
  {
    weight: 1,
    arbitrary: fc
      .array(fc.tuple(anyGap, fc.constantFrom(null, 0n, 1n, 2n, 3n, 400n, 401n, 402n, 5000n, 90_000n)), {
        maxLength: 12,
      })
      .map((steps) => {
        let at = ORIGIN;
        return steps.map(([gap, kwh]) => ({ at: (at += gap < SECOND ? SECOND : gap), kwh }));
      }),
  },
);

const anySeries: fc.Arbitrary<Series> = fc
  .record({ first: anyRegister, second: anyRegister, shared: fc.boolean() })
  .map(({ first, second, shared }) => {
    const times = new Set(first.map(({ at }) => at / SECOND));
    return {
      first,
      // the same rows, or rows of their own
      second: shared
        ? first.map(({ at }, index) => ({ at, kwh: second[index]?.kwh ?? null }))
        : second.filter(({ at }) => !times.has(at / SECOND)),
    };
  });
const anyFleet = fc.array(anySeries, { minLength: 1, maxLength: 25, size: 'max' });
const smallFleet = fc.array(anySeries, { minLength: 1, maxLength: 6, size: 'max' });

const min = (a: bigint, b: bigint) => (a < b ? a : b);

const zones = ['Europe/Rome', 'UTC', 'Asia/Kolkata', 'Australia/Lord_Howe', 'America/St_Johns', 'America/Havana'];
const anyRange: fc.Arbitrary<Range> = fc
  .record({
    bucket: fc.constantFrom('15min' as const, 'hour' as const, 'day' as const, 'month' as const),
    offset: fc.oneof(
      fc.bigInt(-2n, 14n).map((days) => days * DAY),
      fc.bigInt(-300n, 1400n).map((n) => n * 15n * MINUTE),
    ),
    odd: fc.oneof({ weight: 3, arbitrary: fc.constant(0n) }, { weight: 1, arbitrary: fc.bigInt(-HOUR, HOUR) }),
    length: fc.oneof(fc.bigInt(1n, 5n * DAY), fc.constantFrom(15n * MINUTE, HOUR, DAY, 3n * DAY)),
    timezone: fc.constantFrom(...zones),
  })
  .map(({ bucket, offset, odd, length, timezone }) => {
    const from = us('2025-10-22T00:00:00Z') + offset + odd;
    const stretch = bucket === 'day' ? 4n : bucket === 'month' ? 30n : 1n;
    return { bucket, from, to: from + length * stretch, timezone };
  });

/** fast-check prints the seed of a failure. */
async function check<T>(runs: number, property: fc.IAsyncProperty<T>): Promise<void> {
  await fc.assert(property, { numRuns: runs });
}

describe('against the slow reference', () => {
  test('every bucket of every valve and register, whatever the readings and the range', async () => {
    await check(
      40,
      fc.asyncProperty(anyFleet, fc.array(anyRange, { minLength: 1, maxLength: 3 }), async (fleet, ranges) => {
        await withReadings(fleet, async () => {
          const curves = fleet.map(({ first, second }) => [odometerCurve(first), odometerCurve(second)] as const);
          const known = fleet.flatMap(({ first, second }, index) =>
            first.length + second.length > 0 ? [valveName(index)] : [],
          );
          for (const range of ranges) {
            const rows = await consumption(range);
            expect([...new Set(rows.map(({ valve }) => valve))]).toEqual(known);
            expectDense(rows, range);
            for (const row of rows) {
              const curve = curves[Number(row.valve.slice(-3))]?.[row.regime - 1];
              if (!curve) throw new Error(`no such valve: ${row.valve}`);
              const reference = bucketOf(curve, row.start, row.end);
              const where = `${row.valve} ${row.regime} ${rfc3339(row.start)}`;
              expect(`${where} ${row.quality}`).toBe(`${where} ${reference.quality}`);
              expect(row.coverage, where).toBeCloseTo(reference.coverage, 8);
              expect(row.pico === null, where).toBe(reference.kwh === null);
              if (row.pico !== null && reference.kwh !== null) {
                expect(row.pico >= 0n, where).toBe(true);
                // each end of the bucket is rounded down to a pico-kWh
                const { numerator, denominator } = reference.kwh;
                const off = row.pico * denominator - numerator * 1_000_000_000_000n;
                expect(off <= denominator && off >= -denominator, `${where}: ${row.pico} pico-kWh`).toBe(true);
              }
            }
          }
        });
      }),
    );
  });
});

const anyShape = fc.constantFrom<Shape>('linear', 'power');

describe('always', () => {
  test('quarters add up to hours, hours to days, days to months, months to the whole; none is negative', async () => {
    await check(
      15,
      fc.asyncProperty(smallFleet, anyRange, anyShape, async (fleet, asked, shape) => {
        const range = { ...asked, to: min(asked.to, asked.from + 10n * DAY) };
        await withReadings(fleet, async () => {
          let coarser = await consumption({ ...range, bucket: 'month' }, shape);
          for (const bucket of ['day', 'hour', '15min'] as const) {
            const finer = await consumption({ ...range, bucket }, shape);
            expect(finer.every(({ pico }) => pico === null || pico >= 0n)).toBe(true);
            const sums = new Map<Row, Row[]>(coarser.map((row) => [row, []]));
            let index = 0;
            for (const row of finer) {
              for (;;) {
                const whole = coarser[index];
                if (!whole) throw new Error('a bucket outside of all');
                if (row.valve === whole.valve && row.regime === whole.regime && row.start < whole.end) {
                  sums.get(whole)?.push(row);
                  break;
                }
                index++;
              }
            }
            for (const [whole, parts] of sums) {
              expect(total(parts)).toBe(total([whole]));
              expect(parts[0]?.start).toBe(whole.start);
              expect(parts.at(-1)?.end).toBe(whole.end);
            }
            coarser = finer;
          }
        });
      }),
    );
  });

  test('a bucket is the same whatever range it is asked in', async () => {
    await check(
      40,
      fc.asyncProperty(anyFleet, anyRange, anyShape, fc.nat(), async (fleet, range, shape, pick) => {
        await withReadings(fleet, async () => {
          const rows = await consumption(range, shape);
          const starts = [...new Set(rows.map(({ start }) => start))];
          const start = starts[pick % Math.max(starts.length, 1)];
          const same = rows.filter((row) => row.start === start);
          const end = same[0]?.end;
          if (start === undefined || end === undefined) return;
          expect(await consumption({ ...range, from: start, to: end }, shape)).toEqual(same);
        });
      }),
    );
  });

  test('order of arrival changes nothing', async () => {
    const shuffled = anySeries.chain((series) =>
      fc
        .tuple(
          fc.shuffledSubarray(series.first, { minLength: series.first.length }),
          fc.shuffledSubarray(series.second, { minLength: series.second.length }),
        )
        .map(([first, second]) => ({ series, other: { first, second } })),
    );
    await check(
      15,
      fc.asyncProperty(fc.array(shuffled, { minLength: 1, maxLength: 10 }), anyRange, async (pairs, range) => {
        const inOrder = await withReadings(
          pairs.map(({ series }) => series),
          () => consumption(range),
        );
        const inDisorder = await withReadings(
          pairs.map(({ other }) => other),
          () => consumption(range),
        );
        expect(inDisorder).toEqual(inOrder);
      }),
    );
  });

  test('a new reading changes only the buckets between its neighbours', async () => {
    const counting = fc.array(fc.tuple(fc.constantFrom(15n, 20n, 45n, 600n), fc.bigInt(0n, 9n)), { minLength: 3 });
    await check(
      25,
      fc.asyncProperty(counting, fc.nat(), anyRange, async (steps, pick, range) => {
        let [at, kwh] = [ORIGIN, 5000n];
        const all = steps.map(([minutes, by]) => ({ at: (at += minutes * MINUTE), kwh: (kwh += by) }));
        const added = 1 + (pick % (all.length - 2));
        const fewer = all.filter((_, index) => index !== added);
        const [before, after] = [all[added - 1], all[added + 1]];
        if (!before || !after) throw new Error('at the end');
        const outside = (rows: Row[]) => rows.filter(({ start, end }) => end <= before.at || start >= after.at);
        const hours = { ...range, bucket: '15min' as const };
        const without = await withReadings([{ first: fewer, second: [] }], () => consumption(hours));
        const withIt = await withReadings([{ first: all, second: [] }], () => consumption(hours));
        expect(outside(withIt)).toEqual(outside(without));
        expect(total(withReadingsBetween(withIt, fewer))).toBe(total(withReadingsBetween(without, fewer)));
      }),
    );
  });
});

/** The rows of the first register, if the range holds all of the readings. */
function withReadingsBetween(rows: readonly Row[], readings: readonly CounterReading[]): Row[] {
  const [first, last] = [readings[0], readings.at(-1)];
  const all = first && last && rows[0] && rows[0].start <= first.at && (rows.at(-1)?.end ?? 0n) >= last.at;
  return all ? rows.filter(({ regime }) => regime === 1) : [];
}

describe('what a counter may do', () => {
  const quarters = fc.array(fc.bigInt(0n, 20n), { minLength: 4, maxLength: 60 });
  const series = (steps: readonly bigint[], opening = 100_000n): CounterReading[] => {
    let kwh = opening;
    return steps.map((by, index) => ({ at: ORIGIN + BigInt(index) * 15n * MINUTE, kwh: (kwh += by) }));
  };
  const whole = { bucket: '15min' as const, from: ORIGIN - HOUR, to: ORIGIN + 40n * HOUR, timezone: 'UTC' };

  test('a constant added to all readings of a segment changes nothing', async () => {
    await check(
      20,
      fc.asyncProperty(quarters, fc.bigInt(0n, MAX_KWH - 200_000n), async (steps, constant) => {
        const rows = await withReadings([{ first: series(steps), second: series(steps, constant) }], () =>
          consumption(whole),
        );
        const [first, second] = [1, 2].map((regime) =>
          rows
            .filter((row) => row.regime === regime)
            .map(({ pico, quality, coverage }) => ({ pico, quality, coverage })),
        );
        expect(second).toEqual(first);
      }),
    );
  });

  test('a glitch that comes back changes no total', async () => {
    const glitch = fc.array(fc.oneof(fc.bigInt(0n, 99_000n), fc.bigInt(150_000n, 10_000_000n)), {
      minLength: 1,
      maxLength: 8,
    });
    await check(
      40,
      fc.asyncProperty(quarters, glitch, fc.nat(), async (steps, values, pick) => {
        const clean = series(steps);
        const at = 1 + (pick % (clean.length - 1));
        const before = clean[at - 1];
        if (!before) throw new Error('no reading');
        const run = values.map((kwh, index) => ({ at: before.at + BigInt(index + 1) * MINUTE, kwh }));
        const glitched = [...clean.slice(0, at), ...run, ...clean.slice(at)];
        const rows = await withReadings(
          [
            { first: clean, second: [] },
            { first: glitched, second: [] },
          ],
          () => consumption(whole),
        );
        const kwh = (valve: string) => rows.filter((row) => row.valve === valve).map(({ pico }) => pico);
        expect(kwh(valveName(1))).toEqual(kwh(valveName(0)));
      }),
    );
  });

  test('a reset never adds the whole counter', async () => {
    await check(
      30,
      fc.asyncProperty(quarters, quarters, fc.bigInt(0n, 90_000n), async (before, after, restart) => {
        const first = series(before);
        const end = first.at(-1)?.at ?? 0n;
        const restarted = series(after, restart).map(({ at, kwh }) => ({ at: at - ORIGIN + end + 15n * MINUTE, kwh }));
        const rows = await withReadings([{ first: [...first, ...restarted], second: [] }], () =>
          consumption({ ...whole, to: ORIGIN + 80n * HOUR }),
        );
        const sum = (steps: readonly bigint[]) => steps.reduce((a, b) => a + b, 0n);
        const counted = sum(before.slice(1)) + sum(after.slice(1));
        expect(total(rows) <= (counted + 375n) * 1_000_000_000_000n).toBe(true);
      }),
    );
  });

  test('with readings on both edges a bucket is within 1 kWh of the truth', async () => {
    // watts, quarter by quarter; the counter shows whole kWh of their integral
    const watts = fc.array(fc.integer({ min: 0, max: 60_000 }), { minLength: 20, maxLength: 120 });
    await check(
      20,
      fc.asyncProperty(fc.array(watts, { minLength: 1, maxLength: 8 }), anyShape, async (valves, shape) => {
        const truth = valves.map((powers) => {
          let wattQuarters = 400_000_000;
          return [wattQuarters, ...powers.map((watt) => (wattQuarters += watt))];
        });
        const fleet = truth.map((energy) => ({
          first: energy.map((wattQuarters, index) => ({
            at: ORIGIN + BigInt(index) * 15n * MINUTE,
            kwh: BigInt(Math.floor(wattQuarters / 4000)),
          })),
          second: [],
        }));
        const rows = await withReadings(fleet, () => consumption({ ...whole, bucket: 'hour' }, shape));
        for (const { valve, regime, start, end, pico } of rows) {
          const energy = truth[Number(valve.slice(-3))];
          const [from, to] = [start, end].map((edge) => energy?.[Number(edge - ORIGIN) / Number(15n * MINUTE)]);
          if (regime !== 1 || from === undefined || to === undefined) continue;
          // shaped, the curve may be a kWh ahead of the counter at the one edge and behind the truth at the other
          const bound = shape === 'linear' ? 1 : 2;
          expect(Math.abs(Number(pico) / 1e12 - (to - from) / 4000)).toBeLessThan(bound);
        }
      }),
    );
  });
});

function expectDense(rows: readonly Row[], { from, to }: Range) {
  for (const [index, row] of rows.entries()) {
    const before = rows[index - 1];
    const opens = before?.valve !== row.valve || before.regime !== row.regime;
    expect(row.start).toBe(opens ? from : before.end);
    expect(row.end > row.start).toBe(true);
    const after = rows[index + 1];
    if (after?.valve !== row.valve || after.regime !== row.regime) expect(row.end).toBe(to);
  }
  const registers = new Set(rows.map(({ valve, regime }) => `${valve} ${regime}`));
  expect(registers.size).toBe(2 * new Set(rows.map(({ valve }) => valve)).size);
}
