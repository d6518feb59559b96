import type pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { freshDatabase, type TestDatabase } from '../support/database.ts';

/** local wall time of UTC, and the counter in kWh */
type CounterAt = readonly [time: string, kwh: number | string | null];

const VALVE = '5a1fb9a6-8a12-4f36-a8a5-7a1c5a0b6f01';

let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await freshDatabase();
  client = await database.client();
  await client.query("set timezone = 'UTC'");
});
afterAll(() => database.drop());
beforeEach(async () => {
  await client.query('truncate tasmart_data_table');
});

async function store(
  readings: readonly CounterAt[],
  { register = 1, valve = VALVE, powerDw = null as number | null } = {},
) {
  await client.query(
    `insert into tasmart_data_table
       ("timestamp", tasmart_id, measured_power, energy_counter_regime_${register}, "time")
     select floor(extract(epoch from time)), $1, $2, kwh, time
     from unnest($3::timestamptz[], $4::bigint[]) as r (time, kwh)`,
    [valve, powerDw, readings.map(([time]) => time), readings.map(([, kwh]) => kwh)],
  );
}

interface Asked {
  bucket?: string;
  timezone?: string;
  valve?: string | null;
  register?: 1 | 2;
  shape?: string;
}

/** One line a bucket: `start kwh coverage quality`, the start as local time in the zone. */
async function ask(from: string, to: string, asked: Asked = {}): Promise<string[]> {
  const { bucket = 'hour', timezone = 'UTC', valve = VALVE, register = 1, shape = 'linear' } = asked;
  const { rows } = await client.query<{ line: string }>(
    `select format('%s %s %s %s',
       to_char(bucket_start at time zone $4, 'MM-DD HH24:MI'), coalesce(round(kwh, 3)::float::text, '-'),
       round(coverage, 3)::float, quality) as line
     from tasmart_consumption($1, $2, $3, $4, $5, shape => $7)
     where regime = $6
     order by tasmart_id, bucket_start`,
    [bucket, from, to, timezone, valve, register, shape],
  );
  return rows.map(({ line }) => line);
}

/** Every quarter of an hour from a time on, one counter each. */
function quarters(from: string, counters: readonly (number | null)[]): CounterAt[] {
  const start = Date.parse(from);
  return counters.map((kwh, index) => [new Date(start + index * 900_000).toISOString(), kwh]);
}

/** Settles what came before: the counter rests, for a day and more. */
function rest(from: string, kwh: number): CounterAt[] {
  return quarters(from, new Array<number>(24 * 4 + 1).fill(kwh));
}

