/** tasmart_consumption: buckets on the local calendar, dense, with the sums, coverage and quality of their quarters. */
import fc from 'fast-check';
import type pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { withConnection } from '../../src/database/connection.ts';
import { BUCKETS } from '../../src/database/consumption.ts';
import { judgePending } from '../../src/energy/bookkeeping.ts';
import { LIMITS } from '../energy/support.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';

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
  await client.query(`truncate tasmart_data_table, tasmart_energy, tasmart_counter_events, tasmart_judgements,
    tasmart_checkpoints, tasmart_unjudged`);
});

/** Inserts as another program would. */
async function insert(readings: readonly (readonly [time: string, kwh: number])[], { regime = 1, valve = VALVE } = {}) {
  await client.query(
    `insert into tasmart_data_table ("timestamp", tasmart_id, energy_counter_regime_${regime}, "time")
     select floor(extract(epoch from time)), $1, kwh, time from unnest($2::timestamptz[], $3::bigint[]) as r (time, kwh)`,
    [valve, readings.map(([time]) => time), readings.map(([, kwh]) => kwh)],
  );
}

async function judge(): Promise<void> {
  const server = { ...database, sslMode: 'disable', sslCaFile: null } as const;
  const options = { applicationName: 'test', giveUp: new AbortController().signal };
  expect(await withConnection(server, options, (db) => judgePending(db, LIMITS))).toEqual([]);
}

/** A counter that rises by `kwh` every `minutes`, and goes on for two days more so that everything is decided. */
async function steady(
  from: string,
  hours: number,
  { minutes = 15, kwh = 1, ...more }: { minutes?: number; kwh?: number; regime?: 1 | 2; valve?: string } = {},
) {
  const count = ((hours + 48) * 60) / minutes;
  const start = Date.parse(from);
  await insert(
    Array.from(
      { length: count + 1 },
      (_, n) => [new Date(start + n * minutes * 60_000).toISOString(), n * kwh] as const,
    ),
    more,
  );
  await judge();
}

interface Asked {
  bucket?: string;
  timezone?: string;
  valve?: string | null;
  regime?: 1 | 2;
}

/** One line a bucket: `start kwh coverage quality`, the start as local time in the zone. */
async function ask(from: string, to: string, asked: Asked = {}): Promise<string[]> {
  const { bucket = 'hour', timezone = 'UTC', valve = VALVE, regime = 1 } = asked;
  const { rows } = await client.query<{ line: string }>(
    `select format('%s %s %s %s',
       to_char(bucket_start at time zone $4, 'MM-DD HH24:MI'), coalesce(round(kwh, 3)::float::text, '-'),
       round(coverage, 3)::float, quality) as line
     from tasmart_consumption($1, $2, $3, $4, $5)
     where regime = $6
     order by tasmart_id, bucket_start`,
    [bucket, from, to, timezone, valve, regime],
  );
  return rows.map(({ line }) => line);
}

