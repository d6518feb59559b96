/** What always holds, over thousands of histories. TASMART_RUNS multiplies their number. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { US_PER_HOUR } from '../../src/domain/time.ts';
import type { CounterReading } from '../../src/energy/types.ts';
import type { Judged } from './support.ts';
import { anyReadings, driver, fromScratch, LOADS, RUNS, SENSORS, soundCounter, totalKwh } from './support.ts';

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
    { numRuns: 100 * RUNS },
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
    { numRuns: 100 * RUNS },
  );
});

test('no bucket is negative and none is absent', () => {
  fc.assert(
    fc.property(anyReadings, (readings) => {
      const { quarters } = fromScratch(readings);
      const wrong = quarters.filter(({ startUs, microKwh, coveredSeconds }, i) => {
        const isNext = startUs - (quarters[i - 1]?.startUs ?? startUs - 900e6) === 900e6;
        const isWhole = Number.isInteger(microKwh) && (microKwh ?? -1) >= 0;
        return !isNext || !isWhole || coveredSeconds < 0 || coveredSeconds > 900;
      });
      expect(wrong).toEqual([]);
    }),
    { numRuns: 100 * RUNS },
  );
});

test('a counter with faults a day or more apart never gets more than flowed, but for the unfinished kWh of each segment', () => {
  const fault = fc.record({
    atHour: fc.integer({ min: 1, max: 10 }).map((slot) => slot * 60),
    hours: fc.constantFrom(0.25, 0.5, 1, 5, 12, 32),
    kind: fc.constantFrom('zero' as const, 'spike' as const, 'dip' as const, 'restored' as const),
    kwh: fc.integer({ min: 20, max: 50_000 }),
  });
  const kinds = fc.tuple(
    fc.constantFrom(...Object.keys(LOADS)),
    fc.uniqueArray(fault, { minLength: 2, maxLength: 10, selector: ({ atHour }) => atHour }),
  );
  fc.assert(
    fc.property(kinds, ([load, faults]) => {
      const sound = soundCounter(load, 'right', 30, []);
      const flowed = (sound.at(-1)?.counterKwh ?? 0) - (sound[0]?.counterKwh ?? 0);
      const faulty = sound.map((reading) => {
        const hour = (reading.timeUs - (sound[0]?.timeUs ?? 0)) / US_PER_HOUR;
        let { counterKwh } = reading;
        for (const { atHour, hours, kind, kwh } of faults) {
          if (kind === 'restored') counterKwh -= hour >= atHour ? kwh : 0;
          else if (hour >= atHour && hour < atHour + hours) {
            counterKwh = kind === 'zero' ? 0 : counterKwh + (kind === 'spike' ? kwh : -kwh);
          }
        }
        return { ...reading, counterKwh: counterKwh + 1_000_000 };
      });
      const judged = fromScratch(faulty);
      // The ends of each segment are whole kWh: a segment may show up to one more than flowed in it.
      const segments = 1 + judged.events.filter(({ kind }) => kind === 'reset' || kind === 'jump').length;
      expect(totalKwh(judged)).toBeLessThanOrEqual(flowed + segments);
    }),
    { numRuns: 30 * RUNS },
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
        { numRuns: 2 * RUNS },
      );
    });
  }
}

function expectSame(run: Judged, readings: CounterReading[]): void {
  const { quarters, events } = fromScratch(readings);
  const different = quarters.filter((quarter, i) => JSON.stringify(quarter) !== JSON.stringify(run.quarters[i]));
  expect({ different: different.slice(0, 3), count: run.quarters.length }).toEqual({
    different: [],
    count: quarters.length,
  });
  expect(run.events).toEqual(events);
}