describe('a bucket is the difference of the curve at its ends', () => {
  test('readings off the boundary: the curve is linear between them', async () => {
    await store([
      ['2026-01-10T09:50Z', 100],
      ['2026-01-10T10:05Z', 103],
      ['2026-01-10T10:20Z', 103],
      ['2026-01-10T10:35Z', 104],
      ['2026-01-10T10:50Z', 106],
      ['2026-01-10T11:05Z', 109],
    ]);
    // at 10:00 two thirds of 3 kWh have gone by, at 11:00 two thirds of the last 3
    expect(await ask('2026-01-10T10:00Z', '2026-01-10T11:00Z')).toEqual(['01-10 10:00 6 1 measured']);
    expect(await ask('2026-01-10T10:00Z', '2026-01-10T11:00Z', { bucket: '15min' })).toEqual([
      '01-10 10:00 1 1 measured',
      '01-10 10:15 0.667 1 measured',
      '01-10 10:30 1.667 1 measured',
      '01-10 10:45 2.667 1 measured',
    ]);
  });

  test('thirds of a kWh add up to the kWh, to the last digit', async () => {
    await store([
      ['2026-01-10T10:00Z', 7],
      ['2026-01-10T10:45Z', 8],
    ]);
    const { rows } = await client.query(
      `select kwh::text, sum(kwh) over ()::text as total
       from tasmart_consumption('15min', '2026-01-10T10:00Z', '2026-01-10T10:45Z', 'UTC') where regime = 1
       order by bucket_start`,
    );
    expect(rows).toEqual([
      { kwh: '0.333333333333', total: '1.000000000000' },
      { kwh: '0.333333333333', total: '1.000000000000' },
      { kwh: '0.333333333334', total: '1.000000000000' },
    ]);
  });

  test('a share in bigint is the share in numeric, also where it does not fit into a bigint on the way', async () => {
    const { rows } = await client.query(
      `select rise, part, whole
       from unnest('{0, 1, 2, 375, 999999, 8999999}'::bigint[]) as rise
       cross join unnest('{1, 3, 900000000, 7777777777777, 8999999999999, 9000000000000, 31557600000000007}'::bigint[])
         as whole
       cross join lateral unnest(array[0, 1, whole / 3, whole / 2, whole - 1, whole]) as part
       where tasmart_pico(rise, part, whole) <> tasmart_share(0, rise, part, whole) * 1000000000000`,
    );
    expect(rows).toEqual([]);
  });

  test('microseconds count', async () => {
    await store([
      ['2026-01-10T09:59:59.999999Z', 0],
      ['2026-01-10T10:00:00.000001Z', 1],
      ['2026-01-10T11:00:00Z', 1],
    ]);
    expect(await ask('2026-01-10T09:00Z', '2026-01-10T11:00Z')).toEqual([
      '01-10 09:00 0.5 0 estimated',
      '01-10 10:00 0.5 0 estimated',
    ]);
  });

  test('a range off the edges cuts the buckets at its ends', async () => {
    await store(quarters('2026-01-10T09:00Z', [10, 12, 14, 16, 18, 20, 22, 24, 26]));
    expect(await ask('2026-01-10T09:20Z', '2026-01-10T10:40Z')).toEqual([
      '01-10 09:20 5.333 1 measured',
      '01-10 10:00 5.333 1 measured',
    ]);
  });

  test('both registers, each with its own curve; null in one is a reading in the other', async () => {
    await client.query(
      `insert into tasmart_data_table ("timestamp", tasmart_id, energy_counter_regime_1, energy_counter_regime_2, "time")
       select extract(epoch from time), 'v', first, second, time
       from (values
         ('2026-01-10T10:00Z'::timestamptz, 5, 0), ('2026-01-10T10:15Z', null, 0), ('2026-01-10T10:30Z', 7, null),
         ('2026-01-10T10:45Z', 8, 0), ('2026-01-10T11:00Z', 9, 0)
       ) as r (time, first, second)`,
    );
    const asked = { valve: 'v', bucket: '15min' };
    expect(await ask('2026-01-10T10:00Z', '2026-01-10T11:00Z', asked)).toEqual([
      '01-10 10:00 1 0 estimated',
      '01-10 10:15 1 0 estimated',
      '01-10 10:30 1 1 measured',
      '01-10 10:45 1 1 measured',
    ]);
    expect(await ask('2026-01-10T10:00Z', '2026-01-10T11:00Z', { ...asked, register: 2 })).toEqual([
      '01-10 10:00 0 1 measured',
      '01-10 10:15 0 0 estimated',
      '01-10 10:30 0 0 estimated',
      '01-10 10:45 0 1 measured',
    ]);
  });

  test('counters near 2^63', async () => {
    await store([
      ['2026-01-10T10:00Z', '9223372036854775800'],
      ['2026-01-10T10:15Z', '9223372036854775803'],
      ['2026-01-10T10:30Z', '0'],
      ['2026-01-10T10:45Z', '9223372036854775805'],
      ['2026-01-10T11:00Z', '9223372036854775807'],
    ]);
    expect(await ask('2026-01-10T10:00Z', '2026-01-10T11:00Z')).toEqual(['01-10 10:00 7 0.5 estimated']);
  });

  test('a valve that nobody registered, among others, each on its own', async () => {
    await store(quarters('2026-01-10T10:00Z', [1, 2, 3, 4, 5]), { valve: 'a' });
    await store(quarters('2026-01-10T10:00Z', [900, 900, 900, 900, 910]), { valve: 'B' });
    const { rows } = await client.query(
      `select tasmart_id, kwh::int from tasmart_consumption('hour', '2026-01-10T10:00Z', '2026-01-10T11:00Z', 'UTC')
       where regime = 1 order by tasmart_id`,
    );
    expect(rows.sort((x: { kwh: number }, y: { kwh: number }) => x.kwh - y.kwh)).toEqual([
      { tasmart_id: 'a', kwh: 4 },
      { tasmart_id: 'B', kwh: 10 },
    ]);
  });
});

