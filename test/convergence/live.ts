/** Plays a history: runs its steps, and checks the database after each. */
import { deepStrictEqual } from 'node:assert';
import { withConnection } from '../../src/database/connection.ts';
import { loadMeteredValves } from '../../src/database/consumption.ts';
import { loadCounterReadings } from '../../src/database/counter-readings.ts';
import { loadLimits } from '../../src/database/judgements.ts';
import { judgePending } from '../../src/energy/bookkeeping.ts';
import { REGIMES } from '../../src/energy/types.ts';
import { kwhFromScratch, storedKwh } from '../energy/stored.ts';
import { Broken, createChronicle } from './chronicle.ts';
import type { History, Run, StepFault } from './history.ts';
import type { Perform } from './runs.ts';
import type { Stage } from './stage.ts';
import { createWorld, enter, misbehave, type World } from './world.ts';

/** Counts the faults and endings of all histories of a test. */
export interface Tally {
  add: (kind: string, by?: number) => void;
  print: () => void;
}

export function createTally(): Tally {
  const counts = new Map<string, number>();
  return {
    add: (kind, by = 1) => counts.set(kind, (counts.get(kind) ?? 0) + by),
    print() {
      const lines = [...counts].sort().map(([kind, count]) => `${String(count).padStart(7)}  ${kind}`);
      process.stderr.write(`${lines.join('\n')}\n`);
    },
  };
}

/**
 * Plays the steps of a history, and then a run without faults. Checks the database after each.
 *
 * @throws Broken
 */
export async function live(stage: Stage, history: History, perform: Perform, tally: Tally): Promise<void> {
  await stage.clear();
  const world = await createWorld(history);
  const { clock, faults } = world.hycloud;
  const chronicle = createChronicle(world, stage.admin);
  const performAndCount = async (run: Run, troubles: readonly StepFault[]) => {
    const results = await perform(world, stage, run, troubles, tally.add);
    for (const { mode, ending } of results) tally.add(`run: ${mode}, ${ending}`);
    return results;
  };
  try {
    let lasting: { left: number; fault: StepFault }[] = [];
    for (const step of history.steps) {
      enter(world, step);
      lasting = [
        ...lasting.map(({ left, fault }) => ({ left: left - 1, fault })).filter(({ left }) => left >= 0),
        ...step.faults.map((fault) => ({ left: fault.kind === 'malformed' ? fault.steps : 0, fault })),
      ];
      const troubles = lasting.map(({ fault }) => fault);
      for (const trouble of troubles) misbehave(world, trouble, tally.add);
      const beganUs = clock.now();
      await performAndCount(step.run, troubles);
      await chronicle.afterStep(step.run, beganUs, troubles);
      faults.clear();
    }
    const healthy: Run = { kind: 'poll', valve: null };
    const beganUs = clock.now();
    const [last] = await performAndCount(healthy, []);
    if (last?.ending !== 'success') throw new Broken(`the healthy run ended in ${last?.ending ?? 'nothing'}`);
    await chronicle.afterStep(healthy, beganUs, []);
    await chronicle.atTheEnd(beganUs);
    await compareKwh(stage, world);
    tally.add('histories');
    tally.add('steps', history.steps.length);
    tally.add('rows', chronicle.rows());
  } finally {
    await world.close();
  }
}

/** Checks that the stored kWh equal those that the judge makes of all stored readings from scratch. */
async function compareKwh(stage: Stage, { intervalUs }: World): Promise<void> {
  const session = { applicationName: 'tasmart convergence', giveUp: new AbortController().signal };
  await withConnection(stage.settings, session, async (database) => {
    const limits = await loadLimits(database, { intervalUs, maxPowerKw: 1500 });
    deepStrictEqual(await judgePending(database, limits), []);
    const spans = (await loadMeteredValves(database)).map(({ id }) => ({
      tasmartId: id,
      fromUs: -Infinity,
      beforeUs: Infinity,
    }));
    for (const [id, readings] of await loadCounterReadings(database, spans)) {
      for (const regime of REGIMES) {
        const counted = readings.flatMap(({ timeUs, powerKw, counters }) => {
          const counterKwh = counters[regime];
          return counterKwh === null ? [] : [{ timeUs, powerKw, counterKwh }];
        });
        deepStrictEqual(await storedKwh(database, id, regime), kwhFromScratch(counted, limits));
      }
    }
  });
}
