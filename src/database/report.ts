/** Loads the data of the report's page. */
import { epochSeconds, formatRfc3339, US_PER_SECOND, type Micros, type Span } from '../domain/time.ts';
import type { PropertyName } from '../domain/reading.ts';
import type { Quality } from '../domain/energy.ts';
import type { Database } from './connection.ts';
import type { ConsumptionQuery } from './consumption.ts';
import { micros } from './repository.ts';

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

/** Energy of one counter. */
export interface CounterEnergy {
  regime: 1 | 2;
  /** kWh of the buckets that have a curve; null: no bucket has one */
  totalKwh: number | null;
  /** null: a day of the previous span has no curve */
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

/** A counter event, with the counter before and after it. */
export interface CounterEvent extends Span {
  regime: number;
  kind: 'gap' | 'glitch' | 'reset' | 'jump' | 'undecided' | 'excluded' | 'replaced';
  fromKwh: number | null;
  toKwh: number | null;
  /** kWh that the consumption holds for this time */
  countedKwh: number | null;
}

/** Where a valve is, and its first and newest readings. */
export interface ValveFacts {
  projectName: string | null;
  /** the account that reads it; null: the only one */
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
  const rows = await database.query<{
    project_name: string | null;
    account: string | null;
    fw_version: string | null;
    first_us: string | null;
    newest_us: string | null;
    age_us: string | null;
    counter_1: string | null;
    counter_2: string | null;
    error_status: string[] | null;
  }>(
    `select project.name as project_name, nullif(valve.account, '') as account, fw_version, ${micros('first."time"')} as first_us,
            ${micros('newest."time"')} as newest_us, ${micros('now() - newest."time"')} as age_us,
            energy_counter_regime_1 as counter_1, energy_counter_regime_2 as counter_2, error_status
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
  return rows.map((row) => ({
    projectName: row.project_name,
    account: row.account,
    firmware: row.fw_version,
    firstUs: nullableNumber(row.first_us),
    newestUs: nullableNumber(row.newest_us),
    ageUs: nullableNumber(row.age_us),
    counter1Kwh: nullableNumber(row.counter_1),
    counter2Kwh: nullableNumber(row.counter_2),
    errorStatus: row.error_status,
  }));
}

/** The counter events of each of these valves that overlap a span, by id, in order of time. @throws DatabaseError */
export async function loadCounterEvents(
  database: Database,
  tasmartIds: readonly string[],
  span: Span,
): Promise<Map<string, CounterEvent[]>> {
  const rows = await database.query<{
    tasmart_id: string;
    regime: number;
    kind: CounterEvent['kind'];
    start_us: string;
    end_us: string;
    from_kwh: string | null;
    to_kwh: string | null;
    counted_kwh: string | null;
  }>(
    `select tasmart_id, regime, kind, ${micros('starts')} as start_us, ${micros('ends')} as end_us, from_kwh, to_kwh, counted_kwh
     from tasmart_counter_events
     where tasmart_id = any ($1) and ends > $2::timestamptz and starts < $3::timestamptz
     order by starts, ends, regime`,
    [tasmartIds, formatRfc3339(span.fromUs), formatRfc3339(span.toUs)],
  );
  const events = new Map<string, CounterEvent[]>(tasmartIds.map((id) => [id, []]));
  for (const row of rows) {
    events.get(row.tasmart_id)?.push({
      regime: row.regime,
      kind: row.kind,
      fromUs: Number(row.start_us),
      toUs: Number(row.end_us),
      fromKwh: nullableNumber(row.from_kwh),
      toKwh: nullableNumber(row.to_kwh),
      countedKwh: nullableNumber(row.counted_kwh),
    });
  }
  return events;
}

/** The energy of each of these valves, by id. A valve without readings is left out. @throws DatabaseError */
export async function loadEnergy(
  database: Database,
  tasmartIds: readonly string[],
  { previous, ...query }: ConsumptionQuery & { previous: Span },
): Promise<Map<string, CounterEnergy[]>> {
  // One row per counter: a row per bucket takes twice as long. json_agg takes the buckets in the order of `bucket`.
  const rows = await database.query<{
    tasmart_id: string;
    regime: 1 | 2;
    total_kwh: string | null;
    previous_kwh: string | null;
    starts_s: number[];
    end_s: number;
    kwh: (number | null)[];
    coverage: number[];
    quality: Quality[];
  }>(
    `with bucket as (
       select tasmart_id collate "C", regime, bucket_start, bucket_end, kwh, coverage, quality
       from tasmart_consumption($1, $2::timestamptz, $3::timestamptz, $4, $5::text[])
       order by 1, 2, 3
     ), previous as (
       select tasmart_id, regime, case when count(kwh) = count(*) then sum(kwh) end as previous_kwh
       from tasmart_consumption('day', $6::timestamptz, $7::timestamptz, $4, $5::text[])
       group by 1, 2
     ), counter as (
       select tasmart_id, regime, sum(kwh) as total_kwh,
         json_agg(date_part('epoch', bucket_start)) as starts_s, date_part('epoch', max(bucket_end)) as end_s,
         json_agg(kwh) as kwh, json_agg(coverage) as coverage, json_agg(quality) as quality
       from bucket
       group by 1, 2
     )
     select * from counter left join previous using (tasmart_id, regime) order by tasmart_id, regime`,
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
    const edgesUs = [...row.starts_s, row.end_s].map((edgeS) => edgeS * US_PER_SECOND);
    const counter: CounterEnergy = {
      regime: row.regime,
      totalKwh: nullableNumber(row.total_kwh),
      previousKwh: nullableNumber(row.previous_kwh),
      buckets: row.quality.map((quality, index) => ({
        fromUs: edgesUs[index] ?? 0,
        toUs: edgesUs[index + 1] ?? 0,
        kwh: row.kwh[index] ?? null,
        coverage: row.coverage[index] ?? 0,
        quality,
      })),
    };
    energy.set(row.tasmart_id, [...(energy.get(row.tasmart_id) ?? []), counter]);
  }
  return energy;
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
  const columns = ['time_us', ...CHARTED].map((name) => `json_agg(${name}) as ${name}`);
  // null: the valve has no readings in the span
  const rows = await database.query<
    { tasmart_id: string; time_us: Micros[] | null; error_status: ReportReadings['errorStatus'] | null } & Record<
      ChartedProperty,
      (number | null)[] | null
    >
  >(
    `select wanted.tasmart_id, reading.*
     from unnest($1::text[]) as wanted (tasmart_id)
     cross join lateral (
       select json_agg(nullif(error_status, '{}')) as error_status, ${columns.join(', ')}
       from (
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
  return new Map(
    rows.map((row) => [
      row.tasmart_id,
      {
        timesUs: row.time_us ?? [],
        errorStatus: row.error_status ?? [],
        values: forEachChartedProperty((name) => row[name] ?? []),
      },
    ]),
  );
}

export function forEachChartedProperty<T>(valueOf: (name: ChartedProperty) => T): Record<ChartedProperty, T> {
  const values: Partial<Record<ChartedProperty, T>> = {};
  for (const name of CHARTED) values[name] = valueOf(name);
  return values as Record<ChartedProperty, T>;
}

function nullableNumber(text: string | null): number | null {
  return text === null ? null : Number(text);
}