describe('the ends of the data', () => {
  test('first and last reading: the part on the curve counts, beyond it there is nothing', async () => {
    await store(quarters('2026-01-10T10:30Z', [50, 51, 52, 53, 54, 55]));
    expect(await ask('2026-01-10T09:00Z', '2026-01-10T14:00Z')).toEqual([
      '01-10 09:00 - 0 missing',
      '01-10 10:00 2 0.5 estimated',
      '01-10 11:00 3 0.75 provisional',
      '01-10 12:00 - 0 missing',
      '01-10 13:00 - 0 missing',
    ]);
  });

  test('a bucket that only touches the last reading is missing, one that ends on it is whole', async () => {
    await store(quarters('2026-01-10T10:00Z', [50, 51, 52, 53, 54]));
    expect(await ask('2026-01-10T09:00Z', '2026-01-10T12:00Z')).toEqual([
      '01-10 09:00 - 0 missing',
      '01-10 10:00 4 1 measured',
      '01-10 11:00 - 0 missing',
    ]);
  });

  test('one reading is no curve; a valve with readings elsewhere has all its buckets; an unknown valve has none', async () => {
    await store([['2026-01-10T10:10Z', 50]]);
    expect(await ask('2026-01-10T10:00Z', '2026-01-10T12:00Z')).toEqual([
      '01-10 10:00 - 0 missing',
      '01-10 11:00 - 0 missing',
    ]);
    expect(await ask('2026-01-10T10:00Z', '2026-01-10T11:00Z', { register: 2 })).toEqual(['01-10 10:00 - 0 missing']);
    expect(await ask('2020-01-10T10:00Z', '2020-01-10T11:00Z')).toEqual(['01-10 10:00 - 0 missing']);
    expect(await ask('2026-01-10T10:00Z', '2026-01-10T11:00Z', { valve: 'unknown' })).toEqual([]);
  });

  test.each([
    ['zero', [0]],
    ['low', [40]],
    ['high', [1_000_000]],
    ['zeros', [0, 0, 0]],
    ['a stuck high value', [1_000_000, 1_000_000]],
    ['low and high', [7, 1_000_000]],
  ])('%s at the end is undecided: nothing is added', async (_, last) => {
    await store(quarters('2026-01-10T10:00Z', [99_998, 99_999, 100_000, ...last]));
    const [first = ''] = await ask('2026-01-10T10:00Z', '2026-01-10T12:00Z');
    expect(first).toBe('01-10 10:00 2 0.5 provisional');
  });

  test('the curve stands still up to an undecided reading', async () => {
    await store(quarters('2026-01-10T10:00Z', [99_998, 100_000, 0, 0]));
    expect(await ask('2026-01-10T10:00Z', '2026-01-10T11:15Z', { bucket: '15min' })).toEqual([
      '01-10 10:00 2 1 measured',
      '01-10 10:15 0 0 provisional',
      '01-10 10:30 0 0 provisional',
      '01-10 10:45 - 0 missing',
      '01-10 11:00 - 0 missing',
    ]);
  });

  test('a fall is a reset as soon as the counter counts on', async () => {
    await store(quarters('2026-01-10T10:00Z', [99_998, 100_000, 0, 0, 3]));
    expect(await ask('2026-01-10T10:00Z', '2026-01-10T11:00Z', { bucket: '15min' })).toEqual([
      '01-10 10:00 2 1 measured',
      '01-10 10:15 0 1 reset',
      '01-10 10:30 0 1 measured',
      '01-10 10:45 3 1 measured',
    ]);
  });

  test.each([[0], [0, 0, 0]])('zeros before the first value are no counter', async (...zeros) => {
    await store(quarters('2026-01-10T10:00Z', [...zeros, 100_000, 100_001, 100_002]));
    await store(rest('2026-01-10T12:00Z', 100_002));
    const { rows } = await client.query(
      `select sum(kwh)::int as kwh from tasmart_consumption('day', '2026-01-10Z', '2026-01-12Z', 'UTC') where regime = 1`,
    );
    expect(rows).toEqual([{ kwh: 2 }]);
  });

  test('zeros before the first value, asked for an hour of them', async () => {
    await store(rest('2026-01-10T00:00Z', 0).slice(0, 60));
    await store(quarters('2026-01-10T15:00Z', [100_000, 100_001]));
    await store(rest('2026-01-10T15:30Z', 100_001));
    expect(await ask('2026-01-10T10:00Z', '2026-01-10T11:00Z')).toEqual(['01-10 10:00 - 0 missing']);
  });

  test('high before the first value: a reset, nothing added', async () => {
    await store(quarters('2026-01-10T10:00Z', [900_000, 100_000, 100_001, 100_002]));
    expect(await ask('2026-01-10T10:00Z', '2026-01-10T11:00Z', { bucket: '15min' })).toEqual([
      '01-10 10:00 0 1 reset',
      '01-10 10:15 1 1 measured',
      '01-10 10:30 1 1 measured',
      '01-10 10:45 - 0 missing',
    ]);
  });
});

