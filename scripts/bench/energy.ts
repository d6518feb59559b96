/** The bench's rows about kWh: the cost of judging, and of questions compared with plain SQL. */
import { readFile } from 'node:fs/promises';
import { withConnection, type Database } from '../../src/database/connection.ts';
import { storeReadings, type ValveReadings } from '../../src/database/repository.ts';
import { NO_MEASUREMENTS } from '../../src/domain/reading.ts';
import { US_PER_MINUTE } from '../../src/domain/time.ts';
import { judgeInStep, judgePending } from '../../src/energy/bookkeeping.ts';
import { judge } from '../../src/energy/judge.ts';
import type { CounterReading } from '../../src/energy/types.ts';
import { inTurn, median, type Bench, type Sample } from './bench.ts';
import { runNode } from './child.ts';
import type { BenchDatabase } from './database.ts';

const INTERVAL_S = 900;
const DAY_S = 86_400;
const END_S = Date.UTC(2026, 0, 1) / 1000;
const LIMITS = { intervalUs: 15 * US_PER_MINUTE, maxPowerKw: 1500 };

/** All valves of a kind have the same readings: judge one and copy its results. */
interface Kind {
  name: string;
  valves: number;
  days: number;
  /** SQL: the counter after n intervals */
  counter: string;
}

/** A fleet of 200 valves in December; some of them have the whole year. */
const KINDS: readonly Kind[] = [
  { name: 'month', valves: 179, days: 31, counter: 'n * 5 / 4' },
  { name: 'year', valves: 20, days: 365, counter: 'n * 5 / 4' },
  // A glitch every other hour, a reset every other day.
  { name: 'wild', valves: 1, days: 31, counter: 'case n % 8 when 5 then 0 else n % 192 end' },
];

const databases = new WeakMap<Bench, Promise<BenchDatabase>>();

function judgedFleet(bench: Bench): Promise<BenchDatabase> {
  const made = databases.get(bench) ?? fill(bench, KINDS);
  databases.set(bench, made);
  return made;
}

async function fill({ stage, say }: Bench, kinds: readonly Kind[]): Promise<BenchDatabase> {
  say('a fleet with judged readings');
  const database = await stage.freshDatabase();
  for (const { name, days, counter } of kinds) {
    const fromS = END_S - days * DAY_S;
    await database.query(
      `insert into tasmart_data_table (tasmart_id, "timestamp", "time", measured_flow, measured_power,
         energy_counter_regime_1, energy_counter_regime_2)
       select '${name} 1', at, to_timestamp(at), 1000, 50000 + n % 7 * 1000, ${counter}, 0
       from generate_series(0, ${(days * DAY_S) / INTERVAL_S}) as n,
         lateral (select ${fromS} + n * ${INTERVAL_S} as at) as instant`,
    );
  }
  await session(database, (db) => judgePending(db, LIMITS));
  for (const { name, valves } of kinds) {
    for (const [table, columns] of Object.entries(TABLES)) {
      // In the order of time, as a fleet's rows are inserted.
      await database.query(
        `insert into ${table} (tasmart_id, ${columns}) select '${name} ' || valve, ${columns}
         from ${table} cross join generate_series(2, ${valves}) as valve
         where tasmart_id = '${name} 1' order by ${columns.split(',')[0] ?? ''}, valve`,
      );
    }
  }
  await database.query('delete from tasmart_unjudged');
  await database.query('vacuum analyze');
  return database;
}

const TABLES = {
  tasmart_data_table: `"timestamp", "time", measured_flow, measured_power, energy_counter_regime_1, energy_counter_regime_2`,
  tasmart_energy: 'day, regime, micro_kwh, covered_seconds, quality, flaws_before',
  tasmart_judgements: 'judged_until, state',
  tasmart_checkpoints: 'month, state',
} as const;

async function session<T>({ server }: BenchDatabase, use: (database: Database) => Promise<T>): Promise<T> {
  return withConnection(server, { applicationName: 'tasmart bench', giveUp: new AbortController().signal }, use);
}

