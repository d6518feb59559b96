import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createValve } from '../../scripts/simulator/fleet.ts';
import { pointsOf } from '../../scripts/simulator/history.ts';
import { energyKwh } from '../../scripts/simulator/physics.ts';
import {
  epochSeconds,
  formatRfc3339,
  parseRfc3339,
  US_PER_DAY,
  US_PER_HOUR,
  US_PER_MINUTE,
} from '../../src/domain/time.ts';
import type { Reading } from '../../src/domain/reading.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';

const FROM_US = parseRfc3339('2026-01-12T00:00:00Z') ?? 0;
const TO_US = FROM_US + 5 * US_PER_DAY;

let database: TestDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await freshDatabase();
  client = await database.client();
});
afterAll(() => database.drop());

/** A valve of the simulator whose power peaks at 2 kW on a winter's day: one or two kWh an hour. */
const valve = {
  ...createValve(7, 0),
  heatingPeakKw: 2,
  coolingPeakKw: 0,
  installedUs: FROM_US - 300 * US_PER_DAY,
};

/** What a run stores: the last point of each quarter of an hour. */
function quarterly(): Reading[] {
  const last = new Map<number, Reading>();
  for (const point of pointsOf(valve, FROM_US - US_PER_DAY, TO_US + US_PER_HOUR)) {
    last.set(Math.ceil(point.timeUs / (15 * US_PER_MINUTE)), point);
  }
  return [...last.values()];
}

async function hourlyErrorsKwh(shape: string): Promise<number[]> {
  const { rows } = await client.query<{ start: Date; kwh: number }>(
    `select bucket_start as start, kwh::float8
     from tasmart_consumption('hour', $1, $2, 'Europe/Rome', $3, $4)
     where regime = 1`,
    [formatRfc3339(FROM_US), formatRfc3339(TO_US), valve.id, shape],
  );
  expect(rows).toHaveLength(5 * 24);
  return rows.map(({ start, kwh }) => {
    const startUs = start.getTime() * 1000;
    return Math.abs(kwh - energyKwh(valve, 1, startUs, startUs + US_PER_HOUR));
  });
}

const mean = (numbers: readonly number[]) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;

test("a small valve's hours come nearer to the truth when shaped by power", async () => {
  const readings = quarterly();
  await client.query(
    `insert into tasmart_data_table ("timestamp", tasmart_id, measured_power, energy_counter_regime_1, "time")
     select second, $1, power, kwh, time
     from unnest($2::bigint[], $3::integer[], $4::bigint[], $5::timestamptz[]) as r (second, power, kwh, time)`,
    [
      valve.id,
      readings.map(({ timeUs }) => epochSeconds(timeUs)),
      readings.map(({ measuredPowerDw }) => measuredPowerDw),
      readings.map(({ energyCounter1Kwh }) => energyCounter1Kwh),
      readings.map(({ timeUs }) => formatRfc3339(timeUs)),
    ],
  );
  const linear = await hourlyErrorsKwh('linear');
  const shaped = await hourlyErrorsKwh('power');
  expect(mean(linear)).toBeGreaterThan(0.25);
  expect(mean(shaped)).toBeLessThan(0.1);
  expect(Math.max(...linear)).toBeGreaterThan(0.8);
  expect(Math.max(...shaped)).toBeLessThan(0.5);
});

test('powers as large as an integer goes are shaped by, too', async () => {
  await client.query(
    `insert into tasmart_data_table ("timestamp", tasmart_id, measured_power, energy_counter_regime_1, "time")
     select extract(epoch from time), 'large', power, kwh, time
     from (values
       (timestamptz '2026-01-12T10:00Z', 1000, 100), ('2026-01-12T10:15Z', 2147483647, 100),
       ('2026-01-12T10:30Z', 2147483647, 100), ('2026-01-12T10:45Z', 1000, 110)
     ) as r (time, power, kwh)`,
  );
  const { rows } = await client.query<{ kwh: string }>(
    `select sum(kwh)::text as kwh
     from tasmart_consumption('15min', '2026-01-12T10:00Z', '2026-01-12T10:45Z', 'UTC', 'large', 'power') where regime = 1`,
  );
  expect(rows).toEqual([{ kwh: expect.stringMatching(/^10(\.0+)?$/) as string }]);
});
