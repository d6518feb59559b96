/** What the bench's rows share: fleets, and polls of them. */
import { createFleet, type Fleet, type Polled } from './fleet.ts';
import type { Stage } from './stage.ts';

/** Fleets are created when first needed. Rows share fleets and polls. */
export interface Bench {
  stage: Stage;
  fleet: (valves: number) => Promise<Fleet>;
  /** returns `count` polls of this kind; earlier ones are reused */
  polls: (valves: number, latencyMs: number, count: number) => Promise<Polled[]>;
  /** prints progress */
  say: (text: string) => void;
}

/** One number per repetition, and a text about how it was measured. */
export interface Sample {
  values: number[];
  detail: string;
}

export function createBench(stage: Stage, say: (text: string) => void): Bench {
  const fleets = new Map<number, Promise<Fleet>>();
  const made: Polled[] = [];
  /** kinds of polls that failed: do not wait for their time limit again */
  const failures = new Map<string, unknown>();
  const fleet = (valves: number): Promise<Fleet> => {
    const existing = fleets.get(valves) ?? createFleet(stage, valves);
    fleets.set(valves, existing);
    return existing;
  };
  return {
    stage,
    fleet,
    say,
    polls: async (valves, latencyMs, count) => {
      const alike = () => made.filter((poll) => poll.valves === valves && poll.latencyMs === latencyMs);
      while (alike().length < count) {
        say(`poll of ${valves} valves at ${latencyMs} ms, ${alike().length + 1} of ${count}`);
        const kind = `${valves} ${latencyMs}`;
        if (failures.has(kind)) throw failures.get(kind);
        try {
          made.push(await (await fleet(valves)).poll(latencyMs));
        } catch (error) {
          failures.set(kind, error);
          throw error;
        }
      }
      return alike().slice(0, count);
    },
  };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? NaN) + (sorted[Math.floor(middle)] ?? NaN)) / 2;
}

/** Runs both alternately, so that other load on the machine affects both. */
export async function inTurn<A, B>(
  count: number,
  first: () => Promise<A>,
  second: () => Promise<B>,
): Promise<[A, B][]> {
  const pairs: [A, B][] = [];
  while (pairs.length < count) pairs.push([await first(), await second()]);
  return pairs;
}
