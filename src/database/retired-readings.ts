/** Refuses to judge again where readings are gone from which kWh were counted. */
import { REGIMES, type Regime } from '../domain/energy.ts';
import { KnownError } from '../domain/errors.ts';
import { formatRfc3339, type Micros } from '../domain/time.ts';
import type { Database } from './connection.ts';

/**
 * Checks that readings can be judged again without losing kWh. Months of them may have been retired since they were judged. Every
 * day with coverage must still have a reading. So must the first day, where the curve begins: a counter that is seldom read has
 * no coverage.
 *
 * @param tasmartId null: all valves
 * @param afterUs for each counter that is judged again, the last reading before; -Infinity: from scratch
 * @throws KnownError exit 78
 */
export async function requireReadings(
  database: Database,
  tasmartId: string | null,
  afterUs: Partial<Record<Regime, Micros>>,
): Promise<void> {
  const after = REGIMES.flatMap((regime) => {
    const timeUs = afterUs[regime];
    return timeUs === undefined ? [] : [{ regime, time: timeUs === -Infinity ? '-infinity' : formatRfc3339(timeUs) }];
  });
  const [gone] = await database.query<{ months: string | null }>(
    // "offset 0" makes PostgreSQL look into the index for each day, also for many valves.
    `select string_agg(distinct to_char(energy.day, 'YYYY-MM'), ', ') as months
     from json_to_recordset($2::json) as after (regime smallint, "time" timestamptz)
     cross join lateral (select ("time" at time zone 'UTC')::date as after_day) as instant
     join tasmart_energy as energy on energy.regime = after.regime and energy.day >= after_day
     cross join lateral (
       select extract(epoch from energy.day::timestamp)::bigint as seconds,
         -- of the day of the time itself, what follows the time's quarter of an hour
         case
           when energy.day > after_day then 1
           else floor(extract(epoch from "time" at time zone 'UTC' - energy.day::timestamp) / 900)::integer + 2
         end as first_number
     ) as begins
     where ($1::text is null or tasmart_id = $1)
       and (
         covered_seconds[cardinality(covered_seconds)] > covered_seconds[first_number]
         or "time" = '-infinity' and not exists (
           select from tasmart_energy as earlier
           where earlier.tasmart_id = energy.tasmart_id and earlier.regime = energy.regime and earlier.day < energy.day
         )
       )
       and not exists (
         select from tasmart_data_table as reading
         where reading.tasmart_id = energy.tasmart_id and "timestamp" >= seconds and "timestamp" < seconds + 86400
         offset 0
       )`,
    [tasmartId, JSON.stringify(after)],
  );
  if (!gone?.months) return;
  throw new KnownError('config', `readings of ${gone.months} are gone, from which kWh were counted`, {
    remedy:
      'judging again would lose kWh: attach the partitions of these months again first, or see "A detached month" in sql/README.md',
  });
}
