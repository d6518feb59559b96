/** Loads the readings that the report's charts show. */
import { epochSeconds, type Micros, type Span } from '../domain/time.ts';
import type { PropertyName } from '../domain/reading.ts';
import type { Database } from './connection.ts';

/** The values of a reading that charts show. */
const CHARTED = [
  'measured_flow',
  'measured_power',
  'relative_flow',
  'relative_power',
  'position',
  'input_signal',
  'local_temp',
  'remote_temp',
] as const satisfies readonly PropertyName[];
export type ChartedProperty = (typeof CHARTED)[number];

/** A valve's readings in columns, in order of time and in HyCloud's own units. null: the valve sent no value. */
export interface ReportReadings {
  timesUs: readonly Micros[];
  /** null: none */
  errorStatus: readonly (readonly string[] | null)[];
  values: Readonly<Record<ChartedProperty, readonly (number | null)[]>>;
}

/**
 * The readings of each of these valves in a span, by id, with the neighbouring reading on either side. A gap or an error at
 * the edge of the span begins or ends with a neighbour.
 *
 * @throws DatabaseError
 */
export async function loadReadings(
  database: Database,
  tasmartIds: readonly string[],
  { fromUs, toUs }: Span,
): Promise<Map<string, ReportReadings>> {
  // One array per column: one row per reading takes twice as long.
  const charted = CHARTED.map((name) => `coalesce(json_agg(${name}), '[]') as ${name}`);
  const rows = await database.query<Omit<ReportReadings, 'values'> & ReportReadings['values'] & { id: string }>(
    `select wanted.tasmart_id as id, reading.*
     from unnest($1::text[]) as wanted (tasmart_id)
     cross join lateral (
       select coalesce(json_agg(time_us), '[]') as "timesUs",
              coalesce(json_agg(nullif(error_status, '{}')), '[]') as "errorStatus", ${charted.join(', ')}
       from (
         -- date_part is faster than the exact extract, and to the microsecond just as good.
         select round(date_part('epoch', "time") * 1000000)::bigint as time_us, error_status, ${CHARTED.join(', ')}
         from tasmart_data_table as stored
         where stored.tasmart_id = wanted.tasmart_id and "timestamp" between
           coalesce((
             select max("timestamp") from tasmart_data_table as before
             where before.tasmart_id = wanted.tasmart_id and "timestamp" < $2::bigint
           ), $2::bigint) and coalesce((
             select min("timestamp") from tasmart_data_table as after
             where after.tasmart_id = wanted.tasmart_id and "timestamp" > $3::bigint
           ), $3::bigint)
         order by "timestamp"
       ) as reading
     ) as reading`,
    [tasmartIds, epochSeconds(fromUs), epochSeconds(toUs)],
  );
  return new Map(rows.map(({ id, timesUs, errorStatus, ...values }) => [id, { timesUs, errorStatus, values }]));
}

export function forEachChartedProperty<T>(valueOf: (name: ChartedProperty) => T): Record<ChartedProperty, T> {
  const values: Partial<Record<ChartedProperty, T>> = {};
  for (const name of CHARTED) values[name] = valueOf(name);
  return values as Record<ChartedProperty, T>;
}
