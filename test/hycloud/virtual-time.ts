/** A clock for tests that must not wait. */
import type { Timing } from '../../src/hycloud/pacer.ts';

export interface VirtualTime extends Timing {
  /** every sleep, in milliseconds, in order */
  slept: number[];
  advance: (ms: number) => void;
}

/** A clock that moves only by `sleep` and `advance`. `skew`: how many milliseconds a sleep ends late, or early if negative. */
export function virtualTime(skew: () => number = () => 0): VirtualTime {
  let nowMs = 1_000_000;
  const slept: number[] = [];
  return {
    slept,
    now: () => nowMs,
    advance: (ms) => {
      nowMs += ms;
    },
    sleep: (ms, signal) => {
      if (signal.aborted) return Promise.reject(new Error('aborted'));
      slept.push(ms);
      nowMs += Math.max(0.001, ms + skew()); // never 0: time passes in each sleep
      return Promise.resolve();
    },
  };
}