describe('gaps', () => {
  test('no reading in a bucket: its share of the gap, estimated', async () => {
    await store([
      ...quarters('2026-01-10T09:00Z', [0, 0, 0, 0, 0]),
      ...quarters('2026-01-10T14:00Z', [40, 40, 40, 40, 40]),
    ]);
    expect(await ask('2026-01-10T09:00Z', '2026-01-10T15:00Z')).toEqual([
      '01-10 09:00 0 1 measured',
      '01-10 10:00 10 0 estimated',
      '01-10 11:00 10 0 estimated',
      '01-10 12:00 10 0 estimated',
      '01-10 13:00 10 0 estimated',
      '01-10 14:00 0 1 measured',
    ]);
  });

  test('1.5 intervals are no gap, a microsecond more is', async () => {
    await store([
      ['2026-01-10T10:00Z', 0],
      ['2026-01-10T10:22:30Z', 3],
      ['2026-01-10T10:45:00.000001Z', 6],
      ['2026-01-10T11:00Z', 8],
    ]);
    expect(await ask('2026-01-10T10:00Z', '2026-01-10T11:00Z')).toEqual(['01-10 10:00 8 0.625 estimated']);
    expect(await ask('2026-01-10T10:00Z', '2026-01-10T10:20Z')).toEqual(['01-10 10:00 2.667 1 measured']);
  });

  test('of months, asked in the middle and by months', async () => {
    await store([
      ['2025-12-31T00:00Z', 1000],
      ['2026-04-01T00:00Z', 1000 + 91 * 24],
    ]);
    expect(await ask('2026-02-10T10:00Z', '2026-02-10T12:00Z')).toEqual([
      '02-10 10:00 1 0 estimated',
      '02-10 11:00 1 0 estimated',
    ]);
    expect(await ask('2026-01-01T00:00Z', '2026-04-01T00:00Z', { bucket: 'month' })).toEqual([
      '01-01 00:00 744 0 estimated',
      '02-01 00:00 672 0 estimated',
      '03-01 00:00 744 0 estimated',
    ]);
  });

  test('a reset in a gap of months: what was counted since may all be energy, and is', async () => {
    await store([['2026-01-01T00:00Z', 80_000], ['2026-01-31T00:00Z', 720], ...rest('2026-01-31T00:15Z', 720)]);
    expect(await ask('2026-01-10T10:00Z', '2026-01-10T11:00Z')).toEqual(['01-10 10:00 1 0 reset']);
    expect(await ask('2026-01-01T00:00Z', '2026-01-31T00:00Z', { bucket: 'month' })).toEqual([
      '01-01 00:00 720 0 reset',
    ]);
  });
});

