/** The rows of the bench: what is measured, and its target. */
import { join } from 'node:path';
import { US_PER_MINUTE } from '../../src/domain/time.ts';
import { inTurn, median, type Bench, type Sample } from './bench.ts';
import { runNode, runProbed, type Cost } from './child.ts';
import { CONCURRENCY, NOW_US, type Fleet } from './fleet.ts';
import { headersOf, pointsQuery } from './request.ts';
import type { FetchTask } from './workers/fetch.ts';
import type { Inserted, InsertTask } from './workers/insert.ts';
import { backfillOverPace } from './backfill.ts';
import {
  judgeSeconds,
  judgingOverPoll,
  judgingServerCpu,
  questionOverLag,
  verifySeconds,
  wildOverSound,
} from './energy.ts';

export interface Row {
  name: string;
  what: string;
  /** the target: at most this */
  target: number;
  digits: number;
  measure: (bench: Bench) => Promise<Sample>;
}

const LATENCY_MS = 50;

export const ROWS: readonly Row[] = [
  {
    name: 'help',
    what: '`--help`: wall over `node -e 0`',
    target: 2.5,
    digits: 2,
    measure: ({ stage }) => overBareNode(stage.signal, 25, () => runNode([stage.cli, '--help'], stage.signal)),
  },
  {
    name: 'seven',
    what: '`poll`, 7 valves, 0 ms latency: wall over `node -e 0`',
    target: 13,
    digits: 2,
    measure: async (bench) => {
      const { args, env, hycloud } = await bench.fleet(7);
      return overBareNode(bench.stage.signal, 10, async () => {
        await hycloud.steer({ advanceUs: 15 * US_PER_MINUTE, latencyMs: 0 });
        return runNode(args('poll', '--format', bench.stage.format), bench.stage.signal, { env: env() });
      });
    },
  },
  {
    name: 'wall-1000',
    what: `\`poll\`, 1 000 valves: wall over requests ÷ ${CONCURRENCY} × ${LATENCY_MS} ms`,
    target: 1.35,
    digits: 3,
    measure: (bench) => overLimit(bench, 1_000, 5),
  },
  {
    name: 'wall-10000',
    what: `\`poll\`, 10 000 valves: wall over requests ÷ ${CONCURRENCY} × ${LATENCY_MS} ms`,
    target: 1.12,
    digits: 3,
    measure: (bench) => overLimit(bench, 10_000, 2),
  },
  {
    name: 'cpu',
    what: '`poll`, 10 000 valves: CPU over an axios loop with the same answers',
    target: 2,
    digits: 2,
    measure: cpuOverAxios,
  },
  {
    name: 'requests',
    what: '`poll` in step, 1 000 valves: requests',
    target: 1_002,
    digits: 0,
    measure: async (bench) => {
      const polls = await bench.polls(1_000, LATENCY_MS, 5);
      return { values: polls.map(({ requests }) => requests), detail: 'counted at the simulator' };
    },
  },
  {
    name: 'bytes',
    what: '`poll` in step, 1 000 valves: bytes received per valve, inside TLS',
    target: 500,
    digits: 0,
    measure: bytesPerValve,
  },
  {
    name: 'insert',
    what: '100 000 readings through the repository: wall over COPY',
    target: 3,
    digits: 2,
    measure: insertOverCopy,
  },
  {
    name: 'backfill',
    what: "`backfill` of a valve-year: CPU over the time that HyCloud's default pace takes",
    target: 0.15,
    digits: 3,
    measure: backfillOverPace,
  },
  {
    name: 'days',
    what: 'kWh by day of a month, 200 valves: over a plain `lag()`',
    target: 0.2,
    digits: 3,
    measure: questionOverLag('day', 31),
  },
  {
    name: 'hours',
    what: 'kWh by hour of a month, 200 valves: over a plain `lag()`',
    target: 0.5,
    digits: 3,
    measure: questionOverLag('hour', 31),
  },
  {
    name: 'months',
    what: 'kWh by month of a year, 200 valves: over a plain `lag()`',
    target: 0.05,
    digits: 3,
    measure: questionOverLag('month', 365),
  },
  {
    name: 'wild',
    what: 'kWh by hour of a month: a valve that misbehaves all the time over a sound one',
    target: 5,
    digits: 2,
    measure: wildOverSound,
  },
  {
    name: 'judge-year',
    what: 'judging a year of the worst valve from scratch: seconds',
    target: 2,
    digits: 2,
    measure: judgeSeconds,
  },
  {
    name: 'judging-wall',
    what: '`poll` in step, 1 000 valves: wall that judging adds, as a share of the poll without',
    target: 0.1,
    digits: 3,
    measure: judgingOverPoll,
  },
  {
    name: 'judging-cpu',
    what: "`poll` in step, 1 000 valves: the server's CPU, storing and judging over storing alone",
    target: 1.1,
    digits: 2,
    measure: judgingServerCpu,
  },
  {
    name: 'verify',
    what: '`verify` of a month of 100 valves: seconds',
    target: 15,
    digits: 1,
    measure: verifySeconds,
  },
  {
    name: 'memory-10000',
    what: '`poll`, peak memory: 10 000 valves over 1 000',
    target: 1.5,
    digits: 2,
    measure: (bench) => memoryOverThousand(bench, 10_000),
  },
  {
    name: 'memory-100000',
    what: '`poll`, peak memory: 100 000 valves over 1 000',
    target: 3,
    digits: 2,
    measure: (bench) => memoryOverThousand(bench, 100_000),
  },
];

