/** Loads each valve's facts and energy for the report. Its readings: report-readings.ts. Its counter events: events.ts. */
import type { Quality, Regime } from '../domain/energy.ts';
import { formatRfc3339, US_PER_SECOND, type Micros, type Span } from '../domain/time.ts';
import type { Database } from './connection.ts';
import type { ConsumptionQuery } from './consumption.ts';
import { micros } from './repository.ts';

/** Energy of one counter. */
export interface CounterEnergy {
  regime: Regime;
  /** kWh of the buckets that have a curve; null: no bucket has one */
  totalKwh: number | null;
  /** null: the curve begins after the first 15 minutes of the previous span */
  previousKwh: number | null;
  /** in order of time */
  buckets: readonly EnergyBucket[];
}

/** A bucket of tasmart_consumption. */
export interface EnergyBucket extends Span {
  kwh: number | null;
  /** 0 … 1 */
  coverage: number;
  quality: Quality;
}

/** Where a valve is, and its first and newest readings. */
export interface ValveFacts {
  projectName: string | null;
  /** the account that reads it; null: the unnamed one, or the registry does not know the valve */
  account: string | null;
  firmware: string | null;
  firstUs: Micros | null;
  newestUs: Micros | null;
  /** by the database's clock */
  ageUs: number | null;
  /** of the newest reading */
  counter1Kwh: number | null;
  counter2Kwh: number | null;
  errorStatus: readonly string[] | null;
}

/** In the order of `tasmartIds`. Valves that the registry does not know are included. @throws DatabaseError */
export async function loadValveFacts(database: Database, tasmartIds: readonly string[]): Promise<ValveFacts[]> {
  return database.query<ValveFacts>(
    `select project.name as "projectName", nullif(valve.account, '') as account, fw_version as firmware,
            ${micros('first."time"')} as "firstUs", ${micros('newest."time"')} as "newestUs",
            ${micros('now() - newest."time"')} as "ageUs", energy_counter_regime_1 as "counter1Kwh",
            energy_counter_regime_2 as "counter2Kwh", error_status as "errorStatus"
     from unnest($1::text[]) with ordinality as wanted (tasmart_id, position)
     left join tasmart_valves as valve using (tasmart_id)
     left join tasmart_projects as project using (project_id)
     left join lateral (
       select "time" from tasmart_data_table as reading
       where reading.tasmart_id = wanted.tasmart_id order by "timestamp" limit 1
     ) as first on true
     left join lateral (
       select "time", energy_counter_regime_1, energy_counter_regime_2, error_status from tasmart_data_table as reading
       where reading.tasmart_id = wanted.tasmart_id order by "timestamp" desc limit 1
     ) as newest on true
     order by wanted.position`,
    [tasmartIds],
  );
}

/**
 * The energy of each of these valves, by id. A valve without readings is left out. `previous`: the span to compare with.
 *
 * @throws DatabaseError
 */
export async function loadEnergy(
  database: Database,
  tasmartIds: readonly string[],
  { previous, ...query }: ConsumptionQuery & { previous: Span },
): Promise<Map<string, CounterEnergy[]>> {
  // One row per counter: a row per bucket takes twice as long. json_agg takes the buckets in the order of `bucket`.
  const rows = await database.query<{
    id: string;
    regime: Regime;
    totalKwh: number | null;
    previousKwh: number | null;
    startsS: number[];
    endS: number;
    kwh: (number | null)[];
    coverage: number[];
    quality: Quality[];
  }>(
    `with bucket as (
       select tasmart_id collate "C", regime, bucket_start, bucket_end, kwh, coverage, quality
       from tasmart_consumption($1, $2::timestamptz, $3::timestamptz, $4, $5::text[])
       order by 1, 2, 3
     ), previous as (
       -- A curve has no holes. So kWh in the first 15 minutes mean that the curve covers the previous span from its start.
       select tasmart_id, regime, whole.kwh as previous_kwh
       from tasmart_consumption('total', $6::timestamptz, $7::timestamptz, $4, $5::text[]) as whole
       join tasmart_consumption(
         '15min', $6::timestamptz, tasmart_quarter_start($6::timestamptz) + interval '15 minutes', $4, $5::text[]
       ) as beginning using (tasmart_id, regime)
       where beginning.kwh is not null
     ), counter as (
       select tasmart_id, regime, sum(kwh) as total_kwh,
         json_agg(date_part('epoch', bucket_start)) as starts_s, date_part('epoch', max(bucket_end)) as end_s,
         json_agg(kwh) as kwh, json_agg(coverage) as coverage, json_agg(quality) as quality
       from bucket
       group by 1, 2
     )
     select tasmart_id as id, regime, total_kwh::float8 as "totalKwh", previous_kwh::float8 as "previousKwh",
       starts_s as "startsS", end_s as "endS", kwh, coverage, quality
     from counter left join previous using (tasmart_id, regime) order by tasmart_id, regime`,
    [
      query.bucket,
      formatRfc3339(query.fromUs),
      formatRfc3339(query.toUs),
      query.timezone,
      tasmartIds,
      formatRfc3339(previous.fromUs),
      formatRfc3339(previous.toUs),
    ],
  );
  const energy = new Map<string, CounterEnergy[]>();
  for (const row of rows) {
    // The buckets are adjacent: each ends where the next one starts.
    const edgesUs = [...row.startsS, row.endS].map((edgeS) => edgeS * US_PER_SECOND);
    const counter: CounterEnergy = {
      regime: row.regime,
      totalKwh: row.totalKwh,
      previousKwh: row.previousKwh,
      buckets: row.quality.map((quality, index) => ({
        fromUs: edgesUs[index] ?? 0,
        toUs: edgesUs[index + 1] ?? 0,
        kwh: row.kwh[index] ?? null,
        coverage: row.coverage[index] ?? 0,
        quality,
      })),
    };
    energy.set(row.id, [...(energy.get(row.id) ?? []), counter]);
  }
  return energy;
}