/** Time of tasmart_consumption for the whole fleet ÷ time of a plain `lag()` with the same buckets and readings. */
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
  return async (bench) => {
    const database = await judgedFleet(bench);
    return ratioOf(
      await session(database, (db) =>
        inTurn(
          5,
          () => timed(db, question),
          () => timed(db, lag),
        ),
      ),
    );
  };
}

/** Time for the hours of a month of a valve that is always faulty ÷ that of a sound valve. */
export async function wildOverSound(bench: Bench): Promise<Sample> {
  const database = await judgedFleet(bench);
  const question = (valve: string) =>
    `select count(kwh) from tasmart_consumption('hour', to_timestamp(${END_S - 31 * DAY_S}), to_timestamp(${END_S}),
       'Europe/Rome', '${valve}')`;
  return ratioOf(
    await session(database, (db) =>
      inTurn(
        25,
        () => timed(db, question('wild 1')),
        () => timed(db, question('month 1')),
      ),
    ),
  );
}

async function timed(database: Database, sql: string): Promise<number> {
  const startMs = performance.now();
  await database.query(sql);
  return performance.now() - startMs;
}

function ratioOf(pairs: readonly (readonly [number, number])[]): Sample {
  const [ours, theirs] = [pairs.map(([one]) => one), pairs.map(([, other]) => other)];
  return {
    values: pairs.map(([one, other]) => one / other),
    detail: `${median(ours).toFixed(0)} ms over ${median(theirs).toFixed(0)} ms`,
  };
}

/** Seconds that `verify` takes for a month of 100 valves. */
export async function verifySeconds(bench: Bench): Promise<Sample> {
  const database = await judgedFleet(bench);
  const valves = Array.from({ length: 100 }, (_, index) => ['--valve', `month ${index + 1}`]).flat();
  const span = ['--from', '2025-12-01T00:00:00Z', '--to', '2026-01-01T00:00:00Z', '--format', 'csv'];
  const { signal, cli } = bench.stage;
  const env = { DATABASE_URL: database.url };
  const values: number[] = [];
  for (let repetition = 0; repetition < 3; repetition++) {
    values.push((await runNode([cli, 'verify', ...span, ...valves], signal, { env })).wallMs / 1000);
  }
  return { values, detail: '297 600 readings' };
}

/** The counter after n readings, for inputs that make the judge look far ahead. */
const BAD_COUNTERS: Record<string, (n: number) => number> = {
  'a fall, then 1 less every 26 hours': (n) => (n < 2000 ? 1_000_000 : 1000 - (n % 104 === 0 ? 1 : 0)),
  'Wh instead of kWh': (n) => n * 1250,
  'zero every other reading': (n) => (n % 2) * (1000 + n),
  'a reset every other hour': (n) => n % 8,
  'restored every other hour': (n) => 1000 + (n >> 4) + (n % 8),
  'a jump every other day': (n) => n + Math.floor(n / 192) * 100_000,
};

/** Seconds that judging a valve-year from scratch takes, for the worst of these inputs. */
export async function judgeSeconds({ say }: Bench): Promise<Sample> {
  const worst = { name: '', seconds: [0] };
  for (const [name, counter] of Object.entries(BAD_COUNTERS)) {
    say(`judging a year: ${name}`);
    const readings = Array.from({ length: (365 * DAY_S) / INTERVAL_S }, (_, n): CounterReading => {
      return { timeUs: (END_S + n * INTERVAL_S) * 1e6, counterKwh: counter(n), powerKw: 5 };
    });
    const seconds = [1, 2, 3].map(() => {
      const startMs = performance.now();
      judge({ checkpoint: null, readings, suppliedFromUs: -Infinity, corrections: [], limits: LIMITS });
      return (performance.now() - startMs) / 1000;
    });
    if (median(seconds) > median(worst.seconds)) Object.assign(worst, { name, seconds });
  }
  return Promise.resolve({ values: worst.seconds, detail: worst.name });
}

