import { formatRfc3339, type Micros } from '../domain/time.ts';
import type { ConsumptionQuery } from './consumption.ts';
import type { Database } from './connection.ts';
import { micros } from './repository.ts';

/** One register over a span, from its first to its last reading that counts. kWh as PostgreSQL's decimals: exact. */
export interface RegisterAccount {
  regime: number;
  openingUs: Micros;
  closingUs: Micros;
  openingKwh: number;
  closingKwh: number;
  /** what the odometer curve rose by */
  curveKwh: string;
  /** what the buckets between the two readings add up to, by size of bucket */
  quartersKwh: string;
  hoursKwh: string;
  daysKwh: string;
  /** what the curve rose by between readings that are no gap apart */
  coveredKwh: number;
  resets: number;
  glitches: number;
  implausible: number;
}

/** Energy by the power measured, over the stretches between readings that are no gap apart. */
export interface PowerAccount {
  kwh: number;
  /** one standard deviation of what lies between the samples, judged by how much neighbours differ; kWh */
  sigmaKwh: number;
}

export interface ValveAccount {
  registers: readonly RegisterAccount[];
  power: PowerAccount;
  /** share of the whole span that has readings, 0 … 1 */
  coverage: number;
}

type Span = Pick<ConsumptionQuery, 'fromUs' | 'toUs' | 'timezone' | 'intervalMinutes' | 'maxPowerKw'>;

/** The accounts of one valve. @throws DatabaseError */
export async function loadAccount(database: Database, tasmartId: string, span: Span): Promise<ValveAccount> {
  const values = [
    tasmartId,
    formatRfc3339(span.fromUs),
    formatRfc3339(span.toUs),
    span.timezone,
    span.intervalMinutes,
    span.maxPowerKw,
  ];
  const registers = await database.query<RegisterRow>(REGISTERS, values);
  const [power] = await database.query<{ kwh: string | null; sigma: string | null }>(
    POWER,
    values.toSpliced(3, 1).slice(0, 4),
  );
  const [coverage] = await database.query<{ coverage: string | null }>(COVERAGE, values);
  return {
    registers: registers.map(toAccount),
    power: { kwh: Number(power?.kwh ?? 0), sigmaKwh: Number(power?.sigma ?? 0) },
    coverage: Number(coverage?.coverage ?? 0),
  };
}

interface RegisterRow {
  regime: number;
  opening_us: string;
  closing_us: string;
  opening: string;
  closing: string;
  curve: string;
  quarters: string;
  hours: string;
  days: string;
  covered: string;
  resets: number;
  glitches: number;
  implausible: number;
}

function toAccount(row: RegisterRow): RegisterAccount {
  return {
    regime: row.regime,
    openingUs: Number(row.opening_us),
    closingUs: Number(row.closing_us),
    openingKwh: Number(row.opening),
    closingKwh: Number(row.closing),
    curveKwh: row.curve,
    quartersKwh: row.quarters,
    hoursKwh: row.hours,
    daysKwh: row.days,
    coveredKwh: Number(row.covered),
    resets: row.resets,
    glitches: row.glitches,
    implausible: row.implausible,
  };
}

const REGISTERS = `
  with reading as (
    select register.regime, classified.*
    from (values (1::smallint), (2::smallint)) as register (regime)
    cross join lateral tasmart_classified($1, register.regime, $2::timestamptz, $3::timestamptz, $6) as classified
    where reading_time >= $2::timestamptz and reading_time < $3::timestamptz
  ), point as (
    select *,
      curve_kwh - lag(curve_kwh) over following as step_kwh,
      reading_time - lag(reading_time) over following as step_time
    from reading
    where verdict in ('kept', 'reset', 'implausible')
    window following as (partition by regime order by reading_time)
  ), account as (
    select regime,
      min(reading_time) as opening_time, max(reading_time) as closing_time,
      (array_agg(counter order by reading_time))[1] as opening,
      (array_agg(counter order by reading_time desc))[1] as closing,
      max(curve_kwh) - min(curve_kwh) as curve,
      coalesce(sum(step_kwh) filter (where step_time <= $5 * 1.5 * interval '1 minute'), 0) as covered,
      (count(*) filter (where verdict = 'reset'))::integer as resets,
      (count(*) filter (where verdict = 'implausible'))::integer as implausible
    from point group by regime
  )
  select account.regime, ${micros('opening_time')} as opening_us, ${micros('closing_time')} as closing_us,
    opening, closing, curve, covered, resets, implausible,
    (select count(*)::integer from reading where reading.regime = account.regime and verdict = 'glitch') as glitches,
    ${['15min', 'hour', 'day'].map(sumOf).join(', ')}
  from account order by regime`;

function sumOf(bucket: string): string {
  const name = { '15min': 'quarters', hour: 'hours', day: 'days' }[bucket];
  return `coalesce((
    select sum(kwh) from tasmart_consumption('${bucket}', opening_time, closing_time, $4, $1, 'linear', $5::integer, $6) as part
    where part.regime = account.regime
  ), 0) as ${name}`;
}

/** By the trapezoid rule; 10 000 dW = 1 kW. Between two samples the mean may be anywhere between them. */
const POWER = `
  select sum((earlier + later) / 2 * hours) as kwh, sqrt(sum(power((later - earlier) / 2 * hours, 2))) as sigma
  from (
    select abs(measured_power) / 10000.0 as later,
      abs(lag(measured_power) over following) / 10000.0 as earlier,
      extract(epoch from "time" - lag("time") over following) / 3600.0 as hours
    from tasmart_data_table
    where tasmart_id = $1 and "time" >= $2::timestamptz and "time" < $3::timestamptz
      and "timestamp" between floor(extract(epoch from $2::timestamptz)) and ceil(extract(epoch from $3::timestamptz))
      and measured_power is not null
    window following as (order by "timestamp")
  ) as step
  where hours <= $4 * 1.5 / 60.0`;

const COVERAGE = `
  select sum(coverage * extract(epoch from bucket_end - bucket_start)) / sum(extract(epoch from bucket_end - bucket_start)) as coverage
  from tasmart_consumption('day', $2::timestamptz, $3::timestamptz, $4, $1, 'linear', $5::integer, $6)
  where regime = 1`;
