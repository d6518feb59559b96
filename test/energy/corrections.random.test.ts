/** Corrections in the database, made and undone between readings, give the kWh that judging from scratch gives. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { insertCorrection, undoCorrection } from '../../src/database/corrections.ts';
import { lockJudgement, markUnjudged } from '../../src/database/judgements.ts';
import type { Database } from '../../src/database/connection.ts';
import { US_PER_MINUTE, type Micros } from '../../src/domain/time.ts';
import { judgeOne, judgePending } from '../../src/energy/bookkeeping.ts';
import type { Correction, CounterReading } from '../../src/domain/energy.ts';
import { cases } from '../support/random.ts';
import { hasRegime2, insert, store, useDatabase } from './judged.ts';
import { kwhFromScratch, storedKwh } from './stored.ts';
import { LIMITS } from './support.ts';

const session = useDatabase();

/** Checkpoints are kept for the ends of months: short histories around one reach cases that long ones rarely do. */
const MONTH_END_US = Date.UTC(2025, 1, 1) * 1000;

const anyHistory = fc
  .tuple(
    fc.constantFrom(-4320, -1440, -600, -60, -30, -15, -7),
    fc.boolean(),
    fc.array(
      fc.record({
        minutes: fc.constantFrom(15, 15, 15, 7, 8, 22, 60, 600, 1440, 12 * 1440),
        move: fc.constantFrom(0, 0, 0, 1, 3, 5, -1, -3, -40, 40),
        powerKw: fc.constantFrom(null, 0, 10, 100),
      }),
      { minLength: 2, maxLength: 8 },
    ),
  )
  .map(([startMinutes, standsStill, steps]) => {
    let [timeUs, counterKwh] = [MONTH_END_US + startMinutes * US_PER_MINUTE, 500];
    return steps.map(({ minutes, move, powerKw }): CounterReading => {
      const reading = { timeUs, counterKwh, powerKw };
      timeUs += minutes * US_PER_MINUTE;
      if (!standsStill) counterKwh = Math.max(0, counterKwh + move);
      return reading;
    });
  });

/** At a reading, or a little before or after it, or after them all. */
const anyTime = fc.record({ reading: fc.nat(7), offsetUs: fc.constantFrom(0, 0, 1, -1, -3 * US_PER_MINUTE, 1e13) });
const anyChange = fc.oneof(
  fc.record({ kind: fc.constantFrom<'run' | 'psql'>('run', 'psql'), size: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ kind: fc.constant('exclude' as const), from: anyTime, to: anyTime }),
  fc.record({ kind: fc.constant('replaced' as const), at: anyTime }),
  fc.record({ kind: fc.constant('undo' as const), which: fc.nat(3) }),
);

const FIRST = { kind: 'run', size: 2 } as const;
const LAST = { kind: 'run', size: 8 } as const;

/** As `tasmart correct` does. */
async function correct(
  db: Database,
  valve: string,
  correction: Correction,
  change: () => Promise<void>,
): Promise<void> {
  await db.transaction(async () => {
    await lockJudgement(db, valve);
    await change();
    const unjudgedSinceUs = correction.kind === 'exclude' ? correction.fromUs : correction.atUs;
    await markUnjudged(db, [{ tasmartId: valve, unjudgedSinceUs }]);
    await judgeOne(db, valve, LIMITS);
  });
}

let runs = 0;

test('corrections around the end of a month, made and undone at any time', async () => {
  await session((db) =>
    fc.assert(
      fc.asyncProperty(anyHistory, fc.array(anyChange, { maxLength: 8 }), async (history, changes) => {
        const valve = `valve-${runs++}`; // another one also while a failure is shrunk
        const timeOf = ({ reading, offsetUs }: { reading: number; offsetUs: number }): Micros =>
          (history[reading % history.length]?.timeUs ?? 0) + offsetUs;
        let stored = 0;
        const inForce: { id: number; correction: Correction }[] = [];
        const add = (correction: Correction) =>
          correct(db, valve, correction, async () => {
            inForce.push({
              id: await insertCorrection(db, valve, correction, { note: 'n', author: 'a' }),
              correction,
            });
          });
        for (const change of [FIRST, ...changes, LAST]) {
          if ('size' in change) {
            const readings = history.slice(stored, stored + change.size);
            stored += readings.length;
            if (readings.length > 0) await (change.kind === 'run' ? store : insert)(db, { valve, readings });
          } else if (change.kind === 'replaced') {
            await add({ kind: 'replaced', atUs: timeOf(change.at) });
          } else if (change.kind === 'exclude') {
            const times = [timeOf(change.from), timeOf(change.to)];
            await add({ kind: 'exclude', fromUs: Math.min(...times), toUs: Math.max(...times) + 1 });
          } else {
            const [undone] = inForce.splice(change.which, 1);
            if (undone) {
              await correct(db, valve, undone.correction, async () => {
                await undoCorrection(db, undone.id, 'a');
              });
            }
          }
          expect(await judgePending(db, LIMITS)).toEqual([]);
          const readings = history.slice(0, stored);
          const corrections = inForce.map(({ correction }) => correction);
          expect(await storedKwh(db, valve, 1)).toEqual(kwhFromScratch(readings, LIMITS, corrections));
          expect(await storedKwh(db, valve, 2)).toEqual(
            kwhFromScratch(readings.filter(hasRegime2), LIMITS, corrections),
          );
        }
      }),
      { numRuns: cases(150) },
    ),
  );
});
