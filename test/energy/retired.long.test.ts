/** Months of readings are retired: their kWh stay, and what needs these readings is refused. */
import { expect, test } from 'vitest';
import { replaceLimits } from '../../src/database/judgements.ts';
import { US_PER_DAY, US_PER_HOUR } from '../../src/domain/time.ts';
import { judgePending, recompute } from '../../src/energy/bookkeeping.ts';
import { hasRegime2, insert, store, unjudged, useDatabase } from './judged.ts';
import { expectJudged, kwhFromScratch, storedKwh } from './stored.ts';
import { LIMITS, soundCounter, START_US } from './support.ts';

const session = useDatabase();

test('kWh whose readings are gone are not judged again, whoever asks for it', async () => {
  await session(async (db) => {
    const readings = soundCounter('steady', 'right', 40, []);
    await store(db, { valve: 'v', readings });
    await db.query(`delete from tasmart_data_table where "time" < '2025-04-01T00:00Z'`);
    const message = 'readings of 2025-03 are gone, from which kWh were counted';
    await expect(replaceLimits(db, { ...LIMITS, maxPowerKw: 1 })).rejects.toThrow(message);
    await expect(recompute(db, 'v', START_US, LIMITS)).rejects.toThrow(message);

    // Older than every checkpoint: it would be judged from scratch.
    await insert(db, { valve: 'v', readings: [{ timeUs: START_US - 1e12, counterKwh: 3, powerKw: null }] });
    expect(await judgePending(db, LIMITS)).toMatchObject([{ tasmartId: 'v', error: { kind: 'config', message } }]);
    await expectJudged(db, 'v', readings);
    expect(await unjudged(db)).toEqual(['v']);
  });
});

test('kWh are not lost to a few late readings of retired months, and every month that is gone is named', async () => {
  const readings = soundCounter('steady', 'right', 70, []);
  await session(async (db) => {
    await insert(db, { valve: 'v', readings });
    expect(await judgePending(db, LIMITS)).toEqual([]);
    const before = await storedKwh(db, 'v', 1);
    await db.query(`delete from tasmart_data_table where "time" < '2025-05-01T00:00Z'`);
    const daysBack = async (from: number, to: number) => {
      await insert(db, { valve: 'v', readings: readings.slice(from * 96, to * 96) });
      const failures = await judgePending(db, LIMITS);
      expect(await storedKwh(db, 'v', 1)).toEqual(before);
      return failures.map(({ error }) => (error as Error).message);
    };
    const gone = (months: string) => [`readings of ${months} are gone, from which kWh were counted`];
    expect(await daysBack(0, 1)).toEqual(gone('2025-03, 2025-04'));
    expect(await daysBack(1, 31)).toEqual(gone('2025-04'));
    expect(await daysBack(31, 61)).toEqual([]);
  });
});

test('a counter that rises after its last rise was retired has all of its kWh', async () => {
  const at = (day: number, counterKwh: number) => ({ timeUs: START_US + day * US_PER_DAY, counterKwh, powerKw: 0.1 });
  const rest = Array.from({ length: 420 }, (_, day) => at(day, 500));
  await session(async (db) => {
    await insert(db, { valve: 'v', readings: rest });
    expect(await judgePending(db, LIMITS)).toEqual([]);
    await db.query(`delete from tasmart_data_table where "time" < '2025-04-01T00:00Z'`);
    for (const rise of [at(421, 502), at(422, 503), at(425, 504)]) {
      await store(db, { valve: 'v', readings: [rise] });
      expect(await judgePending(db, LIMITS)).toEqual([]);
    }
    const { quarters } = await storedKwh(db, 'v', 1);
    expect(quarters.reduce((sum, [, microKwh]) => sum + Number(microKwh), 0)).toBe(4_000_000);
  });
});

test('kWh that are not final stay where their readings are gone and the counter comes back lower', async () => {
  const readings = soundCounter('steady', 'right', 5, []).map((reading, i) => {
    return { ...reading, counterKwh: i < 96 ? 5000 + i : reading.counterKwh };
  });
  await session(async (db) => {
    await insert(db, { valve: 'v', readings });
    expect(await judgePending(db, LIMITS)).toEqual([]);
    const before = await storedKwh(db, 'v', 1);
    await db.query('delete from tasmart_data_table');
    await store(db, {
      valve: 'v',
      readings: [{ timeUs: START_US + 450 * US_PER_DAY, counterKwh: 3001, powerKw: 1 }],
    });
    const message = 'readings of 2025-03 are gone, from which kWh were counted';
    expect(await judgePending(db, LIMITS)).toMatchObject([{ error: { kind: 'config', message } }]);
    expect(await storedKwh(db, 'v', 1)).toEqual(before);
  });
});

test('a valve whose readings are all gone has nothing to recompute later, though its last rise was not final', async () => {
  await session(async (db) => {
    const readings = soundCounter('steady', 'missing', 0.5, []);
    await store(db, { valve: 'v', readings });
    const before = await storedKwh(db, 'v', 1);
    await db.query('delete from tasmart_data_table');
    expect(await recompute(db, 'v', START_US + 100 * US_PER_DAY, LIMITS)).toBeNull();
    expect(await storedKwh(db, 'v', 1)).toEqual(before);
  });
});

