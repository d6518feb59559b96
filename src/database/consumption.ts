/** Loads kWh by bucket, and the valves that have any. */
import { formatRfc3339, type Micros, type Span } from '../domain/time.ts';
import { compareValves } from '../domain/valve.ts';
import type { Quality } from '../domain/energy.ts';
import type { Database } from './connection.ts';
import { micros } from './repository.ts';

export const BUCKETS = ['15min', 'hour', 'day', 'week', 'month', 'year', 'total'] as const;
export type Bucket = (typeof BUCKETS)[number];

export interface ConsumptionQuery extends Span {
  bucket: Bucket;
  timezone: string;
}

/** A valve that has or had readings, judged or not, with its names. */
export interface MeteredValve {
  id: string;
  shortSn: string | null;
  fullSn: string | null;
  userId: string | null;
  backendRef: string | null;
}

/** Energy of one regime in one bucket. Decimals are PostgreSQL's exact texts. */
export interface Consumption {
  regime: number;
  startUs: Micros;
  endUs: Micros;
  /** kWh; null where there is no curve */
  kwh: string | null;
  /** 0 … 1: the share of the bucket that lies between readings at most 1.5 intervals apart */
  coverage: string;
  quality: Quality;
}

/** Every valve with readings, or with kWh of readings that are deleted; in the registry or not; by name. @throws DatabaseError */
export async function loadMeteredValves(database: Database): Promise<MeteredValve[]> {
  const valves = await database.query<MeteredValve>(
    `select metered.tasmart_id as id, short_sn as "shortSn", full_sn as "fullSn", user_id as "userId",
       backend_ref as "backendRef"
     from (
       select tasmart_id from tasmart_judgements union select tasmart_id from tasmart_unjudged
     ) as metered
     left join tasmart_valves using (tasmart_id)`,
  );
  return valves.sort(compareValves);
}

/** Widens the span of a query to whole buckets. @throws DatabaseError */
export async function widenToBuckets(database: Database, query: ConsumptionQuery): Promise<ConsumptionQuery> {
  const [span] = await database.query<Span>(
    `select ${micros('max(edge) filter (where edge <= $2::timestamptz)')} as "fromUs",
       ${micros('min(edge) filter (where edge >= $3::timestamptz)')} as "toUs"
     from tasmart_bucket_edges($1, $2::timestamptz, $3::timestamptz, $4) as edge`,
    [query.bucket, formatRfc3339(query.fromUs), formatRfc3339(query.toUs), query.timezone],
  );
  return { ...query, ...span };
}

/** The buckets of one valve from tasmart_consumption, by regime and time. @throws DatabaseError */
export async function loadConsumption(
  database: Database,
  tasmartId: string,
  query: ConsumptionQuery,
): Promise<Consumption[]> {
  return database.query<Consumption>(
    `select regime, ${micros('bucket_start')} as "startUs", ${micros('bucket_end')} as "endUs", kwh, coverage, quality
     from tasmart_consumption($1, $2::timestamptz, $3::timestamptz, $4, $5)
     order by regime, bucket_start`,
    [query.bucket, formatRfc3339(query.fromUs), formatRfc3339(query.toUs), query.timezone, tasmartId],
  );
}