describe('glitches are left out', () => {
  const around = { bucket: 'hour' };

  test.each([
    ['to zero', [0]],
    ['low', [12_345]],
    ['high', [987_654]],
    ['a run of zeros', [0, 0, 0]],
    ['a run of different lows', [5, 70_000, 3]],
    ['a run of highs', [987_654, 987_655, 500_000]],
    ['low, then high', [0, 987_654]],
    ['high, then low', [987_654, 0, 1]],
    ['with nulls among them', [0, null, 0, null]],
  ])('%s: the total stays', async (_, glitch) => {
    await store(quarters('2026-01-10T10:00Z', [100_000, 100_002, ...glitch, 100_010, 100_011, 100_012]));
    const { rows } = await client.query(
      `select sum(kwh)::int as kwh, string_agg(distinct quality, ' ') as quality
       from tasmart_consumption('15min', '2026-01-10T10:00Z', $1, 'UTC') where regime = 1`,
      [new Date(Date.parse('2026-01-10T11:00Z') + glitch.length * 900_000)],
    );
    expect(rows).toEqual([{ kwh: 12, quality: 'estimated measured' }]);
  });

  test('a zero among quarters: linear across it', async () => {
    await store(quarters('2026-01-10T10:00Z', [100_000, 100_002, 0, 100_006, 100_008]));
    expect(await ask('2026-01-10T10:00Z', '2026-01-10T11:00Z', { bucket: '15min' })).toEqual([
      '01-10 10:00 2 1 measured',
      '01-10 10:15 2 0 estimated',
      '01-10 10:30 2 0 estimated',
      '01-10 10:45 2 1 measured',
    ]);
    expect(await ask('2026-01-10T10:00Z', '2026-01-10T11:00Z', around)).toEqual(['01-10 10:00 8 0.5 estimated']);
  });

  test('asked for an hour in the middle of one', async () => {
    await store([
      ...quarters('2026-01-10T00:00Z', [100_000, 100_001]),
      ...quarters('2026-01-10T00:30Z', new Array<number>(40).fill(0)),
      ...quarters('2026-01-10T10:30Z', [100_042]),
      ...rest('2026-01-10T10:45Z', 100_042),
    ]);
    expect(await ask('2026-01-10T05:00Z', '2026-01-10T06:00Z')).toEqual(['01-10 05:00 4 0 estimated']);
  });

  test('24 hours away it still comes back, a second later it has been a reset and an impossible rise', async () => {
    const back = (time: string): CounterAt[] => [
      ['2026-01-10T10:00Z', 100_000],
      ['2026-01-10T10:15Z', 0],
      ['2026-01-11T10:00Z', 0],
      [time, 100_005],
      ...rest('2026-01-11T10:30Z', 100_005),
    ];
    await store(back('2026-01-11T10:15:00Z'));
    expect(await ask('2026-01-10T10:00Z', '2026-01-11T10:15Z', { bucket: 'month' })).toEqual([
      '01-10 10:00 5 0 estimated',
    ]);
    await client.query('truncate tasmart_data_table');
    await store(back('2026-01-11T10:15:01Z'));
    expect(await ask('2026-01-11T10:00Z', '2026-01-11T10:15:01Z', { bucket: 'month' })).toEqual([
      '01-11 10:00 100005 1 implausible',
    ]);
  });

  test('any fall of at most 2 kWh, however long; the curve goes on when the old value is passed', async () => {
    await store([
      ...quarters('2026-01-10T00:00Z', [100, 98]),
      ...rest('2026-01-10T00:30Z', 99),
      ...rest('2026-01-11T00:45Z', 99),
      ['2026-01-12T01:00Z', 149],
      ...rest('2026-01-12T01:15Z', 149),
    ]);
    expect(await ask('2026-01-11T12:00Z', '2026-01-11T13:00Z')).toEqual(['01-11 12:00 1 0 estimated']);
    expect(await ask('2026-01-10T00:00Z', '2026-01-13T00:00Z', { bucket: 'month' })).toEqual([
      '01-10 00:00 49 0.319 estimated',
    ]);
  });

  test('jitter by one adds nothing', async () => {
    await store(quarters('2026-01-10T10:00Z', [100, 101, 100, 101, 100, 101, 102, 101, 102]));
    expect(await ask('2026-01-10T10:00Z', '2026-01-10T12:00Z')).toEqual([
      '01-10 10:00 1 0.25 estimated',
      '01-10 11:00 1 0.25 estimated',
    ]);
  });

  test('a negative counter is no reading', async () => {
    await store(quarters('2026-01-10T10:00Z', [100, -1, 102, 103, -5]));
    expect(await ask('2026-01-10T10:00Z', '2026-01-10T11:00Z')).toEqual(['01-10 10:00 3 0.25 provisional']);
  });
});

