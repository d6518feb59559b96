/** Loads stored readings for the judge. */
import { epochSeconds, formatRfc3339, US_PER_SECOND, type Micros, type Span } from '../domain/time.ts';
import type { Regime } from '../domain/energy.ts';
import type { Database } from './connection.ts';
import { micros } from './repository.ts';

/** A stored reading as the judge needs it. Counters in kWh, by regime; power in kW. */
export interface StoredReading {
  timeUs: Micros;
  powerKw: number | null;
  counters: Record<Regime, number | null>;
}

interface ReadingRow extends Omit<StoredReading, 'counters'> {
  id: string;
  counter1: number | null;
  counter2: number | null;
}

/**
 * Readings in [fromUs, beforeUs) by valve, oldest first. Both bounds are rounded down to whole seconds, so adjacent spans
 * neither overlap nor leave a gap.
 */
export async function loadCounterReadings(
  database: Database,
  spans: readonly { tasmartId: string; fromUs: Micros; beforeUs: Micros }[],
): Promise<Map<string, StoredReading[]>> {
  // measured_power is in dW: 10 000 dW = 1 kW
  const rows = await database.query<ReadingRow>(
    `select span.tasmart_id as id, ${micros('"time"')} as "timeUs", measured_power / 10000::float8 as "powerKw",
       energy_counter_regime_1 as counter1, energy_counter_regime_2 as counter2
     from unnest($1::text[], $2::bigint[], $3::bigint[]) as span (tasmart_id, from_seconds, before_seconds)
     cross join lateral (
       select * from tasmart_data_table as reading
       where reading.tasmart_id = span.tasmart_id
         and "timestamp" >= from_seconds and "timestamp" < before_seconds
       order by "timestamp"
     ) as reading`,
    [
      spans.map(({ tasmartId }) => tasmartId),
      spans.map(({ fromUs }) => clampedSeconds(fromUs)),
      spans.map(({ beforeUs }) => clampedSeconds(beforeUs)),
    ],
  );
  const readings = new Map<string, StoredReading[]>(spans.map(({ tasmartId }) => [tasmartId, []]));
  for (const { id, counter1, counter2, ...reading } of rows) {
    readings.get(id)?.push({ ...reading, counters: { 1: validCounter(counter1), 2: validCounter(counter2) } });
  }
  return readings;
}

/** For the column "timestamp", of which a valve has one reading per second at most. Clamps infinite bounds. */
function clampedSeconds(timeUs: Micros): number {
  return epochSeconds(Math.min(Math.max(timeUs, -Number.MAX_SAFE_INTEGER), Number.MAX_SAFE_INTEGER));
}

/** Null for a counter that is missing, negative or not a safe integer: the judge must not see it. */
function validCounter(kwh: number | null): number | null {
  return kwh !== null && Number.isSafeInteger(kwh) && kwh >= 0 ? kwh : null;
}

/** The time of a valve's oldest and newest reading. Null: it has none. */
export async function loadExtent(
  database: Database,
  tasmartId: string,
): Promise<{ oldestUs: Micros; newestUs: Micros } | null> {
  const [extent] = await database.query<{ oldestUs: Micros; newestUs: Micros }>(
    `select ${micros('oldest."time"')} as "oldestUs", ${micros('newest."time"')} as "newestUs"
     from (select "time" from tasmart_data_table where tasmart_id = $1 order by "timestamp" limit 1) as oldest,
          (select "time" from tasmart_data_table where tasmart_id = $1 order by "timestamp" desc limit 1) as newest`,
    [tasmartId],
  );
  return extent ?? null;
}

/** The valve's oldest reading that no correction excludes. Undefined: there is none. */
export async function loadOldestReading(database: Database, tasmartId: string): Promise<StoredReading | undefined> {
  const [oldest] = await database.query<{ seconds: number }>(
    `select "timestamp" as seconds from tasmart_data_table
     where tasmart_id = $1 and not exists (
       select from tasmart_corrections as correction
       where correction.tasmart_id = $1 and kind = 'exclude' and undone_at is null and "time" >= starts and "time" < ends
     )
     order by "timestamp" limit 1`,
    [tasmartId],
  );
  if (!oldest) return undefined;
  const fromUs = oldest.seconds * US_PER_SECOND;
  const readings = await loadCounterReadings(database, [{ tasmartId, fromUs, beforeUs: fromUs + US_PER_SECOND }]);
  return readings.get(tasmartId)?.[0];
}

/** Whether the valve has a reading in [fromUs, toUs). "timestamp" is in the index, "time" is exact. @throws DatabaseError */
export async function hasReading(database: Database, tasmartId: string, { fromUs, toUs }: Span): Promise<boolean> {
  const rows = await database.query(
    `select from tasmart_data_table where tasmart_id = $1 and "time" >= $2::timestamptz and "time" < $3::timestamptz
       and "timestamp" between floor(extract(epoch from $2::timestamptz))::bigint
         and ceil(extract(epoch from $3::timestamptz))::bigint
     limit 1`,
    [tasmartId, formatRfc3339(fromUs), formatRfc3339(toUs)],
  );
  return rows.length > 0;
}
