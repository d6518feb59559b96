/** What always holds, over hundreds of histories. */
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { US_PER_HOUR, US_PER_MINUTE } from '../../src/domain/time.ts';
import { budgetsOf } from '../../src/energy/budget.ts';
import type { VisibleReading } from '../../src/energy/readings.ts';
import { envelopes } from '../../src/energy/envelope.ts';
import type { Correction, CounterReading, QuarterHour } from '../../src/domain/energy.ts';
import { judgeReadings } from '../../src/energy/verdicts.ts';
import { cases } from '../support/random.ts';
import { referenceBudgetKwh, referenceEnvelopes } from './reference.ts';
import type { Judged } from './support.ts';
import {
  anyReadings,
  driver,
  FAULT_KINDS,
  fromScratch,
  LIMITS,
  LOADS,
  SENSORS,
  soundCounter,
  totalKwh,
  withFaults,
} from './support.ts';

const ANY_LOAD = fc.constantFrom(...Object.keys(LOADS));
const ANY_SENSOR = fc.constantFrom(...Object.keys(SENSORS));
const FAULT_HOURS = fc.constantFrom(0.25, 0.5, 1, 5, 12, 32);

test('judging reading by reading, or in parts of any size, gives what judging from scratch gives', () => {
  fc.assert(
    fc.property(anyReadings, fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }), (readings, sizes) => {
      const run = driver();
      for (let i = 0, k = 0; i < readings.length; k++) {
        const size = sizes[k % sizes.length] ?? 1;
        run.add(readings.slice(i, i + size));
        i += size;
        if (i < readings.length && k % 5 === 0) expectSame(run.judged(), readings.slice(0, i));
      }
      expectSame(run.judged(), readings);
    }),
    { numRuns: cases(150) },
  );
});

test('readings that arrive late, in any order and more than once, give what judging from scratch gives', () => {
  fc.assert(
    fc.property(anyReadings, fc.array(fc.nat(9), { minLength: 1, maxLength: 50 }), (readings, parts) => {
      const run = driver();
      const batches = Array.from({ length: 10 }, (): typeof readings => []);
      for (const [i, reading] of readings.entries()) batches[parts[i % parts.length] ?? 0]?.push(reading);
      for (const batch of batches) if (batch.length > 0) run.add(batch);
      run.add(readings.slice(0, 1));
      expectSame(run.judged(), readings);
    }),
    { numRuns: cases(150) },
  );
});

test('corrections, made and undone at any time, give what judging from scratch with them gives', () => {
  // Each correction is of the readings from one of them to a later one.
  const spans = fc.array(fc.record({ from: fc.nat(1000), length: fc.nat(60), replaced: fc.boolean() }), {
    maxLength: 3,
  });
  fc.assert(
    fc.property(anyReadings, fc.array(spans, { minLength: 1, maxLength: 5 }), (readings, changes) => {
      const run = driver();
      const size = Math.ceil(readings.length / changes.length);
      for (const [i, spans] of changes.entries()) {
        run.add(readings.slice(i * size, (i + 1) * size));
        const corrections = spans.map(({ from, length, replaced }): Correction => {
          const fromUs = readings[from % readings.length]?.timeUs ?? 0;
          const toUs = fromUs + length * 10 * US_PER_MINUTE;
          return replaced ? { kind: 'replaced', atUs: toUs } : { kind: 'exclude', fromUs, toUs };
        });
        run.correct(corrections);
        expectSame(run.judged(), readings.slice(0, (i + 1) * size), corrections);
      }
    }),
    { numRuns: cases(150) },
  );
});

test('a reading with nothing wrong around it changes only the buckets between the rises around it', () => {
  const gaps = fc.array(fc.tuple(fc.integer({ min: 72, max: 300 }), fc.integer({ min: 1, max: 50 })), { maxLength: 2 });
  fc.assert(
    fc.property(ANY_LOAD, ANY_SENSOR, gaps, fc.nat(), (load, sensor, outages, nth) => {
      const readings = soundCounter(load, sensor, 15, outages);
      const k = 1 + (nth % (readings.length - 2));
      const rises = readings.filter((reading, i) => reading.counterKwh > (readings[i - 1]?.counterKwh ?? Infinity));
      const timeUs = readings[k]?.timeUs ?? 0;
      const beforeUs = rises.findLast((rise) => rise.timeUs < timeUs)?.timeUs ?? -Infinity;
      const afterUs = rises.find((rise) => rise.timeUs > timeUs)?.timeUs ?? Infinity;
      const outside = ({ startUs }: QuarterHour) => startUs + 15 * US_PER_MINUTE <= beforeUs || startUs >= afterUs;

      const without = fromScratch(readings.filter((_, i) => i !== k));
      expect(without.quarters.filter(outside)).toEqual(fromScratch(readings).quarters.filter(outside));
    }),
    { numRuns: cases(60) },
  );
});

