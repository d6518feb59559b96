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

export function createClock(stoppedAtUs?: Micros): Clock {
  const realUs = (): Micros => Math.round((performance.timeOrigin + performance.now()) * 1000);
  let timeUs = stoppedAtUs ?? 0;
  let running = stoppedAtUs === undefined;
  const now = (): Micros => (running ? realUs() + timeUs : timeUs);
  return {
    now,
    set: (atUs) => {
      running = false;
      timeUs = atUs;
    },
    advance: (byUs) => {
      timeUs += byUs;
    },
    run: () => {
      if (!running) timeUs -= realUs();
      running = true;
    },
  };
}
