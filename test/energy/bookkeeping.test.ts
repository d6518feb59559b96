/** What the judge's bookkeeping keeps apart: valves from each other, readings from kWh, old limits from new ones. */
import { expect, test } from 'vitest';
import type { Database } from '../../src/database/connection.ts';
import { loadLimits, mayJudge, replaceLimits } from '../../src/database/judgements.ts';
import { formatRfc3339, US_PER_DAY, US_PER_SECOND } from '../../src/domain/time.ts';
import { judgeInStep, judgePending } from '../../src/energy/bookkeeping.ts';
import type { CounterReading } from '../../src/domain/energy.ts';
import { insert, store, unjudged, useDatabase } from './judged.ts';
import { expectJudged, kwhFromScratch, storedKwh } from './stored.ts';
import { LIMITS, soundCounter, START_US } from './support.ts';

const session = useDatabase();

const months = async (db: Database) =>
  (await db.query<{ month: string }>('select month::text from tasmart_checkpoints order by month')).map(
    ({ month }) => month,
  );

test('a late reading is judged from the last month that it cannot change', async () => {
  const readings = soundCounter('on and off', 'right', 150, [[2000, 30]]);
  const late = readings[readings.length - 960];
  if (!late) throw new Error('too few readings');
  await session(async (db) => {
    await insert(db, { valve: 'v', readings: readings.filter((reading) => reading !== late) });
    expect(await judgePending(db, LIMITS)).toEqual([]);
    const whole = await months(db);
    expect(whole).toEqual(['2025-03-01', '2025-04-01', '2025-05-01', '2025-06-01']);
    // A mark that judging from scratch would remove.
    await db.query(`update tasmart_energy set quality = replace(quality, 'm', 'j') where day = '2025-03-10'`);

    await store(db, { valve: 'v', readings: [late] });
    expect(await unjudged(db)).toEqual(['v']);
    expect(await judgePending(db, LIMITS)).toEqual([]);
    expect(await db.query(`select from tasmart_energy where day = '2025-03-10' and quality like '%j%'`)).toHaveLength(
      2,
    );
    await db.query(`update tasmart_energy set quality = replace(quality, 'j', 'm') where day = '2025-03-10'`);
    await expectJudged(db, 'v', readings);
    expect(await months(db)).toEqual(whole);
  });
});

test('kWh follow readings that another program moves to another month', async () => {
  const readings = soundCounter('on and off', 'right', 110, []);
  const laterUs = 85 * US_PER_DAY + 400 * US_PER_SECOND;
  const isMoved = ({ timeUs }: CounterReading) =>
    timeUs > START_US + 10.25 * US_PER_DAY && timeUs < START_US + 10.75 * US_PER_DAY;
  const moved = readings.map((reading) =>
    isMoved(reading) ? { ...reading, timeUs: reading.timeUs + laterUs } : reading,
  );
  await session(async (db) => {
    await insert(db, { valve: 'v', readings });
    expect(await judgePending(db, LIMITS)).toEqual([]);
    await db.query(
      `update tasmart_data_table set "timestamp" = "timestamp" + $1, "time" = "time" + $1 * interval '1 second'
       where "time" > $2::timestamptz and "time" < $2::timestamptz + interval '12 hours'`,
      [laterUs / US_PER_SECOND, formatRfc3339(START_US + 10.25 * US_PER_DAY)],
    );
    expect(await judgePending(db, LIMITS)).toEqual([]);
    await expectJudged(
      db,
      'v',
      moved.sort((one, other) => one.timeUs - other.timeUs),
    );
  });
});

test('kWh go with the readings that another program takes back', async () => {
  const readings = soundCounter('steady', 'right', 80, []);
  await session(async (db) => {
    await store(db, { valve: 'v', readings });
    const lastUs = readings[readings.length - 960]?.timeUs ?? NaN;
    const [of1, of2] = ['energy_counter_regime_1', 'energy_counter_regime_2'];
    await db.query(`update tasmart_data_table set ${of1} = null, ${of2} = null where "timestamp" > $1`, [lastUs / 1e6]);
    expect(await judgePending(db, LIMITS)).toEqual([]);
    const left = readings.filter(({ timeUs }) => timeUs <= lastUs);
    await expectJudged(db, 'v', left);

    await db.query(`update tasmart_data_table set ${of2} = null`);
    expect(await judgePending(db, LIMITS)).toEqual([]);
    expect(await storedKwh(db, 'v', 1)).toEqual(kwhFromScratch(left));
    expect(await storedKwh(db, 'v', 2)).toEqual({ quarters: [], events: [] });
  });
});

test.each([
  ['a single reading is left', ['2025-03-31T23:37Z']],
  ['the newest one left is on an edge of a quarter of an hour', ['2025-03-31T23:22Z', '2025-03-31T23:45Z']],
  ['the newest one left is within a quarter of an hour', ['2025-03-31T23:22Z', '2025-03-31T23:37Z']],
])('kWh go with the first reading of a month: %s', async (_what, times) => {
  const readings = [...times, '2025-04-01T00:07Z'].map((time) => {
    return { timeUs: Date.parse(time) * 1000, counterKwh: 500, powerKw: 0 };
  });
  const newestUs = readings.at(-1)?.timeUs ?? NaN;
  await session(async (db) => {
    for (const reading of readings) await store(db, { valve: 'v', readings: [reading] });
    expect(await months(db)).toEqual(['2025-03-01']);
    await db.query('update tasmart_data_table set energy_counter_regime_1 = null where "timestamp" = $1', [
      newestUs / 1e6,
    ]);
    expect(await judgePending(db, LIMITS)).toEqual([]);
    expect(await storedKwh(db, 'v', 1)).toEqual(kwhFromScratch(readings.slice(0, -1)));
  });
});