describe('what a bucket says', () => {
  test('quarters and hours of a sound counter; before it there is nothing', async () => {
    await steady('2026-01-10T10:00Z', 2);
    expect(await ask('2026-01-10T09:30Z', '2026-01-10T10:30Z', { bucket: '15min' })).toEqual([
      '01-10 09:30 - 0 missing',
      '01-10 09:45 - 0 missing',
      '01-10 10:00 1 1 measured',
      '01-10 10:15 1 1 measured',
    ]);
    expect(await ask('2026-01-10T09:00Z', '2026-01-10T12:00Z')).toEqual([
      '01-10 09:00 - 0 missing',
      '01-10 10:00 4 1 measured',
      '01-10 11:00 4 1 measured',
    ]);
  });

  test('a bucket that begins before the first reading is estimated, one that ends after the last is provisional', async () => {
    await steady('2026-01-10T10:00Z', 2);
    expect(await ask('2026-01-10T00:00Z', '2026-01-14T00:00Z', { bucket: 'day' })).toEqual([
      '01-10 00:00 56 0.583 estimated',
      '01-11 00:00 96 1 measured',
      '01-12 00:00 48 0.5 provisional',
      '01-13 00:00 - 0 missing',
    ]);
  });

  test('a gap is spread and estimated; coverage says how much of the bucket it takes', async () => {
    await insert([
      ['2026-01-10T10:00Z', 0],
      ['2026-01-10T10:15Z', 1],
      ['2026-01-10T11:15Z', 5],
    ]);
    await insert(
      Array.from({ length: 150 }, (_, n) => [new Date(Date.UTC(2026, 0, 10, 11, 30 + n * 15)).toISOString(), 6 + n]),
    );
    await judge();
    expect(await ask('2026-01-10T10:00Z', '2026-01-10T12:00Z')).toEqual([
      '01-10 10:00 4 0.25 estimated',
      '01-10 11:00 4 0.75 estimated',
    ]);
    expect(await ask('2026-01-10T10:00Z', '2026-01-10T12:00Z', { bucket: 'total' })).toEqual([
      '01-10 10:00 8 0.5 estimated',
    ]);
  });

  test('a break is named, and outweighs an estimate', async () => {
    await insert([
      ['2026-01-10T10:00Z', 100_000],
      ['2026-01-10T10:45Z', 100_003],
      ['2026-01-10T11:00Z', 7],
    ]);
    await insert(
      Array.from({ length: 150 }, (_, n) => [new Date(Date.UTC(2026, 0, 10, 11, 15 + n * 15)).toISOString(), 8 + n]),
    );
    await judge();
    expect(await ask('2026-01-10T10:00Z', '2026-01-10T12:00Z')).toEqual([
      '01-10 10:00 3 0.25 reset',
      '01-10 11:00 4 1 measured',
    ]);
  });

  test('both regimes, each with its own curve; a valve without readings of regime 2 has none of it', async () => {
    await steady('2026-01-10T10:00Z', 1);
    await steady('2026-01-10T10:00Z', 1, { regime: 2, kwh: 3, valve: 'other' });
    const { rows } = await client.query<{ line: string }>(
      `select format('%s %s %s', tasmart_id, regime, kwh) as line
       from tasmart_consumption('hour', '2026-01-10T10:00Z', '2026-01-10T11:00Z', 'UTC') order by 1`,
    );
    expect(rows.map(({ line }) => line)).toEqual([`${VALVE} 1 4`, 'other 1 ', 'other 2 12']);
  });

  test('of some valves, whatever the search_path', async () => {
    for (const [valve, kwh] of [
      ['a', 1],
      ['b', 2],
      ['c', 3],
    ] as const)
      await steady('2026-01-10T10:00Z', 1, { kwh, valve });
    const sums = async (valves: string) => {
      const { rows } = await client.query<{ sums: string }>(
        `select string_agg(format('%s %s', tasmart_id, kwh), ', ' order by tasmart_id) as sums
         from public.tasmart_consumption('hour', '2026-01-10T10:00Z', '2026-01-10T11:00Z', 'UTC', ${valves})`,
      );
      return rows[0]?.sums;
    };
    await client.query('set search_path to pg_catalog');
    expect(await sums(`array['a', 'c']`)).toBe('a 4, c 12');
    expect(await sums('null::text[]')).toBe('a 4, b 8, c 12');
    expect(await sums(`'b'`)).toBe('b 8');
    await client.query('reset search_path');
  });

  test('the ends are widened to quarters of an hour, and cut the buckets there', async () => {
    await steady('2026-01-10T10:00Z', 2);
    expect(await ask('2026-01-10T10:20:01Z', '2026-01-10T11:00:00.000001Z')).toEqual([
      '01-10 10:15 3 1 measured',
      '01-10 11:00 1 1 measured',
    ]);
  });

  test('until new readings are judged, the buckets that they may change are provisional', async () => {
    await steady('2026-01-10T10:00Z', 2);
    await insert([['2026-01-10T11:01Z', 4]]);
    await insert([['2026-01-10T10:00Z', 4]], { valve: 'new' });
    expect(await ask('2026-01-10T10:00Z', '2026-01-10T12:00Z')).toEqual([
      '01-10 10:00 4 1 measured',
      '01-10 11:00 4 1 provisional',
    ]);
    expect(await ask('2026-01-10T10:00Z', '2026-01-10T11:00Z', { valve: 'new' })).toEqual([
      '01-10 10:00 - 0 provisional',
    ]);
  });

  test('the buckets of any size are the sums of their quarters, with the worst of their qualities', async () => {
    await steady('2026-01-10T10:07Z', 5 * 24, { minutes: 20, kwh: 1 });
    await client.query(
      `delete from tasmart_data_table where "time" between '2026-01-12T03:00Z' and '2026-01-12T09:00Z'`,
    );
    await client.query(`insert into tasmart_unjudged values ($1, 'epoch')`, [VALVE]);
    await judge();
    const quarter = fc.integer({ min: -40, max: 800 });
    const bucket = fc.constantFrom('15min', 'hour', 'day', 'week', 'month', 'year', 'total');
    const zone = fc.constantFrom('UTC', 'Europe/Rome', 'Asia/Kathmandu', 'America/St_Johns');
    await fc.assert(
      fc.asyncProperty(bucket, zone, quarter, quarter, async (bucket, timezone, one, other) => {
        const [from, to] = [one, other]
          .sort((a, b) => a - b)
          .map((n) => new Date(Date.UTC(2026, 0, 10, 0, n * 15)).toISOString());
        const { rows } = await client.query<{ seconds: number | null; wrong: number }>(
          `with bucket as (
             select * from tasmart_consumption($1, $2, $3, $4, $5)
           ), quarter as (
             select *, array_position('{provisional,reset,jump,estimated,measured}', quality) as rank
             from tasmart_quarter_hours where tasmart_id = $5
           ), curve as (
             select min(starts) as curve_starts, max(ends) as curve_ends from quarter
           ), summed as (
             select bucket.*,
               sum(quarter.kwh) as quarters_kwh,
               coalesce(sum(quarter.coverage) * 900 / extract(epoch from bucket_end - bucket_start), 0) as quarters_coverage,
               case
                 when min(rank) is null then 'missing'
                 when bucket_end > curve_ends then 'provisional'
                 -- Before the first reading there is nothing: that part is estimated.
                 else (array['provisional', 'reset', 'jump', 'estimated', 'measured'])[
                   least(min(rank), case when bucket_start < curve_starts then 4 end)
                 ]
               end as quarters_quality
             from bucket
             cross join curve
             left join quarter on starts >= bucket_start and ends <= bucket_end
             group by bucket.tasmart_id, bucket.regime, bucket_start, bucket_end, bucket.kwh, bucket.coverage, bucket.quality,
               curve_starts, curve_ends
           )
           select sum(extract(epoch from bucket_end - bucket_start))::integer as seconds,
             (count(*) filter (where
               kwh is distinct from quarters_kwh
               or abs(coverage - quarters_coverage) > 0.000001
               or quality <> quarters_quality
             ))::integer as wrong
           from summed`,
          [bucket, from, to, timezone, VALVE],
        );
        expect(rows[0]?.wrong).toBe(0);
        expect(rows[0]?.seconds ?? 0).toBe(Math.abs(one - other) * 900);
      }),
      { numRuns: 60 },
    );
  });
});

