/** Random histories, for fast-check. */
import fc from 'fast-check';
import { PROPERTY_NAMES } from '../../src/domain/reading.ts';
import type { History, Place, Run, Step, StepFault, ValveHistory } from './history.ts';
import { anyFaults, deadlyFaults } from './random-faults.ts';

/** How long a step waits: mostly until the next boundary, sometimes for days. */
function waits(intervalMinutes: number): fc.Arbitrary<Pick<Step, 'boundaries' | 'offsetUs'>> {
  const wait = (boundaries: fc.Arbitrary<number>, offsetUs: fc.Arbitrary<number>) =>
    fc.record({ boundaries, offsetUs });
  const secondsUs = (min: number, max: number) => fc.integer({ min: min * 1e6, max: max * 1e6 });
  const inStep = fc.oneof(fc.constantFrom(0, 1, 999_999, 1_000_000), secondsUs(0, 20));
  const boundariesOfHours = (min: number, max: number) =>
    fc.integer({ min: (min * 60) / intervalMinutes, max: (max * 60) / intervalMinutes });
  return fc.oneof(
    { weight: 8, arbitrary: wait(fc.constant(1), inStep) },
    { weight: 3, arbitrary: wait(fc.constant(1), secondsUs(-5, 0)) },
    { weight: 3, arbitrary: wait(fc.constant(1), secondsUs(30, intervalMinutes * 60)) },
    { weight: 4, arbitrary: wait(fc.constant(0), fc.oneof(fc.constant(0), secondsUs(0, 90), secondsUs(0, 900))) },
    { weight: 4, arbitrary: wait(fc.integer({ min: 2, max: 6 }), inStep) },
    { weight: 2, arbitrary: wait(boundariesOfHours(1, 12), secondsUs(-5, 60)) },
    { weight: 1, arbitrary: wait(boundariesOfHours(12, 36), secondsUs(-5, 60)) },
  );
}

const places = fc.constantFrom<Place>('first', 'first', 'second', 'both', 'none');

function valveHistories(): fc.Arbitrary<ValveHistory> {
  const atMin = fc.integer({ min: -300, max: 3000 });
  const stretch = fc.oneof(
    { weight: 3, arbitrary: fc.integer({ min: 1, max: 60 }) },
    { weight: 2, arbitrary: fc.integer({ min: 60, max: 600 }) },
    { weight: 1, arbitrary: fc.integer({ min: 600, max: 3000 }) },
  );
  return fc.record({
    everyS: fc.constantFrom(15, 15, 60, 100, 300, 420, 900),
    phaseMs: fc.constantFrom(0, 0, 1, 7000, 14_000),
    jitterMs: fc.constantFrom(0, 900),
    livesIn: fc.constantFrom<Place>('first', 'first', 'first', 'second', 'both', 'none'),
    counter: fc.constantFrom('new', 'new', 'old', 'old', 'huge'),
    outages: fc.array(fc.record({ atMin, minutes: stretch }), { maxLength: 3 }),
    resets: fc.array(fc.record({ atMin, kwh: fc.nat(99), minutes: fc.option(fc.integer({ min: 1, max: 90 })) }), {
      maxLength: 1,
    }),
    absences: fc.array(
      fc.record({
        property: fc.constantFrom(...PROPERTY_NAMES),
        as: fc.constantFrom('absent', 'null'),
        atMin,
        minutes: stretch,
      }),
      { maxLength: 2 },
    ),
    extras: fc.array(
      fc.record({
        boundary: fc.integer({ min: -2, max: 24 }),
        offsetUs: fc.constantFrom(0, 0, -1, 1, -300, 300, -1000, 1000, -400_000, 400_000, -2_000_000, 2_000_000),
        copies: fc.integer({ min: 1, max: 3 }),
        apartUs: fc.constantFrom(0, 1, 250),
      }),
      { maxLength: 4 },
    ),
  });
}

const backfillSpans = { fromHours: fc.constantFrom(1, 6, 30), hours: fc.constantFrom(1, 5, 30) };
const maybeValve = fc.oneof({ weight: 2, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: fc.nat(2) });
const runs: fc.Arbitrary<Run> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: fc.constant('poll' as const), valve: fc.constant(null) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('poll' as const), valve: maybeValve }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('two polls' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('backfill' as const), valve: maybeValve, ...backfillSpans }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('poll and backfill' as const), ...backfillSpans }) },
);

function steps(intervalMinutes: number, faults: fc.Arbitrary<readonly StepFault[]>): fc.Arbitrary<Step> {
  return fc
    .tuple(
      waits(intervalMinutes),
      fc.record({
        moves: fc.oneof(
          { weight: 4, arbitrary: fc.constant([]) },
          { weight: 1, arbitrary: fc.array(fc.record({ valve: fc.nat(2), to: places }), { maxLength: 2 }) },
        ),
        inclusive: fc.record({ from: fc.boolean(), to: fc.boolean() }),
        timeFormat: fc.constantFrom('micros' as const, 'short' as const, 'nanos' as const),
        faults,
        run: runs,
      }),
    )
    .map(([wait, rest]) => ({ ...wait, ...rest }));
}

function histories(
  faultsOf: (wrongClockOf: History['wrongClockOf']) => fc.Arbitrary<readonly StepFault[]>,
  maxSteps: number,
): fc.Arbitrary<History> {
  return fc
    .tuple(
      fc.constantFrom(5 as const, 15 as const, 60 as const),
      fc.constantFrom('projects' as const, 'points' as const),
    )
    .chain(([intervalMinutes, wrongClockOf]) =>
      fc.record({
        seed: fc.nat(9999),
        intervalMinutes: fc.constant(intervalMinutes),
        properties: fc.constantFrom('four' as const, 'four' as const, 'some' as const, 'all' as const),
        catchUpHours: fc.constantFrom(720, 720, 720, 24, 6),
        initialHistoryHours: fc.constantFrom(0, 0, 0, 1.5, 12, 30),
        requestsPerSecond: fc.constantFrom(1, 20, 1000),
        maxConcurrency: fc.constantFrom(1, 2, 8),
        deadlineSeconds: fc.constantFrom(600, 600, 20),
        targets: fc.constantFrom('both' as const, 'both' as const, 'first' as const, 'by name' as const),
        wrongClockOf: fc.constant(wrongClockOf),
        valves: fc.array(valveHistories(), { minLength: 1, maxLength: 3 }),
        steps: fc.array(steps(intervalMinutes, faultsOf(wrongClockOf)), {
          minLength: 1,
          maxLength: maxSteps,
          size: 'max',
        }),
      }),
    );
}

/** Histories with faults of every kind, for runs in this process. */
export function faultyHistories(): fc.Arbitrary<History> {
  return histories(anyFaults, 9);
}

/** Short histories in which the program is mostly killed, for the program as a child process. */
export function deadlyHistories(): fc.Arbitrary<History> {
  return histories(deadlyFaults, 4);
}