test('a valve that cannot be judged keeps no other valve of its batch from being judged in step', async () => {
  const readings = soundCounter('steady', 'right', 3, []);
  const [first, last] = [readings.slice(0, -1), readings.slice(-1)];
  await session(async (db) => {
    await store(db, { valve: 'broken', readings: first });
    await store(db, { valve: 'sound', readings: first });
    await db.query(`update tasmart_judgements set state = jsonb_set(state::jsonb, '{1,levels}', '[]')::json
      where tasmart_id = 'broken'`);
    await db.transaction(async () => {
      for (const valve of ['broken', 'sound']) await insert(db, { valve, readings: last });
      await judgeInStep(db, new Map(['broken', 'sound'].map((valve) => [valve, last[0]?.timeUs ?? 0])), LIMITS);
    });
    expect(await unjudged(db)).toEqual(['broken']);
    await expectJudged(db, 'sound', readings);
  });
});

test('the limits are those in the database when a valve is judged, not those that a run was configured with', async () => {
  await session(async (db) => {
    const readings = soundCounter('steady', 'missing', 3, [[20, 30]]).map((reading, i) => ({
      ...reading,
      counterKwh: reading.counterKwh + (i > 200 ? 500 : 0),
    }));
    await loadLimits(db, LIMITS);
    await insert(db, { valve: 'v', readings });
    const strict = { ...LIMITS, maxPowerKw: 1 };
    await replaceLimits(db, strict);
    expect(await judgePending(db, LIMITS)).toEqual([]);
    await expectJudged(db, 'v', readings, strict);
    expect(kwhFromScratch(readings, strict)).not.toEqual(kwhFromScratch(readings));
  });
});

test('a counter beyond exact numbers is no reading, and keeps no valve from being judged', async () => {
  await session(async (db) => {
    const readings = soundCounter('steady', 'right', 2, []);
    await insert(db, { valve: 'a', readings });
    await insert(db, { valve: 'b', readings });
    await db.query(`
      insert into tasmart_data_table (tasmart_id, "timestamp", "time", energy_counter_regime_1)
      select 'a', extract(epoch from at)::bigint, at, 9223372036854775807 from (values ('2025-03-01T05:01Z'::timestamptz)) as odd (at)`);
    expect(await judgePending(db, LIMITS)).toEqual([]);
    await expectJudged(db, 'a', readings);
    await expectJudged(db, 'b', readings);
  });
});

test('a valve that cannot be judged costs no reading and no other valve, and stays marked', async () => {
  await session(async (db) => {
    const readings = soundCounter('steady', 'right', 3, []);
    const [early, later] = [readings.slice(0, 200), readings.slice(200)];
    for (const valve of ['a', 'b', 'c']) await store(db, { valve, readings: early });
    await db.query(`update tasmart_judgements set state = '{"1": {"levels": 7}}' where tasmart_id = 'b'`);

    const oldestUs = later[0]?.timeUs ?? 0;
    await db.transaction(async () => {
      for (const valve of ['a', 'b', 'c']) await insert(db, { valve, readings: later });
      await judgeInStep(db, new Map(['a', 'b', 'c'].map((valve) => [valve, oldestUs])), LIMITS);
    });
    expect(await db.query('select from tasmart_data_table')).toHaveLength(3 * readings.length);
    expect(await judgePending(db, LIMITS)).toMatchObject([{ tasmartId: 'b' }]);
    await expectJudged(db, 'a', readings);
    await expectJudged(db, 'b', early);
    await expectJudged(db, 'c', readings);
    expect(await unjudged(db)).toEqual(['b']);
  });
});

test('a run does not wait for a valve that another session judges', async () => {
  const readings = soundCounter('steady', 'right', 2, []);
  await session((db) =>
    session(async (other) => {
      await store(db, { valve: 'v', readings: readings.slice(0, 100) });
      await other.transaction(async () => {
        await other.query(`update tasmart_judgements set judged_until = judged_until where tasmart_id = 'v'`);
        await db.query(`set lock_timeout = '1s'`);
        await store(db, { valve: 'v', readings: readings.slice(100) });
        expect(await db.query('select from tasmart_data_table')).toHaveLength(readings.length);
        expect(await unjudged(db)).toEqual(['v']);
      });
      expect(await judgePending(db, LIMITS)).toEqual([]);
      await expectJudged(db, 'v', readings);
    }),
  );
});

test('a reading that another program changes is judged again', async () => {
  await session(async (db) => {
    const readings = soundCounter('steady', 'right', 3, []);
    await store(db, { valve: 'v', readings });
    const changed = readings.map((reading, i) =>
      i === 150 ? { ...reading, counterKwh: reading.counterKwh + 1 } : reading,
    );
    const { timeUs = 0, counterKwh = 0 } = changed[150] ?? {};
    await db.query(
      `insert into tasmart_data_table (tasmart_id, "timestamp", "time", energy_counter_regime_1)
       values ('v', $1::bigint, to_timestamp($1::bigint), $2)
       on conflict (tasmart_id, "timestamp") do update
         set energy_counter_regime_1 = excluded.energy_counter_regime_1`,
      [timeUs / 1e6, counterKwh],
    );
    expect(await unjudged(db)).toEqual(['v']);
    expect(await judgePending(db, LIMITS)).toEqual([]);
    expect(await storedKwh(db, 'v', 1)).toEqual(kwhFromScratch(changed));
  });
});

test('a session that cannot write does not judge', async () => {
  await session(async (db) => {
    expect(await mayJudge(db)).toBe(true);
    await db.query('set default_transaction_read_only = on');
    expect(await mayJudge(db)).toBe(false);
  });
});
