/** The simulated HyCloud's clock. */
import type { Micros } from '../../src/domain/time.ts';

/** HyCloud's own clock: it follows real time until it is set. */
export interface Clock {
  now(): Micros;
  /** Stops the clock at an instant. */
  set(timeUs: Micros): void;
  /** Moves the clock, running or stopped. */
  advance(byUs: Micros): void;
  /** Lets a stopped clock run in real time again. */
  run(): void;
}

export function createClock(initiallyStoppedAtUs: Micros | null): Clock {
  const realUs = (): Micros => Math.round((performance.timeOrigin + performance.now()) * 1000);
  /** null: the clock runs, `aheadUs` ahead of real time */
  let stoppedAtUs = initiallyStoppedAtUs;
  let aheadUs = 0;
  return {
    now: () => stoppedAtUs ?? realUs() + aheadUs,
    set: (timeUs) => {
      stoppedAtUs = timeUs;
    },
    advance: (byUs) => {
      if (stoppedAtUs === null) aheadUs += byUs;
      else stoppedAtUs += byUs;
    },
    run: () => {
      if (stoppedAtUs !== null) aheadUs = stoppedAtUs - realUs();
      stoppedAtUs = null;
    },
  };
}
