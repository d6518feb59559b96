/** Measures how a poll's time and memory grow with the number of valves. */
import { median, type Bench } from './bench.ts';

/** A poll of so many valves. */
export interface Growth {
  valves: number;
  latencyMs: number;
  wallMs: number;
  cpuPerValveMs: number;
  peakMb: number;
}

/** 100 000 valves are polled without latency only: with it, a poll takes three minutes and shows nothing new. */
const SIZES = [
  { valves: 7, latencyMs: 50, count: 3 },
  { valves: 100, latencyMs: 50, count: 3 },
  { valves: 1_000, latencyMs: 50, count: 3 },
  { valves: 10_000, latencyMs: 50, count: 1 },
  { valves: 10_000, latencyMs: 0, count: 1 },
  { valves: 100_000, latencyMs: 0, count: 1 },
] as const;

/** A size whose polls fail is left out, and its error is printed. */
export async function measureGrowth(bench: Bench): Promise<Growth[]> {
  const growth: Growth[] = [];
  for (const { valves, latencyMs, count } of SIZES) {
    const polls = await bench.polls(valves, latencyMs, count).catch((error: unknown) => {
      bench.stage.signal.throwIfAborted();
      console.error(`${valves} valves at ${latencyMs} ms: ${error instanceof Error ? error.message : String(error)}`);
      return [];
    });
    if (polls.length === 0) continue;
    growth.push({
      valves,
      latencyMs,
      wallMs: median(polls.map((poll) => poll.wallMs)),
      cpuPerValveMs: median(polls.map((poll) => poll.cpuMs)) / valves,
      peakMb: median(polls.map((poll) => poll.peakMb)),
    });
  }
  return growth;
}
