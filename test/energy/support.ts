/** Helpers for the judge's tests: counters with known truth, and a driver that judges step by step as a run does. */
import fc from 'fast-check';
import { US_PER_HOUR, US_PER_MINUTE, type Micros } from '../../src/domain/time.ts';
import { judge } from '../../src/energy/judge.ts';
import { checkpointsBefore } from '../../src/energy/restart.ts';
import type { Checkpoint, Correction, CounterEvent, CounterReading, QuarterHour } from '../../src/domain/energy.ts';

export const LIMITS = { intervalUs: 15 * US_PER_MINUTE, maxPowerKw: 1500 };
export const START_US = Date.UTC(2025, 2, 1) * 1000;

export interface Judged {
  quarters: QuarterHour[];
  events: CounterEvent[];
}

/** Judges all readings at once, without a checkpoint. */
export function fromScratch(
  readings: readonly CounterReading[],
  corrections: readonly Correction[] = [],
  limits = LIMITS,
): Judged {
  const judgement = judge({ checkpoint: null, readings, suppliedFromUs: -Infinity, corrections, limits });
  if (judgement.kind !== 'judged') throw new Error('a run from scratch needs no history');
  return judgement;
}

export function totalKwh({ quarters }: Judged): number {
  return quarters.reduce((sum, { microKwh }) => sum + microKwh, 0) / 1e6;
}

/**
 * Judges step by step, as runs do, and stores the results as a database would. Keeps every checkpoint, for late readings.
 * `loads` holds the number of readings of each call of the judge.
 */
export function driver() {
  const readingsByTime = new Map<Micros, CounterReading>();
  let checkpoints: Checkpoint[] = [];
  let quarters = new Map<Micros, QuarterHour>();
  let events: CounterEvent[] = [];
  let corrections: readonly Correction[] = [];
  const loads: number[] = [];

  return {
    loads,
    checkpoint: () => checkpoints.at(-1) ?? null,
    judged: (): Judged => ({
      quarters: [...quarters.values()].sort((a, b) => a.startUs - b.startUs),
      events: [...events].sort((a, b) => a.fromUs - b.fromUs),
    }),
    add(readings: readonly CounterReading[]) {
      const fresh = readings.filter(({ timeUs }) => !readingsByTime.has(timeUs));
      for (const reading of fresh) readingsByTime.set(reading.timeUs, reading);
      judgeFrom(Math.min(...fresh.map(({ timeUs }) => timeUs)));
    },
    /** Replaces all corrections. */
    correct(replacement: readonly Correction[]) {
      const all = [...corrections, ...replacement];
      corrections = replacement;
      judgeFrom(Math.min(...all.map((correction) => ('atUs' in correction ? correction.atUs : correction.fromUs))));
    },
  };

  /** Judges again after a change of the readings or corrections from this instant on. */
  function judgeFrom(changeUs: Micros): void {
    if (checkpoints.some(({ newestUs }) => newestUs >= changeUs)) {
      const begin = checkpointsBefore(checkpoints, checkpoints.at(-1) ?? null, changeUs).at(-1);
      checkpoints = checkpoints.slice(0, begin ? checkpoints.indexOf(begin) + 1 : 0);
    }
    // Through JSON, like a checkpoint that was stored in the database.
    const checkpoint = JSON.parse(JSON.stringify(checkpoints.at(-1) ?? null)) as Checkpoint | null;
    let suppliedFromUs = checkpoint?.readingsFromUs ?? -Infinity;
    for (;;) {
      const readings = [...readingsByTime.values()].filter(({ timeUs }) => timeUs >= suppliedFromUs);
      readings.sort((a, b) => a.timeUs - b.timeUs);
      loads.push(readings.length);
      const result = judge({ checkpoint, readings, suppliedFromUs, corrections, limits: LIMITS });
      if (result.kind === 'needs-history') {
        if (result.readingsFromUs >= suppliedFromUs) throw new Error('asked for what was supplied');
        suppliedFromUs = result.readingsFromUs;
        continue;
      }
      const fromUs = result.replacesQuartersFromUs ?? -Infinity;
      const afterUs = result.replacesEventsAfterUs ?? -Infinity;
      quarters = new Map([...quarters].filter(([startUs]) => startUs < fromUs));
      for (const quarter of result.quarters) quarters.set(quarter.startUs, quarter);
      events = [...events.filter(({ toUs }) => toUs <= afterUs), ...result.events];
      checkpoints = result.checkpoint ? [...checkpoints, result.checkpoint] : [];
      return;
    }
  }
}

/**
 * Random readings, among them faults of every kind. A step makes one or more of them. `minutes` and a large `move` of the counter
 * apply after the first reading. Later ones come every 15 minutes, and only a `move` below 4 kWh applies again. `return` goes
 * back to the counter before `zero`. In half of the cases, power is unknown at first.
 */
