/** Readings that arrive in any order, through the program or another, give the kWh that judging from scratch gives. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { US_PER_MINUTE } from '../../src/domain/time.ts';
import { judgePending } from '../../src/energy/bookkeeping.ts';
import { cases } from '../support/random.ts';
import { hasRegime2, insert, store, useDatabase } from './judged.ts';
import { kwhFromScratch, storedKwh } from './stored.ts';
import { anyReadings, LIMITS } from './support.ts';

const session = useDatabase();

const anyParts = fc.array(
  fc.record({ size: fc.integer({ min: 1, max: 60 }), late: fc.boolean(), by: fc.constantFrom('run', 'psql') }),
  { minLength: 1, maxLength: 8 },
);

test('readings in any parts and order, some of them inserted by another program, are judged as from scratch', async () => {
  await session((db) =>
    fc.assert(
      fc.asyncProperty(
        anyReadings,
        anyParts,
        fc.uuid(),
        fc.integer({ min: 0, max: 1439 }),
        async (history, parts, valve, minute) => {
          const readings = history.map((reading) => ({ ...reading, timeUs: reading.timeUs + minute * US_PER_MINUTE }));
          const batches = [];
          for (let i = 0, k = 0; i < readings.length; k++) {
            const part = parts[k % parts.length] ?? { size: 60, late: false, by: 'run' };
            batches.push({ ...part, readings: readings.slice(i, i + part.size) });
            i += part.size;
          }
          const inOrder = [...batches.filter(({ late }) => !late), ...batches.filter(({ late }) => late)];
          for (const { by, readings } of inOrder) {
            if (by === 'run') await store(db, { valve, readings });
            else await insert(db, { valve, readings });
          }
          expect(await judgePending(db, LIMITS)).toEqual([]);
          expect(await storedKwh(db, valve, 1)).toEqual(kwhFromScratch(readings));
          expect(await storedKwh(db, valve, 2)).toEqual(kwhFromScratch(readings.filter(hasRegime2)));
          expect(await db.query('select from tasmart_unjudged')).toEqual([]);
        },
      ),
      { numRuns: cases(100) },
    ),
  );
});
