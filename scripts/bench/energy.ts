/** The bench's rows about questions for kWh, compared with plain SQL. */
import type { Database } from '../../src/database/connection.ts';
import { formatMs, inTurn, median, type Bench, type Sample } from './bench.ts';
import { runNode } from './child.ts';
import type { BenchDatabase } from './database.ts';
import { createJudgedDatabase, DAY_S, END_S, withSession, type ValveKind } from './judged-database.ts';

/** A fleet of 200 valves in December; some of them have the whole year. */
const KINDS: readonly ValveKind[] = [
  { name: 'month', valves: 179, days: 31, counterSql: 'n * 5 / 4' },
  { name: 'year', valves: 20, days: 365, counterSql: 'n * 5 / 4' },
  // A glitch every other hour, a reset every other day.
  { name: 'wild', valves: 1, days: 31, counterSql: 'case n % 8 when 5 then 0 else n % 192 end' },
];

let database: Promise<BenchDatabase> | undefined;

/** Created when first needed: the rows share it. */
function judgedFleet(bench: Bench): Promise<BenchDatabase> {
  return (database ??= createJudgedDatabase(bench, KINDS));
}

/** Returns a measurement: time of tasmart_consumption for the whole fleet ÷ that of a plain `lag()` over the same readings. */
export function questionOverLag(bucket: 'hour' | 'day' | 'month', days: number): (bench: Bench) => Promise<Sample> {
  const span = [END_S - days * DAY_S, END_S].map((second) => `to_timestamp(${second})`).join(', ');
  const question = `select count(kwh) from tasmart_consumption('${bucket}', ${span}, 'Europe/Rome')`;
  const lag = `
    select sum(kwh_1), sum(kwh_2) from (
      select tasmart_id, date_trunc('${bucket}', "time" at time zone 'Europe/Rome') as bucket,
        sum(step_1) as kwh_1, sum(step_2) as kwh_2
      from (
        select tasmart_id, "time",
          energy_counter_regime_1 - lag(energy_counter_regime_1) over following as step_1,
          energy_counter_regime_2 - lag(energy_counter_regime_2) over following as step_2
        from tasmart_data_table where "timestamp" between ${END_S - days * DAY_S} and ${END_S}
        window following as (partition by tasmart_id order by "timestamp")
      ) as step
      group by 1, 2
    ) as buckets`;
  return async (bench) => compareQueries(await judgedFleet(bench), 5, question, lag);
}

/** Time for the hours of a month of a valve that is always faulty ÷ that of a sound valve. */
export async function wildOverSound(bench: Bench): Promise<Sample> {
  const question = (valve: string) =>
    `select count(kwh) from tasmart_consumption('hour', to_timestamp(${END_S - 31 * DAY_S}), to_timestamp(${END_S}),
       'Europe/Rome', '${valve}')`;
  return compareQueries(await judgedFleet(bench), 25, question('wild 1'), question('month 1'));
}

/** Time of the first query ÷ time of the second, `count` times. */
async function compareQueries(
  database: BenchDatabase,
  count: number,
  firstSql: string,
  secondSql: string,
): Promise<Sample> {
  const pairs = await withSession(database, (session) =>
    inTurn(
      count,
      () => queryMs(session, firstSql),
      () => queryMs(session, secondSql),
    ),
  );
  const firstMs = median(pairs.map(([first]) => first));
  const secondMs = median(pairs.map(([, second]) => second));
  return {
    values: pairs.map(([first, second]) => first / second),
    detail: `${formatMs(firstMs)} over ${formatMs(secondMs)}`,
  };
}

async function queryMs(session: Database, sql: string): Promise<number> {
  const startMs = performance.now();
  await session.query(sql);
  return performance.now() - startMs;
}

/** Seconds that `verify` takes for a month of 100 valves. */
export async function verifySeconds(bench: Bench): Promise<Sample> {
  const { url } = await judgedFleet(bench);
  const valves = Array.from({ length: 100 }, (_, index) => ['--valve', `month ${index + 1}`]).flat();
  const span = ['--from', '2025-12-01T00:00:00Z', '--to', '2026-01-01T00:00:00Z', '--format', 'csv'];
  const { signal, cli } = bench.stage;
  const env = { DATABASE_URL: url };
  const values: number[] = [];
  for (let repetition = 0; repetition < 3; repetition++) {
    values.push((await runNode([cli, 'verify', ...span, ...valves], signal, { env })).wallMs / 1000);
  }
  return { values, detail: '297 600 readings' };
}