interface Cost {
  wallMs: number;
  serverMs: number;
}

const STEP_VALVES = 1_000;
const STEP_ROUNDS = 10;

/** Stores rounds of readings of a fleet, alternately with and without judging. Needs Linux's /proc. */
async function storingCosts(bench: Bench): Promise<[judged: Cost, alone: Cost][]> {
  const known = costs.get(bench) ?? measureStoring(bench);
  costs.set(bench, known);
  return known;
}
const costs = new WeakMap<Bench, Promise<[Cost, Cost][]>>();

async function measureStoring(bench: Bench): Promise<[Cost, Cost][]> {
  const kind = { name: 'step', valves: STEP_VALVES, days: 2, counter: 'n * 5 / 4' };
  const database = await fill(bench, [kind]);
  let n = (kind.days * DAY_S) / INTERVAL_S;
  const round = (): ValveReadings[] => {
    n++;
    const timeUs = (END_S - kind.days * DAY_S + n * INTERVAL_S) * 1e6;
    const energyCounter1Kwh = Math.floor((n * 5) / 4);
    const reading = { ...NO_MEASUREMENTS, timeUs, measuredPowerDw: 50_000, energyCounter1Kwh, energyCounter2Kwh: 0 };
    return Array.from({ length: STEP_VALVES }, (_, index) => ({
      tasmartId: `step ${index + 1}`,
      readings: [reading],
      syncedUntilUs: timeUs,
    }));
  };
  return session(database, async (db) => {
    const cost = async (work: () => Promise<void>): Promise<Cost> => {
      const [startMs, serverStartMs] = [performance.now(), await serverMs(db)];
      await db.transaction(work);
      return { wallMs: performance.now() - startMs, serverMs: (await serverMs(db)) - serverStartMs };
    };
    const judged = () =>
      cost(async () => {
        const valves = round();
        await storeReadings(db, valves);
        const oldest = valves.map(({ tasmartId, readings }) => [tasmartId, readings[0]?.timeUs ?? 0] as const);
        await judgeInStep(db, new Map(oldest), LIMITS);
      });
    const alone = async () => {
      const stored = await cost(async () => {
        await storeReadings(db, round());
      });
      await judgePending(db, LIMITS); // so that the next round is in step again
      return stored;
    };
    await inTurn(1, judged, alone);
    return inTurn(STEP_ROUNDS, judged, alone);
  });
}

/** CPU of the server process of this session. */
async function serverMs({ loginPid }: Database): Promise<number> {
  const fields = (await readFile(`/proc/${loginPid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** The wall time that judging adds to a poll of 1 000 valves at 50 ms latency. */
export async function judgingOverPoll(bench: Bench): Promise<Sample> {
  const pairs = await storingCosts(bench);
  const pollMs = median((await bench.polls(STEP_VALVES, 50, 5)).map(({ wallMs }) => wallMs));
  const addedMs = pairs.map(([judged, alone]) => judged.wallMs - alone.wallMs);
  return {
    values: addedMs.map((added) => added / (pollMs - median(addedMs))),
    detail: `${median(addedMs).toFixed(0)} ms of ${pollMs.toFixed(0)} ms`,
  };
}

/** The server's CPU time of storing and judging ÷ storing only. One ratio of sums, because clock ticks are coarse. */
export async function judgingServerCpu(bench: Bench): Promise<Sample> {
  const pairs = await storingCosts(bench);
  const sum = (costsMs: number[]) => costsMs.reduce((total, costMs) => total + costMs, 0);
  const judged = sum(pairs.map(([withJudging]) => withJudging.serverMs));
  const alone = sum(pairs.map(([, storingOnly]) => storingOnly.serverMs));
  return {
    values: [judged / alone],
    detail: `${(judged / pairs.length).toFixed(0)} ms over ${(alone / pairs.length).toFixed(0)} ms`,
  };
}