test('deleted readings keep their kWh where nothing is left to judge after a change', async () => {
  await session(async (db) => {
    const readings = soundCounter('steady', 'right', 80, []);
    await insert(db, { valve: 'v', readings });
    expect(await judgePending(db, LIMITS)).toEqual([]);
    await db.query(`delete from tasmart_data_table where "time" >= '2025-03-10T00:00Z'`);
    await db.query(`insert into tasmart_unjudged values ('v', '2025-05-10T00:00Z')`);
    expect(await judgePending(db, LIMITS)).toEqual([]);
    await expectJudged(db, 'v', readings);
  });
});

test('late readings are judged after the first months are retired, also where a counter always stands at 0', async () => {
  const readings = soundCounter('on and off', 'right', 150, []);
  const late = readings[readings.length - 50];
  if (!late) throw new Error('too few readings');
  await session(async (db) => {
    await insert(db, { valve: 'v', readings: readings.filter((reading) => reading !== late) });
    await db.query('update tasmart_data_table set energy_counter_regime_2 = 0');
    expect(await judgePending(db, LIMITS)).toEqual([]);
    await db.query(`delete from tasmart_data_table where "time" < '2025-04-01T00:00Z'`);

    await insert(db, { valve: 'v', readings: [late] });
    await db.query('update tasmart_data_table set energy_counter_regime_2 = 0 where "timestamp" = $1', [
      Math.floor(late.timeUs / 1e6),
    ]);
    expect(await judgePending(db, LIMITS)).toEqual([]);
    expect(await storedKwh(db, 'v', 1)).toEqual(kwhFromScratch(readings));
    expect(await storedKwh(db, 'v', 2)).toEqual(
      kwhFromScratch(readings.map((reading) => ({ ...reading, counterKwh: 0 }))),
    );
  });
});

test('a counter keeps its kWh when its last readings are gone, and does not begin again at 0 kWh', async () => {
  const readings = soundCounter('steady', 'right', 100, []);
  await session(async (db) => {
    await insert(db, { valve: 'v', readings: readings.slice(0, -1000) });
    await db.query(`update tasmart_data_table set energy_counter_regime_2 = null where "time" >= '2025-03-25T00:00Z'`);
    expect(await judgePending(db, LIMITS)).toEqual([]);
    const before = await storedKwh(db, 'v', 2);
    await db.query(`delete from tasmart_data_table where "time" < '2025-03-28T00:00Z'`);
    const [left, returns] = [readings.slice(-1000, -900), readings.slice(-900)];
    const [late, ...others] = left.filter((reading) => !hasRegime2(reading));
    if (!late) throw new Error('too few readings');
    for (const batch of [others, [late]]) {
      await store(db, { valve: 'v', readings: batch });
      expect(await judgePending(db, LIMITS)).toEqual([]);
      expect(await storedKwh(db, 'v', 2)).toEqual(before);
    }

    // It goes on from its last level, which the checkpoint knows: its rise lies in one gap.
    await store(db, { valve: 'v', readings: returns });
    expect(await judgePending(db, LIMITS)).toEqual([]);
    const seen = readings.filter(({ timeUs }) => timeUs < Date.parse('2025-03-25T00:00Z') * 1000).concat(returns);
    const whole = kwhFromScratch(seen.filter(hasRegime2));
    const after = await storedKwh(db, 'v', 2);
    const sum = ({ quarters }: typeof after) => quarters.reduce((total, [, microKwh]) => total + Number(microKwh), 0);
    expect([sum(after), after.events]).toEqual([sum(whole), whole.events]);
  });
});

test('kWh of a counter that covers no time are not lost either: its first day is gone', async () => {
  const at = (hour: number) => ({ timeUs: START_US + hour * US_PER_HOUR, counterKwh: 500 + hour, powerKw: 1 });
  await session(async (db) => {
    await insert(db, { valve: 'v', readings: Array.from({ length: 40 * 24 }, (_, hour) => at(hour)) });
    expect(await judgePending(db, LIMITS)).toEqual([]);
    await db.query(`delete from tasmart_data_table where "time" < '2025-04-01T00:00Z'`);
    const message = 'readings of 2025-03 are gone, from which kWh were counted';
    await expect(replaceLimits(db, LIMITS)).rejects.toMatchObject({ kind: 'config', message });
  });
});

test('kWh of the day of the last final reading stay, too, where the counter comes back lower', async () => {
  const at = (hour: number, counterKwh: number) => ({
    timeUs: START_US + hour * US_PER_HOUR,
    counterKwh,
    powerKw: null,
  });
  const readings = Array.from({ length: 44 }, (_, i) => at(i / 4, 500 + 3 * i));
  await session(async (db) => {
    await insert(db, { valve: 'v', readings });
    expect(await judgePending(db, LIMITS)).toEqual([]);
    const before = await storedKwh(db, 'v', 1);
    await db.query('delete from tasmart_data_table');
    await store(db, { valve: 'v', readings: [at(450 * 24, 10)] });
    await judgePending(db, LIMITS);
    expect(await storedKwh(db, 'v', 1)).toEqual(before);
  });
});