async function memoryOverThousand(bench: Bench, valves: number): Promise<Sample> {
  const small = await bench.polls(1_000, 0, 3);
  const [large] = await bench.polls(valves, 0, 1);
  const peakMb = large?.peakMb ?? NaN;
  const values = small.map((poll) => peakMb / poll.peakMb);
  return { values, detail: `${mb(peakMb)} over ${mb(median(small.map((poll) => poll.peakMb)))}` };
}

async function overBareNode(
  signal: AbortSignal,
  count: number,
  work: () => Promise<{ wallMs: number }>,
): Promise<Sample> {
  await work(); // the files are in the cache then
  const pairs = await inTurn(count, work, () => runNode(['-e', '0'], signal));
  const [ours, bare] = [pairs.map(([one]) => one.wallMs), pairs.map(([, one]) => one.wallMs)];
  return {
    values: pairs.map(([one, other]) => one.wallMs / other.wallMs),
    detail: `${ms(median(ours))} over ${ms(median(bare))}`,
  };
}

async function overLimit(bench: Bench, valves: number, count: number): Promise<Sample> {
  const polls = await bench.polls(valves, LATENCY_MS, count);
  const limitMs = median(polls.map(({ requests }) => (requests / CONCURRENCY) * LATENCY_MS));
  const fleet = await bench.fleet(valves);
  await fleet.hycloud.steer({ latencyMs: LATENCY_MS });
  const bareMs: number[] = [];
  while (bareMs.length < count) bareMs.push((await axiosLoop(bench, fleet)).wallMs);
  await fleet.hycloud.steer({ latencyMs: 0 });
  const wallMs = polls.map((poll) => poll.wallMs);
  return {
    values: wallMs.map((wall) => wall / limitMs),
    detail: `${ms(median(wallMs))} over ${ms(limitMs)}; a bare axios loop ${(median(bareMs) / limitMs).toFixed(2)}`,
  };
}

async function cpuOverAxios(bench: Bench): Promise<Sample> {
  const valves = 10_000;
  const fleet = await bench.fleet(valves);
  let polled = 0;
  const poll = async () => (await bench.polls(valves, 0, ++polled)).slice(-1)[0];
  const pairs = await inTurn(3, poll, () => axiosLoop(bench, fleet));
  const perValve = (cpuMs: number[]) => `${((median(cpuMs) * 1000) / valves).toFixed(0)} µs`;
  const [ours, bare] = [pairs.map(([one]) => one?.cpuMs ?? NaN), pairs.map(([, one]) => one.cpuMs)];
  return {
    values: ours.map((cpuMs, index) => cpuMs / (bare[index] ?? NaN)),
    detail: `${perValve(ours)} over ${perValve(bare)} a valve, at 0 ms latency`,
  };
}

/** Fetches the same answers as a poll, with axios only. */
function axiosLoop({ stage }: Bench, fleet: Fleet): Promise<Cost> {
  const env = fleet.env();
  const task: FetchTask = {
    baseUrl: env['HYCLOUD_BASE_URL'] ?? '',
    headers: headersOf(env),
    projectIds: fleet.projects.map(({ id }) => id),
    query: pointsQuery(NOW_US - 15 * US_PER_MINUTE, NOW_US, 1, 'descending'),
    concurrency: CONCURRENCY,
  };
  return runProbed([stage.worker('fetch'), JSON.stringify(task)], stage.signal, stage.folder, { env });
}

async function bytesPerValve(bench: Bench): Promise<Sample> {
  const perValve = (poll: { bytesReceived: number; valves: number }) => poll.bytesReceived / poll.valves;
  const polls = await bench.polls(1_000, LATENCY_MS, 5);
  const fleet = await bench.fleet(1_000);
  const plain = await fleet.poll(0, { gzipFromBytes: Number.MAX_SAFE_INTEGER });
  const large = await fleet.poll(0, { gzipFromBytes: 1024 });
  return {
    values: polls.map(perValve),
    detail: `gzip from 20 bytes on, as nginx does; from 1 kB on ${perValve(large).toFixed(0)}, never ${perValve(plain).toFixed(0)}`,
  };
}

async function insertOverCopy({ stage }: Bench): Promise<Sample> {
  const { server } = await stage.freshDatabase();
  const task: InsertTask = { server, csvFile: join(stage.folder, 'readings.csv'), repetitions: 5 };
  const { stdout } = await runNode([stage.worker('insert'), JSON.stringify(task)], stage.signal, {
    wanted: true,
    timeoutMs: 120_000,
  });
  const { repositoryMs, copyMs } = JSON.parse(stdout) as Inserted;
  return {
    values: repositoryMs.map((one, index) => one / (copyMs[index] ?? NaN)),
    detail: `${ms(median(repositoryMs))} over ${ms(median(copyMs))}`,
  };
}

function ms(value: number): string {
  return `${value.toFixed(0)} ms`;
}

function mb(value: number): string {
  return `${value.toFixed(0)} MB`;
}
