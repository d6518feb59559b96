import type { KnownError } from '../domain/errors.ts';
import type { Reading } from '../domain/reading.ts';
import type { Micros } from '../domain/time.ts';
import type { Valve } from '../domain/valve.ts';

/** A reading and whether this run added it. */
export interface PolledReading {
  reading: Reading;
  stored: boolean;
}

export interface PolledValve {
  valve: Valve;
  readings: readonly PolledReading[];
  /** the youngest point seen, stored or not */
  newest: Reading | null;
  silent: boolean;
  failure: string | null;
  /** what to do about the failure */
  remedy: string | null;
}

/** How many of a valve's readings this run has added. */
export function storedOf({ readings }: PolledValve): number {
  return readings.filter(({ stored }) => stored).length;
}

/** What failed; `valve` null: a part of the targets that is no valve that could be polled. */
export interface PollFailure {
  valve: Valve | null;
  reason: string;
  /** what to do about it */
  remedy: string | null;
}

export interface PollReport {
  outcome: 'success' | 'partial' | 'failed';
  /** HyCloud's clock at the start */
  nowUs: Micros;
  /** valves, and targets that are none */
  valves: number;
  failures: readonly PollFailure[];
  /** readings */
  stored: number;
  /** valves with nothing new */
  unchanged: number;
  /** valves */
  silent: number;
  /** why nothing at all could be read */
  error: KnownError | null;
}