describe('the calendar', () => {
  /** 5 kWh an hour, a reading an hour */
  const hourly = async (from: string, hours: number) => steady(from, hours, { minutes: 60, kwh: 5 });

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

  test('days: of Havana, when midnight comes twice; of Samoa, where one was left out; of São Paulo, from one o’clock', async () => {
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
    expect(await ask('2018-11-03T03:00Z', '2018-11-05T02:00Z', { ...days, timezone: 'America/Sao_Paulo' })).toEqual([
      '11-03 00:00 - 0 missing',
      '11-04 01:00 - 0 missing',
    ]);
  });

  test('weeks begin on Monday; months, years and the total of Rome', async () => {
    await hourly('2025-09-30T22:00Z', 24 * 61 + 1);
    const rome = { timezone: 'Europe/Rome' };
    expect(await ask('2025-10-05T22:00Z', '2025-10-19T22:00Z', { ...rome, bucket: 'week' })).toEqual([
      '10-06 00:00 840 0 estimated',
      '10-13 00:00 840 0 estimated',
    ]);
    expect(await ask('2025-09-30T22:00Z', '2025-11-30T23:00Z', { ...rome, bucket: 'month' })).toEqual([
      '10-01 00:00 3725 0 estimated',
      '11-01 00:00 3600 0 estimated',
    ]);
    const all = ['2025-09-30T22:00Z', '2025-11-30T23:00Z'] as const;
    expect(await ask(...all, { ...rome, bucket: 'year' })).toEqual(['10-01 00:00 7325 0 estimated']);
    expect(await ask(...all, { ...rome, bucket: 'total' })).toEqual(['10-01 00:00 7325 0 estimated']);
  });

  test.each([
    ['Europe/Rome', '2025-10-25'],
    ['Asia/Kathmandu', '2025-06-01'],
    ['Australia/Lord_Howe', '2025-10-04'],
    ['America/Havana', '2025-11-01'],
    ['Pacific/Apia', '2011-12-29'],
    ['Africa/Monrovia', '1972-01-06'],
  ])('edges in %s reach over any span, on quarters of an hour; a day begins with an hour', async (timezone, day) => {
    const { rows } = await client.query(
      `with span as (
         select bucket, from_time, from_time + length as to_time
         from unnest($1::text[]) as bucket,
           generate_series($2::timestamptz, $2::timestamptz + interval '2 days', '37 min 13.000001 s') as from_time,
           unnest('{1 us,15 min,26 hours}'::interval[]) as length
       )
       select distinct bucket
       from span cross join lateral (
         select array_agg(edge) as edges from tasmart_bucket_edges(bucket, from_time, to_time, $3) as edge
       ) as found
       where (edges[1] <= from_time and edges[cardinality(edges)] >= to_time) is not true
         or edges <> array(select distinct edge from unnest(edges) as edge order by edge)
         or exists (select from unnest(edges) as edge where edge <> date_bin('15 min', edge, 'epoch'))
         or bucket = 'day' and exists (
           select from unnest(edges) as edge
           where edge not in (select hour from tasmart_bucket_edges('hour', edge, edge, $3) as hour)
         )`,
      [BUCKETS, `${day}T00:00Z`, timezone],
    );
    expect(rows).toEqual([]);
  });
});

describe('what cannot be asked', () => {
  test.each([
    [`'minute', now(), now(), 'UTC'`, /unknown bucket 'minute'/],
    [`'hour', now() - interval '1 day', now(), 'Mars/Olympus'`, /time zone "Mars\/Olympus" not recognized/],
    [`'hour', null, now(), 'UTC'`, /must be given/],
    [`'hour', '-infinity', now(), 'UTC'`, /finite/],
  ])('%s', async (args, message) => {
    await expect(client.query(`select * from tasmart_consumption(${args})`)).rejects.toThrow(message);
  });

  test('an empty range is empty', async () => {
    await steady('2026-01-10T10:00Z', 1);
    expect(await ask('2026-01-10T10:15Z', '2026-01-10T10:15Z')).toEqual([]);
    expect(await ask('2026-01-10T10:30Z', '2026-01-10T10:10Z')).toEqual([]);
  });
});
