/** Random histories: the valves, what fails, and which runs take place. */
import fc from 'fast-check';
import type { Fault } from '../../scripts/simulator/faults.ts';
import type { PropertyName } from '../../src/domain/reading.ts';
import { PROPERTY_NAMES } from '../../src/domain/reading.ts';

/**
 * A history as plain data, so that what fast-check prints of a failure can be pasted into a test.
 * Minutes count from the START of world.ts.
 */
export interface History {
  /** for the random values of the valves */
  seed: number;
  intervalMinutes: 5 | 15 | 60;
  properties: 'four' | 'some' | 'all';
  catchUpHours: number;
  initialHistoryHours: number;
  requestsPerSecond: number;
  maxConcurrency: number;
  deadlineSeconds: number;
  targets: 'both' | 'first' | 'by name';
  /** whose answers have the wrong clock in `date` faults */
  aheadIs: 'projects' | 'points';
  valves: readonly ValveHistory[];
  steps: readonly Step[];
}

export interface ValveHistory {
  /** seconds between points; 15 in a real valve; more makes the test faster */
  everyS: number;
  /** offset of the points from the grid of `everyS`; 0 without jitter: points lie on boundaries */
  phaseMs: number;
  jitterMs: number;
  livesIn: Place;
  /** the counter when the valve is installed; `huge` approaches 2^53, above which a double is inexact */
  counter: 'new' | 'old' | 'huge';
  outages: readonly { atMin: number; minutes: number }[];
  /** `minutes` null: the counter never comes back */
  resets: readonly { atMin: number; kwh: number; minutes: number | null }[];
  absences: readonly { property: PropertyName; as: 'absent' | 'null'; atMin: number; minutes: number }[];
  extras: readonly { boundary: number; offsetUs: number; copies: number; apartUs: number }[];
}

/** The project or projects that list a valve. */
export type Place = 'first' | 'second' | 'both' | 'none';

export interface Step {
  /** the run takes place `offsetUs` after this many boundaries from the last run; 0: after the last run itself */
  boundaries: number;
  /** may be negative */
  offsetUs: number;
  moves: readonly { valve: number; to: Place }[];
  inclusive: { from: boolean; to: boolean };
  timeFormat: 'micros' | 'short' | 'nanos';
  faults: readonly StepFault[];
  run: Run;
}

export type Run =
  | { kind: 'poll'; valve: number | null }
  | { kind: 'backfill'; valve: number | null; fromHours: number; hours: number }
  | { kind: 'two polls' }
  | { kind: 'poll and backfill'; fromHours: number; hours: number };

export type StepFault =
  | { kind: 'http'; on: 'projects' | 'points' | 'all' | number; after: number; times: number; fault: HttpFault }
  /** points of a stretch are malformed, in this step and in `steps` more */
  | { kind: 'malformed'; valve: number; agoMin: number; minutes: number; how: Nonsense; steps: number }
  | { kind: 'database'; what: DatabaseFault; at: number }
  | { kind: 'process'; what: 'abort' | 'crash'; on: 'request' | 'statement'; at: number }
  /** our clock is wrong, and some or all of HyCloud's answers have no Date */
  | { kind: 'clock'; aheadMin: number; dateless: 'projects' | 'points' | 'all' };

type HttpFault = Exclude<Fault, { kind: 'transform' }>;

export type DatabaseFault =
  | 'terminated'
  /** the statement is executed, but the session is lost before its result arrives */
  | 'answer lost'
  | 'read-only'
  | 'locked'
  | 'full: readings'
  | 'full: valves';

export type Nonsense = 'text' | 'fraction' | 'too large' | 'bad time' | 'no time' | 'no object';