describe('resets', () => {
  test('to zero: counting goes on from there', async () => {
    await store(quarters('2026-01-10T10:00Z', [100_000, 100_002, 0, 2, 5]));
    await store(rest('2026-01-10T11:15Z', 5));
    expect(await ask('2026-01-10T10:00Z', '2026-01-10T11:00Z', { bucket: '15min' })).toEqual([
      '01-10 10:00 2 1 measured',
      '01-10 10:15 0 1 reset',
      '01-10 10:30 2 1 measured',
      '01-10 10:45 3 1 measured',
    ]);
  });

  test('the value after it counts if it can have been counted since: 375 kWh in a quarter, not 376', async () => {
    await store(quarters('2026-01-10T10:00Z', [100_000, 375, 377]));
    await store(rest('2026-01-10T11:00Z', 377));
    expect(await ask('2026-01-10T10:00Z', '2026-01-10T10:30Z')).toEqual(['01-10 10:00 377 1 reset']);
    await client.query('truncate tasmart_data_table');
    await store(quarters('2026-01-10T10:00Z', [100_000, 376, 378]));
    await store(rest('2026-01-10T11:00Z', 378));
    expect(await ask('2026-01-10T10:00Z', '2026-01-10T10:30Z')).toEqual(['01-10 10:00 2 1 reset']);
  });

  test('to another value, and two in a row', async () => {
    await store(quarters('2026-01-10T10:00Z', [100_000, 50_000, 40, 0, 1]));
    await store(rest('2026-01-10T11:15Z', 1));
    expect(await ask('2026-01-10T10:00Z', '2026-01-10T11:00Z', { bucket: '15min' })).toEqual([
      '01-10 10:00 0 1 reset',
      '01-10 10:15 40 1 reset',
      '01-10 10:30 0 1 reset',
      '01-10 10:45 1 1 measured',
    ]);
  });

  test('counting back up past the old value is not coming back', async () => {
    await store(quarters('2026-01-10T10:00Z', [500, 0, 300, 600, 601]));
    await store(rest('2026-01-10T11:15Z', 601));
    expect(await ask('2026-01-10T10:00Z', '2026-01-10T11:00Z')).toEqual(['01-10 10:00 601 1 reset']);
  });

  test('a glitch after a reset is measured against the new counter', async () => {
    await store(quarters('2026-01-10T10:00Z', [100_000, 0, 5, 900_000, 9, 10]));
    await store(rest('2026-01-10T11:30Z', 10));
    expect(await ask('2026-01-10T10:00Z', '2026-01-10T11:15Z', { bucket: 'day' })).toEqual([
      '01-10 10:00 10 0.2 reset',
    ]);
  });
});

describe('impossible rises', () => {
  test('that persist are kept and flagged', async () => {
    await store(quarters('2026-01-10T10:00Z', [1000, 1001, 60_000, 60_001, 60_002]));
    await store(rest('2026-01-10T11:15Z', 60_002));
    expect(await ask('2026-01-10T10:00Z', '2026-01-10T11:00Z', { bucket: '15min' })).toEqual([
      '01-10 10:00 1 1 measured',
      '01-10 10:15 58999 1 implausible',
      '01-10 10:30 1 1 measured',
      '01-10 10:45 1 1 measured',
    ]);
  });

  test('1500 kW are possible; a single kWh always is, the counter being whole', async () => {
    await store([
      ['2026-01-10T10:00:00Z', 0],
      ['2026-01-10T10:15:00Z', 375],
      ['2026-01-10T10:15:01Z', 376],
      ['2026-01-10T10:30:00Z', 377],
    ]);
    expect(await ask('2026-01-10T10:00Z', '2026-01-10T10:30Z')).toEqual(['01-10 10:00 377 1 measured']);
  });
});

