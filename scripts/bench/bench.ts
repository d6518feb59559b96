/** What the bench's rows share: fleets, and polls of them. */
import { createFleet, type Fleet, type Polled } from './fleet.ts';
import type { Stage } from './stage.ts';

/** Fleets are created when first needed. Rows share fleets and polls. */
export interface Bench {
  stage: Stage;
  fleet: (valves: number) => Promise<Fleet>;
  /** The first `count` polls with this many valves and this latency. Polls that were made for another row count too. */
  polls: (valves: number, latencyMs: number, count: number) => Promise<Polled[]>;
  /** prints progress */
  say: (text: string) => void;
}

/** What a row measured: one number per repetition, and a text about how it was measured. */
export interface Sample {
  values: number[];
  detail: string;
}

export function createBench(stage: Stage, say: (text: string) => void): Bench {
  const fleets = new Map<number, Promise<Fleet>>();
  const allPolls: Polled[] = [];
  /** The error of each kind of poll that failed. A failed kind is not tried again: each try could take the whole time limit. */
  const failures = new Map<string, unknown>();

  function fleet(valves: number): Promise<Fleet> {
    const existing = fleets.get(valves) ?? createFleet(stage, valves);
    fleets.set(valves, existing);
    return existing;
  }

  async function makePoll(valves: number, latencyMs: number): Promise<Polled> {
    const kind = `${valves} ${latencyMs}`;
    if (failures.has(kind)) throw failures.get(kind);
    try {
      return await (await fleet(valves)).poll(latencyMs);
    } catch (error) {
      failures.set(kind, error);
      throw error;
    }
  }

  return {
    stage,
    fleet,
    say,
    polls: async (valves, latencyMs, count) => {
      const polls = allPolls.filter((poll) => poll.valves === valves && poll.latencyMs === latencyMs);
      while (polls.length < count) {
        say(`poll of ${valves} valves at ${latencyMs} ms, ${polls.length + 1} of ${count}`);
        const polled = await makePoll(valves, latencyMs);
        polls.push(polled);
        allPolls.push(polled);
      }
      return polls.slice(0, count);
    },
  };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? NaN) + (sorted[Math.floor(middle)] ?? NaN)) / 2;
}

/** Runs both functions alternately, `count` times each, so that other load on the machine affects both. */
export async function inTurn<A, B>(
  count: number,
  first: () => Promise<A>,
  second: () => Promise<B>,
): Promise<[A, B][]> {
  const pairs: [A, B][] = [];
  while (pairs.length < count) pairs.push([await first(), await second()]);
  return pairs;
}

export function formatMs(ms: number): string {
  return `${ms.toFixed(0)} ms`;
}