/** The time to wait before a run, mostly until the next boundary, at most days. */
function waits(intervalMinutes: number): fc.Arbitrary<Pick<Step, 'boundaries' | 'offsetUs'>> {
  const wait = (boundaries: fc.Arbitrary<number>, offsetUs: fc.Arbitrary<number>) =>
    fc.record({ boundaries, offsetUs });
  const seconds = (min: number, max: number) => fc.integer({ min: min * 1e6, max: max * 1e6 });
  const inStep = fc.oneof(fc.constantFrom(0, 1, 999_999, 1_000_000), seconds(0, 20));
  const hours = (min: number, max: number) =>
    fc.integer({ min: (min * 60) / intervalMinutes, max: (max * 60) / intervalMinutes });
  return fc.oneof(
    { weight: 8, arbitrary: wait(fc.constant(1), inStep) },
    { weight: 3, arbitrary: wait(fc.constant(1), seconds(-5, 0)) },
    { weight: 3, arbitrary: wait(fc.constant(1), seconds(30, intervalMinutes * 60)) },
    { weight: 4, arbitrary: wait(fc.constant(0), fc.oneof(fc.constant(0), seconds(0, 90), seconds(0, 900))) },
    { weight: 4, arbitrary: wait(fc.integer({ min: 2, max: 6 }), inStep) },
    { weight: 2, arbitrary: wait(hours(1, 12), seconds(-5, 60)) },
    { weight: 1, arbitrary: wait(hours(12, 36), seconds(-5, 60)) },
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

const statuses = fc.record({
  kind: fc.constant('status' as const),
  status: fc.constantFrom(400, 401, 403, 404, 408, 425, 429, 500, 502, 503, 504),
  body: fc.constantFrom('problem' as const, 'html' as const, 'empty' as const),
});
const rateLimits = fc.record({
  kind: fc.constant('status' as const),
  status: fc.constantFrom(429, 503),
  headers: fc.record({
    'retry-after': fc.constantFrom(
      '0',
      '1',
      '40',
      '700',
      '86400',
      'soon',
      'Sun, 01 Mar 2026 10:30:00 GMT',
      'Sat, 01 Jan 2099 00:00:00 GMT',
    ),
  }),
});
const bodies = fc.record({
  kind: fc.constant('body' as const),
  text: fc.constantFrom(
    '',
    'null',
    '[]',
    '{}',
    '7',
    '"text"',
    '<html></html>',
    '{"points":null}',
    '{"points":{}}',
    '{"points":[',
  ),
});
/** HyCloud ignores parameters. `honest`: the answer names the values that it has used. */
const ignorance = fc.record({
  kind: fc.constant('ignore' as const),
  parameters: fc.subarray(['from' as const, 'to' as const, 'limit' as const, 'direction' as const], { minLength: 1 }),
  echo: fc.constantFrom('honest' as const, 'lying' as const),
});
const caps = fc.record({
  kind: fc.constant('capLimit' as const),
  limit: fc.constantFrom(50, 100, 240, 1999),
  echo: fc.constant('honest' as const),
});
const transformations = fc.constantFrom<HttpFault>(
  { kind: 'shuffle' },
  { kind: 'double' },
  { kind: 'numbersAsStrings' },
  { kind: 'truncate' },
  { kind: 'future', aheadUs: 30e6 },
  { kind: 'future', aheadUs: 240e6 },
  { kind: 'future', aheadUs: 3600e6 },
  { kind: 'redirect', location: 'https://example.com/' },
);
const connections = fc.constantFrom<HttpFault>({ kind: 'reset', when: 'before' }, { kind: 'reset', when: 'midBody' });
const slow = fc.constantFrom<HttpFault>(
  { kind: 'silence' },
  { kind: 'drip', everyMs: 20 },
  { kind: 'endless' },
  { kind: 'gzipBomb', megabytes: 20 },
);

const httpTimes = fc.record({
  after: fc.oneof(fc.constant(0), fc.nat(6)),
  times: fc.constantFrom(1, 2, 5, 6, 20, 1000),
});
const where = fc.oneof(
  fc.constantFrom('projects' as const, 'points' as const, 'points' as const, 'all' as const),
  fc.nat(2),
);

const httpFaults: fc.Arbitrary<StepFault> = fc
  .oneof(
    { weight: 4, arbitrary: fc.tuple(where, httpTimes, statuses) },
    { weight: 3, arbitrary: fc.tuple(where, httpTimes, rateLimits) },
    { weight: 2, arbitrary: fc.tuple(where, httpTimes, bodies) },
    { weight: 3, arbitrary: fc.tuple(where, httpTimes, ignorance) },
    { weight: 5, arbitrary: fc.tuple(where, httpTimes, caps) },
    { weight: 5, arbitrary: fc.tuple(where, httpTimes, transformations) },
    { weight: 3, arbitrary: fc.tuple(where, httpTimes, connections) },
    // Each of these takes a whole request timeout.
    { weight: 1, arbitrary: fc.tuple(where, fc.record({ after: fc.nat(6), times: fc.constant(1) }), slow) },
  )
  .map(([on, times, fault]) => ({ kind: 'http', on, ...times, fault }));

const dateFaults = (aheadIs: History['aheadIs']): fc.Arbitrary<StepFault> =>
  fc
    .tuple(httpTimes, fc.constantFrom(1e6, 2e6, 3e6, 60e6, 400e6, -2e6, -60e6, -3600e6))
    .map(([times, date]) => ({ kind: 'http', on: aheadIs, ...times, fault: { kind: 'date', date } }));

const otherFaults: fc.Arbitrary<StepFault> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('malformed' as const),
      valve: fc.nat(2),
      agoMin: fc.oneof(fc.constant(0), fc.nat(30), fc.nat(600)),
      minutes: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 90 }), fc.integer({ min: 60, max: 1500 })),
      how: fc.constantFrom<Nonsense>('text', 'fraction', 'too large', 'bad time', 'no time', 'no object'),
      steps: fc.nat(3),
    }),
  },
  {
    weight: 9,
    arbitrary: fc.record({
      kind: fc.constant('database' as const),
      what: fc.constantFrom<DatabaseFault>(
        'terminated',
        'terminated',
        'answer lost',
        'answer lost',
        'read-only',
        'locked',
        'full: readings',
        'full: readings',
        'full: readings',
        'full: valves',
      ),
      at: fc.nat(20),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('process' as const),
      what: fc.constantFrom('abort' as const, 'crash' as const),
      on: fc.constantFrom('request' as const, 'statement' as const),
      at: fc.nat(20),
    }),
  },
  // Without any Date from HyCloud, the run goes by our own clock. A clock that is ahead would then be believed.
  {
    weight: 1,
    arbitrary: fc.oneof(
      fc.record({
        kind: fc.constant('clock' as const),
        aheadMin: fc.constantFrom(-60, 0, 60),
        dateless: fc.constantFrom('projects' as const, 'points' as const),
      }),
      fc.record({
        kind: fc.constant('clock' as const),
        aheadMin: fc.constantFrom(-60, 0),
        dateless: fc.constant('all' as const),
      }),
    ),
  },
);

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
  faultsOf: (aheadIs: History['aheadIs']) => fc.Arbitrary<readonly StepFault[]>,
  maxSteps: number,
): fc.Arbitrary<History> {
  return fc
    .tuple(
      fc.constantFrom(5 as const, 15 as const, 60 as const),
      fc.constantFrom('projects' as const, 'points' as const),
    )
    .chain(([intervalMinutes, aheadIs]) =>
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
        aheadIs: fc.constant(aheadIs),
        valves: fc.array(valveHistories(), { minLength: 1, maxLength: 3 }),
        steps: fc.array(steps(intervalMinutes, faultsOf(aheadIs)), { minLength: 1, maxLength: maxSteps, size: 'max' }),
      }),
    );
}

