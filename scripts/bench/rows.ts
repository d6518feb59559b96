/** The rows of the bench: what is measured, and its target. */
import { backfillOverPace } from './backfill.ts';
import type { Bench, Sample } from './bench.ts';
import { runNode } from './child.ts';
import { questionOverLag, verifySeconds, wildOverSound } from './energy.ts';
import { CONCURRENCY } from './fleet.ts';
import { insertOverCopy } from './insert.ts';
import { judgeSeconds, judgingOverPoll, judgingServerCpu } from './judging.ts';
import {
  bytesPerValve,
  cpuOverAxios,
  LATENCY_MS,
  memoryOverThousand,
  pollOverBareNode,
  requestsPerPoll,
  wallOverBareNode,
  wallOverLimit,
} from './polls.ts';

export interface Row {
  name: string;
  what: string;
  /** the target: at most this median */
  target: number;
  /** how many fractional digits are printed */
  digits: number;
  measure: (bench: Bench) => Promise<Sample>;
}

export const ROWS: readonly Row[] = [
  {
    name: 'help',
    what: '`--help`: wall over `node -e 0`',
    target: 2.5,
    digits: 2,
    measure: ({ stage }) => wallOverBareNode(stage.signal, 25, () => runNode([stage.cli, '--help'], stage.signal)),
  },
  {
    name: 'seven',
    what: '`poll`, 7 valves, 0 ms latency: wall over `node -e 0`',
    target: 13,
    digits: 2,
    measure: pollOverBareNode,
  },
  {
    name: 'wall-1000',
    what: `\`poll\`, 1 000 valves: wall over requests ÷ ${CONCURRENCY} × ${LATENCY_MS} ms`,
    target: 1.35,
    digits: 3,
    measure: (bench) => wallOverLimit(bench, 1_000, 5),
  },
  {
    name: 'wall-10000',
    what: `\`poll\`, 10 000 valves: wall over requests ÷ ${CONCURRENCY} × ${LATENCY_MS} ms`,
    target: 1.12,
    digits: 3,
    measure: (bench) => wallOverLimit(bench, 10_000, 2),
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
    measure: requestsPerPoll,
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
