/** Loads the data of the report's page. */
import { epochSeconds, type Micros, type Span } from '../domain/time.ts';
import type { PropertyName } from '../domain/reading.ts';
import type { Database } from './connection.ts';
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
export type Charted = (typeof CHARTED)[number];

/** A stored reading, in HyCloud's own units. */
export interface ReportReading {
  timeUs: Micros;
  /** null: not configured, or the valve sent none */
  errorStatus: readonly string[] | null;
  values: Readonly<Record<Charted, number | null>>;
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
  const number = (text: string | null) => (text === null ? null : Number(text));
  return rows.map((row) => ({
    projectName: row.project_name,
    account: row.account,
    firmware: row.fw_version,
    firstUs: number(row.first_us),
    newestUs: number(row.newest_us),
    ageUs: number(row.age_us),
    counter1Kwh: number(row.counter_1),
    counter2Kwh: number(row.counter_2),
    errorStatus: row.error_status,
  }));
}

/**
 * One valve's readings of a span, in order of time, with the neighbouring reading on either side. A gap or an error at the
 * edge of the span begins or ends with a neighbour.
 *
 * @throws DatabaseError
 */
export async function loadReadings(
  database: Database,
  tasmartId: string,
  { fromUs, toUs }: { fromUs: Micros; toUs: Micros },
): Promise<ReportReading[]> {
  // One text per column: one row per reading takes twice as long.
  const texts = ['time_us', ...CHARTED].map((name) => `string_agg(coalesce(${name}::text, 'null'), ',') as ${name}`);
  const [found] = await database.query<
    Record<Charted | 'time_us', string | null> & { error_status: (string[] | null)[] | null }
  >(
    `select json_agg(error_status) as error_status, ${texts.join(', ')}
     from (
       select round(date_part('epoch', "time") * 1000000)::bigint as time_us, error_status, ${CHARTED.join(', ')}
       from tasmart_data_table
       where tasmart_id = $1 and "timestamp" between
         coalesce((select max("timestamp") from tasmart_data_table where tasmart_id = $1 and "timestamp" < $2::bigint), $2::bigint)
         and coalesce((select min("timestamp") from tasmart_data_table where tasmart_id = $1 and "timestamp" > $3::bigint), $3::bigint)
       order by "timestamp"
     ) as reading`,
    [tasmartId, epochSeconds(fromUs), epochSeconds(toUs)],
  );
  const numbers = (name: Charted | 'time_us') => JSON.parse(`[${found?.[name] ?? ''}]`) as (number | null)[];
  const columns = CHARTED.map((name) => ({ name, column: numbers(name) }));
  return numbers('time_us').map((timeUs, index) => {
    const values = {} as Record<Charted, number | null>;
    for (const { name, column } of columns) values[name] = column[index] ?? null;
    return { timeUs: timeUs ?? 0, errorStatus: found?.error_status?.[index] ?? null, values };
  });
}