/**
 * Whether a fault makes the time uncertain. A step has at most one such fault: two could leave no right clock, or confirm
 * each other, such as a clock that is ahead and a point from the future.
 */
function isAboutTime(fault: StepFault): boolean {
  return fault.kind === 'clock' || (fault.kind === 'http' && ['date', 'future'].includes(fault.fault.kind));
}

/** Histories with faults of every kind, for runs in this process. */
export function faultyHistories(): fc.Arbitrary<History> {
  return histories(
    (aheadIs) =>
      fc.oneof(
        { weight: 2, arbitrary: fc.constant([]) },
        {
          weight: 3,
          arbitrary: fc
            .array(
              fc.oneof(
                { weight: 6, arbitrary: httpFaults },
                { weight: 1, arbitrary: dateFaults(aheadIs) },
                { weight: 8, arbitrary: otherFaults },
              ),
              { minLength: 1, maxLength: 2 },
            )
            .filter((faults) => faults.filter(isAboutTime).length <= 1),
        },
      ),
    9,
  );
}

/** Short histories for the built program, which is mostly killed. Their faults do not make a run wait. */
export function deadlyHistories(): fc.Arbitrary<History> {
  const at = fc.nat(9);
  const faults: fc.Arbitrary<StepFault> = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant('process' as const),
        what: fc.constantFrom('crash' as const, 'crash' as const, 'crash' as const, 'abort' as const),
        on: fc.constantFrom('request' as const, 'statement' as const),
        at,
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('database' as const), what: fc.constant('terminated' as const), at }),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(
          where,
          at,
          fc.oneof(
            statuses.filter(({ status }) => status < 408),
            transformations,
          ),
        )
        .map(([on, after, fault]) => ({ kind: 'http' as const, on, after, times: 3, fault })),
    },
  );
  return histories(() => fc.array(faults, { maxLength: 1 }), 4);
}