describe('the calendar', () => {
  const hourly = async (from: string, hours: number) => {
    const start = Date.parse(from);
    await store(
      Array.from({ length: hours + 1 }, (_, n) => [new Date(start + n * 3_600_000).toISOString(), 5 * n] as const),
    );
  };

  test('Rome, 2025-10-26: 25 hours of 5 kWh', async () => {
    await hourly('2025-10-25T00:00Z', 72);
    const asked = { timezone: 'Europe/Rome' };
    expect(await ask('2025-10-25T22:00Z', '2025-10-26T23:00Z', { ...asked, bucket: 'day' })).toEqual([
      '10-26 00:00 125 0 estimated',
    ]);
    const hours = await ask('2025-10-25T22:00Z', '2025-10-26T23:00Z', asked);
    expect(hours).toHaveLength(25);
    expect(hours.slice(1, 5)).toEqual([
      '10-26 01:00 5 0 estimated',
      '10-26 02:00 5 0 estimated',
      '10-26 02:00 5 0 estimated',
      '10-26 03:00 5 0 estimated',
    ]);
    expect(await ask('2025-10-25T22:00Z', '2025-10-26T23:00Z', { ...asked, bucket: '15min' })).toHaveLength(100);
  });

  test('Rome, 2025-03-30: 23 hours', async () => {
    await hourly('2025-03-29T00:00Z', 72);
    const asked = { timezone: 'Europe/Rome' };
    expect(await ask('2025-03-29T23:00Z', '2025-03-30T22:00Z', { ...asked, bucket: 'day' })).toEqual([
      '03-30 00:00 115 0 estimated',
    ]);
    const hours = await ask('2025-03-29T23:00Z', '2025-03-30T22:00Z', asked);
    expect(hours).toHaveLength(23);
    expect(hours.slice(1, 3)).toEqual(['03-30 01:00 5 0 estimated', '03-30 03:00 5 0 estimated']);
  });

  test.each([
    // zone, from, to, the beginnings of its hours
    ['Asia/Kolkata', '2025-06-01T00:00Z', '2025-06-01T02:00Z', ['05:30', '06:00', '07:00']],
    ['Asia/Kathmandu', '2025-06-01T00:00Z', '2025-06-01T02:00Z', ['05:45', '06:00', '07:00']],
    // half an hour forward at 02:00, and back
    ['Australia/Lord_Howe', '2025-10-04T14:30Z', '2025-10-04T18:00Z', ['01:00', '02:30', '03:00', '04:00']],
    ['Australia/Lord_Howe', '2026-04-04T14:00Z', '2026-04-04T16:30Z', ['01:00', '02:00']],
    // midnight comes twice
    ['America/Havana', '2025-11-02T03:00Z', '2025-11-02T06:00Z', ['23:00', '00:00', '00:00']],
    // midnight does not come
    ['America/Sao_Paulo', '2018-11-04T02:00Z', '2018-11-04T04:00Z', ['23:00', '01:00']],
  ])('hours in %s, %s to %s', async (timezone, from, to, starts) => {
    await hourly('2025-06-01T00:00Z', 1);
    expect((await ask(from, to, { timezone })).map((line) => line.slice(6, 11))).toEqual(starts);
  });

  test('days: of Havana, when midnight comes twice; of Samoa, where one was left out', async () => {
    await hourly('2025-06-01T00:00Z', 1);
    const days = { bucket: 'day' };
    expect(await ask('2025-11-01T04:00Z', '2025-11-03T05:00Z', { ...days, timezone: 'America/Havana' })).toEqual([
      '11-01 00:00 - 0 missing',
      '11-02 00:00 - 0 missing',
    ]);
    expect(await ask('2011-12-29T10:00Z', '2011-12-31T10:00Z', { ...days, timezone: 'Pacific/Apia' })).toEqual([
      '12-29 00:00 - 0 missing',
      '12-31 00:00 - 0 missing',
    ]);
  });

  test('months of Rome', async () => {
    await hourly('2025-09-30T22:00Z', 24 * 61 + 1);
    expect(await ask('2025-09-30T22:00Z', '2025-11-30T23:00Z', { bucket: 'month', timezone: 'Europe/Rome' })).toEqual([
      '10-01 00:00 3725 0 estimated',
      '11-01 00:00 3600 0 estimated',
    ]);
  });
});

