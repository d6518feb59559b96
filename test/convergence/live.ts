/** Acts out a history: the steps in order, then a healthy run. */
import { deepStrictEqual } from 'node:assert';
import { withConnection } from '../../src/database/connection.ts';
import { loadMeteredValves } from '../../src/database/consumption.ts';
import { loadCounterReadings } from '../../src/database/counter-readings.ts';
import { loadLimits } from '../../src/database/judgements.ts';
import { judgePending } from '../../src/energy/bookkeeping.ts';
import { REGIMES } from '../../src/domain/energy.ts';
import { kwhFromScratch, storedKwh } from '../energy/stored.ts';
import { Broken, createChronicle } from './chronicle.ts';
import type { History, Run, Step, StepFault } from './history.ts';
import type { Perform } from './runs.ts';
import type { Stage } from './stage.ts';
import { addHyCloudFault, beginStep, createWorld, type World } from './world.ts';

/** Counts what happened in all histories of a test. */
export interface Summary {
  add: (kind: string, by?: number) => void;
  print: () => void;
}

export function createSummary(): Summary {
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
 * Acts out a history, and ends with a healthy run. Compares the database with what HyCloud has after each run.
 *
 * @throws Broken
 */
export async function actOut(stage: Stage, history: History, perform: Perform, summary: Summary): Promise<void> {
  await stage.clear();
  const world = await createWorld(history);
  const { clock, faults } = world.hycloud;
  const chronicle = createChronicle(world, stage.admin);
  const performAndCheck = async (run: Run, runFaults: readonly StepFault[]) => {
    const beganUs = clock.now();
    const results = await perform(world, stage, run, runFaults, summary.add);
    for (const { mode, ending } of results) summary.add(`run: ${mode}, ${ending}`);
    await chronicle.afterStep(run, beganUs, runFaults);
    return { beganUs, results };
  };
  try {
    for (const [index, step] of history.steps.entries()) {
      beginStep(world, step);
      const stepFaults = faultsDuring(history.steps, index);
      for (const fault of stepFaults) addHyCloudFault(world, fault, summary.add);
      await performAndCheck(step.run, stepFaults);
      faults.clear();
    }
    const { beganUs, results } = await performAndCheck({ kind: 'poll', valve: null }, []);
    const ending = results[0]?.ending ?? 'nothing';
    if (ending !== 'success') throw new Broken(`the healthy run ended in ${ending}`);
    await chronicle.atTheEnd(beganUs);
    await compareKwh(stage, world);
    summary.add('histories');
    summary.add('steps', history.steps.length);
    summary.add('rows', chronicle.rows());
  } finally {
    await world.close();
  }
}

/** The faults of a step, and those of earlier steps that last until then. */
function faultsDuring(steps: readonly Step[], index: number): StepFault[] {
  return steps
    .slice(0, index + 1)
    .flatMap(({ faults }, begin) =>
      faults.filter((fault) => begin === index || (fault.kind === 'malformed' && begin + fault.steps >= index)),
    );
}

/** The stored kWh must be those that the stored readings give from scratch. @throws AssertionError */
async function compareKwh(stage: Stage, { intervalUs }: World): Promise<void> {
  const session = { applicationName: 'tasmart convergence', giveUp: new AbortController().signal };
  await withConnection(stage.settings, session, async (database) => {
    const limits = await loadLimits(database, { intervalUs, maxPowerKw: 1500 });
    deepStrictEqual(await judgePending(database, limits), []);
    const valves = await loadMeteredValves(database);
    const spans = valves.map(({ id }) => ({ tasmartId: id, fromUs: -Infinity, beforeUs: Infinity }));
    for (const [id, readings] of await loadCounterReadings(database, spans)) {
      for (const regime of REGIMES) {
        const counterReadings = readings.flatMap(({ timeUs, powerKw, counters }) => {
          const counterKwh = counters[regime];
          return counterKwh === null ? [] : [{ timeUs, powerKw, counterKwh }];
        });
        deepStrictEqual(await storedKwh(database, id, regime), kwhFromScratch(counterReadings, limits));
      }
    }
  });
}