test('no bucket is negative and none is absent', () => {
  fc.assert(
    fc.property(anyReadings, (readings) => {
      const { quarters } = fromScratch(readings);
      const wrong = quarters.filter(({ startUs, microKwh, coveredSeconds }, i) => {
        const isNext = startUs - (quarters[i - 1]?.startUs ?? startUs - 900e6) === 900e6;
        const isWhole = Number.isInteger(microKwh) && microKwh >= 0;
        return !isNext || !isWhole || coveredSeconds < 0 || coveredSeconds > 900;
      });
      expect(wrong).toEqual([]);
    }),
    { numRuns: cases(150) },
  );
});

test('the envelope is the one of the definition, step by step', () => {
  fc.assert(
    fc.property(anyReadings, (readings) => {
      const expected = referenceEnvelopes(readings);
      for (const [i, envelope] of envelopes(readings.map(visible), LIMITS).entries()) {
        expect(envelope?.kw ?? 0).toBeCloseTo(expected[i] ?? NaN, 9);
      }
    }),
    { numRuns: cases(90) },
  );
});

test('no step of the curve adds more than its budget, and no bucket more than its steps allow: any readings', () => {
  fc.assert(fc.property(anyReadings, expectWithinBudgets), { numRuns: cases(90) });
});

/*
 * Faults near each other may be billed up to the budget. One fault may end where another one's rejoin is looked for: its
 * way back is a jump, and if that reading follows the level within the budget, it is believed. Likewise a spike that the
 * valve could have passed since the level was reached is believed if it outlasts four readings.
 */
test('no step of the curve adds more than its budget: a counter with faults of any size, at any distance', () => {
  const faults = fc.array(
    fc.record({
      atHour: fc.integer({ min: 4, max: 4 * 230 }).map((quarter) => quarter / 4),
      hours: FAULT_HOURS,
      kind: fc.constantFrom(...FAULT_KINDS),
      kwh: fc.oneof(fc.integer({ min: 3, max: 200 }), fc.integer({ min: 200, max: 50_000 })),
    }),
    { minLength: 2, maxLength: 10 },
  );
  fc.assert(
    fc.property(ANY_LOAD, ANY_SENSOR, faults, (load, sensor, faults) => {
      expectWithinBudgets(withFaults(soundCounter(load, sensor, 10, []), faults));
    }),
    { numRuns: cases(24) },
  );
});

test('faults 28 hours apart that are too great to have flowed never add energy, but for the unfinished kWh of each segment', () => {
  // More than the valve could have passed in these 30 days, and no spike leads back to a value from before a restore.
  const size = { zero: [0, 0], dip: [20, 50_000], restored: [50_000, 60_000], spike: [1_000_000, 2_000_000] } as const;
  const fault = fc.constantFrom(...FAULT_KINDS).chain((kind) =>
    fc.record({
      atHour: fc.integer({ min: 1, max: 11 }).map((slot) => slot * 60),
      hours: FAULT_HOURS,
      kind: fc.constant(kind),
      kwh: fc.integer({ min: size[kind][0], max: size[kind][1] }),
    }),
  );
  const faults = fc.uniqueArray(fault, { minLength: 2, maxLength: 11, selector: ({ atHour }) => atHour });
  fc.assert(
    fc.property(ANY_LOAD, faults, (load, faults) => {
      const sound = soundCounter(load, 'right', 30, []);
      const flowed = (sound.at(-1)?.counterKwh ?? 0) - (sound[0]?.counterKwh ?? 0);
      const judged = fromScratch(withFaults(sound, faults));
      // The ends of each segment are whole kWh: a segment may show up to one more than flowed in it.
      const segments = 1 + judged.events.filter(({ kind }) => kind === 'reset' || kind === 'jump').length;
      expect(totalKwh(judged)).toBeLessThanOrEqual(flowed + segments);
    }),
    { numRuns: cases(90) },
  );
});