describe('shaped by power', () => {
  /** the counter and the power in kW, every quarter of an hour from 10:00 */
  const storeWithPower = async (readings: readonly (readonly [kwh: number, kw: number | null])[]) => {
    for (const [index, [kwh, kw]] of readings.entries()) {
      const time = new Date(Date.parse('2026-01-10T10:00Z') + index * 900_000).toISOString();
      await store([[time, kwh]], { powerDw: kw === null ? null : kw * 10_000 });
    }
  };
  const quarterly = { bucket: '15min', shape: 'power' };

  test('a kWh is spread over the readings since the one before it, by power', async () => {
    await storeWithPower([
      [100, 0],
      [100, 1],
      [100, 1],
      [101, 2],
      [101, 2],
    ]);
    // trapezoids of 1/2, 1 and 3/2; what follows the last kWh waits for the next
    expect(await ask('2026-01-10T10:00Z', '2026-01-10T11:00Z', quarterly)).toEqual([
      '01-10 10:00 0.167 1 measured',
      '01-10 10:15 0.333 1 measured',
      '01-10 10:30 0.5 1 measured',
      '01-10 10:45 0 1 measured',
    ]);
    expect(await ask('2026-01-10T10:15Z', '2026-01-10T10:30Z', quarterly)).toEqual(['01-10 10:15 0.333 1 measured']);
  });

  test('a counter that has not moved hides less than a kWh', async () => {
    await storeWithPower([
      [100, 8],
      [100, 8],
      [104, 8],
    ]);
    expect(await ask('2026-01-10T10:00Z', '2026-01-10T10:30Z', quarterly)).toEqual([
      '01-10 10:00 1 1 measured',
      '01-10 10:15 3 1 measured',
    ]);
  });

  test.each([
    ['none measured', null],
    ['none', 0],
    ['negative', -3],
  ])('%s to go by: as without', async (_, kw) => {
    await storeWithPower([
      [100, kw],
      [100, kw],
      [101, kw],
    ]);
    expect(await ask('2026-01-10T10:00Z', '2026-01-10T10:30Z', quarterly)).toEqual([
      '01-10 10:00 0 1 measured',
      '01-10 10:15 1 1 measured',
    ]);
  });

  test('stops at a reset', async () => {
    await storeWithPower([
      [5000, 1],
      [5000, 1],
      [0, 1],
      [0, 1],
      [1, 1],
    ]);
    expect(await ask('2026-01-10T10:00Z', '2026-01-10T11:00Z', quarterly)).toEqual([
      '01-10 10:00 0 1 measured',
      '01-10 10:15 0 1 reset',
      '01-10 10:30 0.5 1 measured',
      '01-10 10:45 0.5 1 measured',
    ]);
  });
});

describe('what cannot be asked', () => {
  test.each([
    [`'week', now(), now(), 'UTC'`, /unknown bucket 'week'/],
    [`'hour', now() - interval '1 day', now(), 'Mars/Olympus'`, /time zone "Mars\/Olympus" not recognized/],
    [`'hour', null, now(), 'UTC'`, /must be given/],
    [`'hour', '-infinity', now(), 'UTC'`, /finite/],
    [`'hour', now(), now(), 'UTC', shape => 'cubic'`, /unknown shape 'cubic'/],
    [`'hour', now(), now(), 'UTC', interval_minutes => 0`, /must be positive/],
  ])('%s', async (args, message) => {
    await expect(client.query(`select * from tasmart_consumption(${args})`)).rejects.toThrow(message);
  });

  test('an empty range is empty', async () => {
    await store(quarters('2026-01-10T10:00Z', [1, 2, 3]));
    expect(await ask('2026-01-10T10:10Z', '2026-01-10T10:10Z')).toEqual([]);
    expect(await ask('2026-01-10T10:20Z', '2026-01-10T10:10Z')).toEqual([]);
  });
});
