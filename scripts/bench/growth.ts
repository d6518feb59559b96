import { median, type Bench } from './bench.ts';

/** How a poll grows with its valves. */
export interface Growth {
  valves: number;
  latencyMs: number;
  wallMs: number;
  cpuPerValveMs: number;
  peakMb: number;
}

/** With latency, a hundred thousand valves would take three minutes, and say nothing new. */
const SIZES = [
  { valves: 7, latencyMs: 50, count: 3 },
  { valves: 100, latencyMs: 50, count: 3 },
  { valves: 1_000, latencyMs: 50, count: 3 },
  { valves: 10_000, latencyMs: 50, count: 1 },
  { valves: 10_000, latencyMs: 0, count: 1 },
  { valves: 100_000, latencyMs: 0, count: 1 },
] as const;

/** A size that fails is left out; why is said once. */
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
