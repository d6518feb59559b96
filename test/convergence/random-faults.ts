/** The random faults of a step, for fast-check. */
import fc from 'fast-check';
import type { DatabaseFault, History, HttpFault, Malformation, StepFault } from './history.ts';

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
/** A server that ignores parameters. It may say so or not. */
const ignoredParameters = fc.record({
  kind: fc.constant('ignore' as const),
  parameters: fc.subarray(['from' as const, 'to' as const, 'limit' as const, 'direction' as const], { minLength: 1 }),
  echo: fc.constantFrom('honest' as const, 'lying' as const),
});
const cappedLimits = fc.record({
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
const cutConnections = fc.constantFrom<HttpFault>(
  { kind: 'reset', when: 'before' },
  { kind: 'reset', when: 'midBody' },
);
const slowAnswers = fc.constantFrom<HttpFault>(
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
    { weight: 3, arbitrary: fc.tuple(where, httpTimes, ignoredParameters) },
    { weight: 5, arbitrary: fc.tuple(where, httpTimes, cappedLimits) },
    { weight: 5, arbitrary: fc.tuple(where, httpTimes, transformations) },
    { weight: 3, arbitrary: fc.tuple(where, httpTimes, cutConnections) },
    // Each of these lasts until the client's timeout.
    { weight: 1, arbitrary: fc.tuple(where, fc.record({ after: fc.nat(6), times: fc.constant(1) }), slowAnswers) },
  )
  .map(([on, times, fault]) => ({ kind: 'http', on, ...times, fault }));

const dateFaults = (wrongClockOf: History['wrongClockOf']): fc.Arbitrary<StepFault> =>
  fc
    .tuple(httpTimes, fc.constantFrom(1e6, 2e6, 3e6, 60e6, 400e6, -2e6, -60e6, -3600e6))
    .map(([times, date]) => ({ kind: 'http', on: wrongClockOf, ...times, fault: { kind: 'date', date } }));

const otherFaults: fc.Arbitrary<StepFault> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('malformed' as const),
      valve: fc.nat(2),
      agoMin: fc.oneof(fc.constant(0), fc.nat(30), fc.nat(600)),
      minutes: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 90 }), fc.integer({ min: 60, max: 1500 })),
      how: fc.constantFrom<Malformation>('text', 'fraction', 'too large', 'bad time', 'no time', 'no object'),
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
  // If no answer of HyCloud says the time, a run must trust this machine's clock. So that clock is then not ahead.
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

/**
 * A step has at most one of these. Two together may leave a run without any right time, or confirm each other: a clock that
 * is ahead, and a point from the future.
 */
function isAboutTime(fault: StepFault): boolean {
  return fault.kind === 'clock' || (fault.kind === 'http' && ['date', 'future'].includes(fault.fault.kind));
}

/** None, one or two faults of any kind, for runs in this process. */
export function anyFaults(wrongClockOf: History['wrongClockOf']): fc.Arbitrary<readonly StepFault[]> {
  const fault = fc.oneof(
    { weight: 6, arbitrary: httpFaults },
    { weight: 1, arbitrary: dateFaults(wrongClockOf) },
    { weight: 8, arbitrary: otherFaults },
  );
  const oneOrTwo = fc
    .array(fault, { minLength: 1, maxLength: 2 })
    .filter((faults) => faults.filter(isAboutTime).length <= 1);
  return fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, { weight: 3, arbitrary: oneOrTwo });
}

/** At most one fault, of those that cost no waiting, for the program as a child process. Mostly the process is killed. */
export function deadlyFaults(): fc.Arbitrary<readonly StepFault[]> {
  const at = fc.nat(9);
  const killed = fc.record({
    kind: fc.constant('process' as const),
    what: fc.constantFrom('crash' as const, 'crash' as const, 'crash' as const, 'abort' as const),
    on: fc.constantFrom('request' as const, 'statement' as const),
    at,
  });
  const terminated = fc.record({
    kind: fc.constant('database' as const),
    what: fc.constant('terminated' as const),
    at,
  });
  const quick = fc.oneof(
    statuses.filter(({ status }) => status < 408),
    transformations,
  );
  const http = fc
    .tuple(where, at, quick)
    .map(([on, after, fault]) => ({ kind: 'http' as const, on, after, times: 3, fault }));
  const fault: fc.Arbitrary<StepFault> = fc.oneof(
    { weight: 5, arbitrary: killed },
    { weight: 1, arbitrary: terminated },
    { weight: 1, arbitrary: http },
  );
  return fc.array(fault, { maxLength: 1 });
}
