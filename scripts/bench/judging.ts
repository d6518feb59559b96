/** The bench's rows about the cost of judging. */
import { readFile } from 'node:fs/promises';
import type { Database } from '../../src/database/connection.ts';
import { storeReadings, type ValveReadings } from '../../src/database/repository.ts';
import { NO_MEASUREMENTS } from '../../src/domain/reading.ts';
import { judgeInStep, judgePending } from '../../src/energy/bookkeeping.ts';
import { judge } from '../../src/energy/judge.ts';
import type { CounterReading } from '../../src/domain/energy.ts';
import { formatMs, inTurn, median, type Bench, type Sample } from './bench.ts';
import { createJudgedDatabase, DAY_S, END_S, INTERVAL_S, LIMITS, withSession } from './judged-database.ts';
import { LATENCY_MS } from './polls.ts';

/** The counter (kWh) after n readings, for inputs that make the judge look far ahead. */
const BAD_COUNTERS: Record<string, (n: number) => number> = {
  'a fall, then 1 less every 26 hours': (n) => (n < 2000 ? 1_000_000 : 1000 - (n % 104 === 0 ? 1 : 0)),
  'Wh instead of kWh': (n) => n * 1250,
  'zero every other reading': (n) => (n % 2) * (1000 + n),
  'a reset every other hour': (n) => n % 8,
  'restored every other hour': (n) => 1000 + (n >> 4) + (n % 8),
  'a jump every other day': (n) => n + Math.floor(n / 192) * 100_000,
};

/** Seconds that judging a valve-year from scratch takes, for the worst of these inputs. */
export function judgeSeconds({ say }: Bench): Promise<Sample> {
  let worst = { name: '', seconds: [0] };
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
    if (median(seconds) > median(worst.seconds)) worst = { name, seconds };
  }
  return Promise.resolve({ values: worst.seconds, detail: worst.name });
}

/** What it costs to store one round: a reading of each of VALVES. */
interface RoundCost {
  wallMs: number;
  /** CPU time of the database server's process */
  serverCpuMs: number;
}

/** Two rounds, one after the other: with judging, and without. */
type CostPair = [judged: RoundCost, storedOnly: RoundCost];

const VALVES = 1_000;
const ROUNDS = 10;
let costPairs: Promise<CostPair[]> | undefined;

/** Measured when first needed: the rows share the result. */
function storingCosts(bench: Bench): Promise<CostPair[]> {
  return (costPairs ??= measureStoring(bench));
}

/** Stores rounds of readings of a fleet, alternately with and without judging. Needs Linux's /proc. */
async function measureStoring(bench: Bench): Promise<CostPair[]> {
  const kind = { name: 'step', valves: VALVES, days: 2, counterSql: 'n * 5 / 4' };
  const database = await createJudgedDatabase(bench, [kind]);
  let n = (kind.days * DAY_S) / INTERVAL_S;
  /** Continues the readings of `kind` by one interval: the counter must go on as counterSql says. */
  const nextRound = (): ValveReadings[] => {
    n++;
    const timeUs = (END_S - kind.days * DAY_S + n * INTERVAL_S) * 1e6;
    const energyCounter1Kwh = Math.floor((n * 5) / 4);
    const reading = { ...NO_MEASUREMENTS, timeUs, measuredPowerDw: 50_000, energyCounter1Kwh, energyCounter2Kwh: 0 };
    return Array.from({ length: VALVES }, (_, index) => ({
      tasmartId: `step ${index + 1}`,
      readings: [reading],
      syncedUntilUs: timeUs,
    }));
  };
  return withSession(database, async (session) => {
    const costOf = async (work: () => Promise<unknown>): Promise<RoundCost> => {
      const [startMs, cpuStartMs] = [performance.now(), await serverCpuMs(session)];
      await session.transaction(work);
      return { wallMs: performance.now() - startMs, serverCpuMs: (await serverCpuMs(session)) - cpuStartMs };
    };
    const storeAndJudge = () =>
      costOf(async () => {
        const valves = nextRound();
        await storeReadings(session, valves);
        const oldestUs = valves.map(({ tasmartId, readings }) => [tasmartId, readings[0]?.timeUs ?? 0] as const);
        await judgeInStep(session, new Map(oldestUs), LIMITS);
      });
    const storeOnly = async () => {
      const cost = await costOf(() => storeReadings(session, nextRound()));
      await judgePending(session, LIMITS); // so that the next round is in step again
      return cost;
    };
    await inTurn(1, storeAndJudge, storeOnly); // warms up
    return inTurn(ROUNDS, storeAndJudge, storeOnly);
  });
}

/** CPU time of the server's process of this session: utime and stime in /proc/<pid>/stat (see proc(5)), ticks of 10 ms. */
async function serverCpuMs({ loginPid }: Database): Promise<number> {
  const [, afterName = ''] = (await readFile(`/proc/${loginPid}/stat`, 'utf8')).split(') ');
  const fields = afterName.split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** The wall time that judging adds to a poll ÷ that of the poll without judging. */
export async function judgingOverPoll(bench: Bench): Promise<Sample> {
  const pairs = await storingCosts(bench);
  const pollMs = median((await bench.polls(VALVES, LATENCY_MS, 5)).map(({ wallMs }) => wallMs));
  const addedMs = pairs.map(([judged, storedOnly]) => judged.wallMs - storedOnly.wallMs);
  const withoutJudgingMs = pollMs - median(addedMs);
  return {
    values: addedMs.map((added) => added / withoutJudgingMs),
    detail: `${formatMs(median(addedMs))} of ${formatMs(pollMs)}`,
  };
}

/** The server's CPU time of storing and judging ÷ storing only. One ratio of sums, because clock ticks are coarse. */
export async function judgingServerCpu(bench: Bench): Promise<Sample> {
  const pairs = await storingCosts(bench);
  const sum = (costs: readonly RoundCost[]) => costs.reduce((total, { serverCpuMs }) => total + serverCpuMs, 0);
  const judgedMs = sum(pairs.map(([judged]) => judged));
  const storedOnlyMs = sum(pairs.map(([, storedOnly]) => storedOnly));
  return {
    values: [judgedMs / storedOnlyMs],
    detail: `${formatMs(judgedMs / pairs.length)} over ${formatMs(storedOnlyMs / pairs.length)}`,
  };
}
