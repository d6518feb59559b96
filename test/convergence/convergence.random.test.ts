import fc from 'fast-check';
import { afterAll, describe, test } from 'vitest';
import { cases, isRepeating, SEED } from '../support/random.ts';
import type { History, Step, ValveHistory } from './history.ts';
import { actOut, createSummary } from './live.ts';
import { faultyHistories } from './random-histories.ts';
import { performHere } from './runs.ts';
import { createStage } from './stage.ts';

/** Histories that go on side by side: most of their time is waiting. */
const LANES = isRepeating ? [0] : [0, 1, 2];

const summary = createSummary();

afterAll(summary.print);

describe.concurrent('whatever fails, the next good run leaves the table as if nothing had failed', () => {
  test.for(LANES)('lane %i', { timeout: 1_200_000 }, async (lane) => {
    const stage = await createStage();
    const property = fc.asyncProperty(faultyHistories(), (history) => actOut(stage, history, performHere, summary));
    await fc.assert(property, { seed: SEED + lane, numRuns: cases(50) });
    await stage.close();
  });
});

const VALVE: ValveHistory = {
  everyS: 15,
  phaseMs: 0,
  jitterMs: 0,
  livesIn: 'first',
  counter: 'new',
  outages: [],
  resets: [],
  absences: [],
  extras: [],
};
const STEP: Step = {
  boundaries: 0,
  offsetUs: 0,
  moves: [],
  inclusive: { from: true, to: true },
  timeFormat: 'micros',
  faults: [],
  run: { kind: 'poll', valve: null },
};
const HISTORY: History = {
  seed: 0,
  intervalMinutes: 15,
  properties: 'four',
  catchUpHours: 720,
  initialHistoryHours: 0,
  requestsPerSecond: 1,
  maxConcurrency: 1,
  deadlineSeconds: 600,
  targets: 'both',
  wrongClockOf: 'projects',
  valves: [VALVE],
  steps: [STEP],
};

/** What the property has found, each as small as it gets. */
describe('it was wrong once', () => {
  const cases: Record<string, History> = {
    // The servers that list the projects are ahead: the boundary that they think has passed passes between the request
    // for its reading and the one for the newest point.
    'a boundary passes in the middle of a run': {
      ...HISTORY,
      valves: [{ ...VALVE, everyS: 300, phaseMs: 299_500 }],
      steps: [
        STEP,
        {
          ...STEP,
          boundaries: 1,
          offsetUs: -2_800_000,
          faults: [{ kind: 'http', on: 'projects', after: 0, times: 9, fault: { kind: 'date', date: 2_000_000 } }],
        },
      ],
    },
    'a backfill up to a boundary that has not passed': {
      ...HISTORY,
      steps: [
        {
          ...STEP,
          boundaries: 1,
          offsetUs: -20_000_000,
          faults: [{ kind: 'http', on: 'projects', after: 0, times: 9, fault: { kind: 'date', date: 60_000_000 } }],
          run: { kind: 'backfill', valve: null, fromHours: 1, hours: 5 },
        },
      ],
    },
  };
  test.for(Object.keys(cases))('%s', async (name) => {
    const stage = await createStage();
    await actOut(stage, cases[name] ?? HISTORY, performHere, summary);
    await stage.close();
  });
});