export const anyReadings = fc
  .array(
    fc.record({
      minutes: fc.oneof(
        { weight: 60, arbitrary: fc.constant(15) },
        { weight: 8, arbitrary: fc.integer({ min: 1, max: 40 }) },
        { weight: 1, arbitrary: fc.constantFrom(30 * 1440, 65 * 1440, 410 * 1440) },
        { weight: 5, arbitrary: fc.constantFrom(60, 600, 1440, 3 * 1440, 9 * 1440) },
      ),
      move: fc.oneof(
        { weight: 6, arbitrary: fc.constantFrom(0, 2, 3) },
        { weight: 4, arbitrary: fc.integer({ min: -3, max: 6 }) },
        { weight: 1, arbitrary: fc.integer({ min: -300, max: 300 }) },
        { weight: 1, arbitrary: fc.constantFrom('zero' as const, 'return' as const) },
      ),
      power: fc.option(fc.constantFrom(0, 0.3, 8, 10, 10, 50), { freq: 6 }),
      repetitions: fc.oneof(
        { weight: 4, arbitrary: fc.constant(1) },
        { weight: 1, arbitrary: fc.integer({ min: 2, max: 120 }) },
      ),
    }),
    { minLength: 1, maxLength: 40 },
  )
  .chain((steps) => fc.tuple(fc.constant(steps), fc.oneof(fc.constant(0), fc.nat(steps.length))))
  .map(([steps, stepsWithoutPower]) => {
    const readings: CounterReading[] = [];
    let [timeUs, counterKwh, otherKwh] = [START_US, 500, 500];
    for (const [index, { minutes, move, power, repetitions }] of steps.entries()) {
      const powerKw = index < stepsWithoutPower ? null : power;
      for (let repetition = 0; repetition < repetitions; repetition++) {
        const isFirst = repetition === 0;
        readings.push({ timeUs, counterKwh, powerKw });
        timeUs += (isFirst ? minutes : 15) * US_PER_MINUTE;
        if (typeof move === 'number') {
          if (isFirst || Math.abs(move) < 4) counterKwh = Math.max(0, counterKwh + move);
        } else if (isFirst) {
          [counterKwh, otherKwh] = [move === 'zero' ? 0 : otherKwh, counterKwh];
        }
      }
    }
    return readings;
  });

/** The power of a plant, in kW, by hour since the start. */
export const LOADS: Record<string, (hour: number) => number> = {
  steady: () => 10,
  'on and off': (hour) => (Math.floor(hour / 2) % 3 === 0 ? 20 : 0),
  'weekends off': (hour) => ([0, 6].includes(Math.floor(hour / 24) % 7) ? 0 : 15),
  seasonal: (hour) => Math.max(0, 12 * Math.cos(hour / 200)),
  '50 W': () => 0.05,
};

/** What a power sensor reports of a true power, in kW. Null: nothing. */
export const SENSORS: Record<string, (kw: number) => number | null> = {
  right: (kw) => kw,
  missing: () => null,
  'stuck at 0': () => 0,
  'stuck at 7': () => 7,
  clipped: (kw) => Math.min(kw, 4),
  negative: (kw) => -kw,
  quantised: (kw) => Math.round(kw / 5) * 5,
};

/** The readings of a counter without a fault, at a load of LOADS and with a sensor of SENSORS. An outage: from which hour, how many. */
export function soundCounter(
  load: string,
  sensor: string,
  days: number,
  outages: [number, number][],
): CounterReading[] {
  const readings: CounterReading[] = [];
  let energyKwh = 1000.5;
  for (let minute = 0; minute < days * 1440; minute += 15) {
    const hour = minute / 60;
    const kw = LOADS[load]?.(hour) ?? 0;
    if (!outages.some(([from, length]) => hour > from && hour < from + length)) {
      const timeUs = START_US + hour * US_PER_HOUR + 7 * US_PER_MINUTE;
      readings.push({ timeUs, counterKwh: Math.floor(energyKwh), powerKw: SENSORS[sensor]?.(kw) ?? null });
    }
    energyKwh += kw / 4; // a quarter of an hour
  }
  return readings;
}

export const FAULT_KINDS = ['zero', 'spike', 'dip', 'restored'] as const;

/** From `atHour` on, the counter shows `kwh` more (spike) or less (dip), or 0: for `hours`. `restored`: less for good. */
export interface Fault {
  kind: (typeof FAULT_KINDS)[number];
  atHour: number;
  hours: number;
  kwh: number;
}

/** The same counter, with these faults. Several at a time add up, but 0 wins. */
export function withFaults(sound: readonly CounterReading[], faults: readonly Fault[]): CounterReading[] {
  const startUs = sound[0]?.timeUs ?? 0;
  return sound.map((reading) => {
    const hour = (reading.timeUs - startUs) / US_PER_HOUR;
    const present = faults.filter((fault) => hour >= fault.atHour && isPresent(fault, hour));
    if (present.some(({ kind }) => kind === 'zero')) return { ...reading, counterKwh: 0 };
    const shifts = present.map(({ kind, kwh }) => (kind === 'spike' ? kwh : -kwh));
    // Far above 0, so that no shift makes the counter negative.
    const counterKwh = 10_000_000 + reading.counterKwh + shifts.reduce((sum, shift) => sum + shift, 0);
    return { ...reading, counterKwh };
  });
}

function isPresent({ kind, atHour, hours }: Fault, hour: number): boolean {
  return kind === 'restored' || hour < atHour + hours;
}
