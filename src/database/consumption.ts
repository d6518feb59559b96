import { formatRfc3339, type Micros } from '../domain/time.ts';
import { compareValves } from '../domain/valve.ts';
import type { Database } from './connection.ts';
import { micros } from './repository.ts';

export type Bucket = '15min' | 'hour' | 'day' | 'month';

export interface ConsumptionQuery {
  bucket: Bucket;
  fromUs: Micros;
  toUs: Micros;
  timezone: string;
  shape: 'linear' | 'power';
  intervalMinutes: number;
  maxPowerKw: number;
}

/** A valve that has readings, with what people know it by. */
export interface MeteredValve {
  id: string;
  shortSn: string | null;
  fullSn: string | null;
  userId: string | null;
  backendRef: string | null;
}

/** Energy of one register in one bucket. Decimals are PostgreSQL's own texts: exact. */
export interface Consumption {
  regime: number;
  startUs: Micros;
  endUs: Micros;
  /** kWh; null where there is no curve */
  kwh: string | null;
  /** 0 … 1 */
  coverage: string;
  quality: 'missing' | 'provisional' | 'reset' | 'implausible' | 'estimated' | 'measured';
}

/** Every valve with a reading, in the registry or not, by name. @throws DatabaseError */
export async function loadMeteredValves(database: Database): Promise<MeteredValve[]> {
  const rows = await database.query<{
    tasmart_id: string;
    short_sn: string | null;
    full_sn: string | null;
    user_id: string | null;
    backend_ref: string | null;
  }>(
    // From one valve to the next along the primary key, instead of through all readings.
    `with recursive metered (tasmart_id) as (
       (select tasmart_id from tasmart_data_table order by tasmart_id limit 1)
       union all
       select (
         select next.tasmart_id from tasmart_data_table as next
         where next.tasmart_id > metered.tasmart_id order by next.tasmart_id limit 1
       )
       from metered where metered.tasmart_id is not null
     )
     select metered.tasmart_id, short_sn, full_sn, user_id, backend_ref
     from metered left join tasmart_valves using (tasmart_id)
     where metered.tasmart_id is not null`,
  );
  const valves = rows.map((row) => ({
    id: row.tasmart_id,
    shortSn: row.short_sn,
    fullSn: row.full_sn,
    userId: row.user_id,
    backendRef: row.backend_ref,
  }));
  return valves.sort(compareValves);
}

/** The buckets of one valve, by register and time: tasmart_consumption's answer. @throws DatabaseError */
export async function loadConsumption(
  database: Database,
  tasmartId: string,
  query: ConsumptionQuery,
): Promise<Consumption[]> {
  const rows = await database.query<{
    regime: number;
    start_us: string;
    end_us: string;
    kwh: string | null;
    coverage: string;
    quality: Consumption['quality'];
  }>(
    `select regime, ${micros('bucket_start')} as start_us, ${micros('bucket_end')} as end_us, kwh, coverage, quality
     from tasmart_consumption($1, $2::timestamptz, $3::timestamptz, $4, $5, $6, $7, $8)
     order by regime, bucket_start`,
    [
      query.bucket,
      formatRfc3339(query.fromUs),
      formatRfc3339(query.toUs),
      query.timezone,
      tasmartId,
      query.shape,
      query.intervalMinutes,
      query.maxPowerKw,
    ],
  );
  return rows.map(({ regime, start_us: startUs, end_us: endUs, kwh, coverage, quality }) => ({
    regime,
    startUs: Number(startUs),
    endUs: Number(endUs),
    kwh,
    coverage,
    quality,
  }));
}