for (const load of Object.keys(LOADS)) {
  for (const sensor of Object.keys(SENSORS)) {
    test(`a sound counter with gaps gives exactly its difference: load ${load}, power ${sensor}`, () => {
      const outages = fc.array(fc.tuple(fc.integer({ min: 72, max: 500 }), fc.integer({ min: 1, max: 100 })), {
        maxLength: 3,
      });
      fc.assert(
        fc.property(outages, (gaps) => {
          const readings = soundCounter(load, sensor, 30, gaps);
          const rise = (readings.at(-1)?.counterKwh ?? 0) - (readings[0]?.counterKwh ?? 0);
          expect(totalKwh(fromScratch(readings))).toBe(rise);
        }),
        { numRuns: cases(6) },
      );
    });
  }
}

function expectSame(run: Judged, readings: CounterReading[], corrections: readonly Correction[] = []): void {
  const { quarters, events } = fromScratch(readings, corrections);
  const different = quarters.filter((quarter, i) => !isDeepStrictEqual(quarter, run.quarters[i]));
  expect({ different: different.slice(0, 3), count: run.quarters.length }).toEqual({
    different: [],
    count: quarters.length,
  });
  expect(run.events).toEqual(events);
}

function expectWithinBudgets(readings: readonly CounterReading[]): void {
  const envelopesKw = referenceEnvelopes(readings);
  const steps = stepsOfCurve(readings, envelopesKw);
  for (const { addsKwh, budgetKwh } of steps) expect(addsKwh).toBeLessThanOrEqual(budgetKwh + 1e-6);

  const { quarters } = fromScratch(readings);
  expect(totalKwh({ quarters, events: [] })).toBeCloseTo(
    steps.reduce((sum, { addsKwh }) => sum + addsKwh, 0),
    5,
  );
  for (const { startUs, microKwh } of quarters) {
    const most = steps.map(({ fromUs, toUs, greatestKw }) => {
      const sharedUs = Math.min(toUs, startUs + 15 * US_PER_MINUTE) - Math.max(fromUs, startUs);
      return sharedUs > 0 ? 2 + (1.5 * greatestKw * sharedUs) / US_PER_HOUR : 0;
    });
    expect(microKwh / 1e6).toBeLessThanOrEqual(most.reduce((sum, kwh) => sum + kwh, 0) + 1e-5);
  }
}

/** Where the curve adds energy: each rise from the last one, and each break. */
function stepsOfCurve(readings: readonly CounterReading[], envelopesKw: readonly number[]) {
  const judged = readings.map(visible);
  const budgets = budgetsOf(judged, -Infinity, { kw: 0, sinceUs: 0, untilUs: 0 }, LIMITS);
  const { accepted } = judgeReadings(judged, 0, { accepted: [], mayTakeBack: 0 }, budgets, [], LIMITS);
  return accepted.slice(1).flatMap((to, i) => {
    const from = accepted[i] ?? to;
    const isBreak = 'fromKwh' in to.step;
    const addsKwh = isBreak && 'microKwh' in to.step ? to.step.microKwh / 1e6 : to.kwh - from.kwh;
    if (addsKwh === 0) return [];
    const span = { fromUs: isBreak ? from.acceptedUs : from.sinceUs, toUs: to.acceptedUs };
    const greatestKw = Math.max(
      ...envelopesKw.filter((_, k) => {
        const timeUs = readings[k]?.timeUs ?? 0;
        return timeUs > span.fromUs && timeUs <= span.toUs;
      }),
    );
    const level = isBreak ? { sinceUs: from.acceptedUs, acceptedUs: from.acceptedUs } : from;
    return [{ ...span, addsKwh, greatestKw, budgetKwh: referenceBudgetKwh(readings, envelopesKw, level, span.toUs) }];
  });
}

function visible({ timeUs, counterKwh, powerKw }: CounterReading): VisibleReading {
  return { timeUs, kwh: counterKwh, powerKw: powerKw === null ? null : Math.abs(powerKw), afterExcluded: false };
}
