import { expect, test } from 'vitest';
import { HyCloudError } from '../../src/hycloud/errors.ts';
import type { PolledValve } from '../../src/polling/report.ts';
import { createTally } from '../../src/polling/tally.ts';
import type { ValveOutcome } from '../../src/polling/valve.ts';
import { readings, valveNamed } from './builder.ts';

const SERVER_ERROR = new HyCloudError('server', 'x', 'HTTP 503', { status: 503 });

type Fate = Partial<Pick<PolledValve, 'silent'>> & { stored?: boolean[]; error?: HyCloudError | null };

/** What became of valves; `error` null: points of theirs made no sense. */
function batchOf(...fates: Fate[]): [ValveOutcome[], PolledValve[]] {
  const polled = fates.map(({ stored = [], silent = false, error }, index): PolledValve => ({
    valve: valveNamed(`valve-${index}`),
    readings: stored.flatMap((isStored) => readings('10:00').map((reading) => ({ reading, stored: isStored }))),
    newest: null,
    silent,
    failure: error === undefined ? null : (error?.message ?? 'nonsense'),
    remedy: null,
  }));
  const outcomes = polled.map(({ valve, silent, failure }, index): ValveOutcome => {
    const error = fates[index]?.error ?? null;
    return {
      valve,
      readings: [],
      newest: null,
      syncedUntilUs: null,
      unreached: null,
      silent,
      failure: failure === null ? null : { reason: failure, remedy: null, error },
    };
  });
  return [outcomes, polled];
}

test('counts over batches: what is new, unchanged, silent, failed', () => {
  const tally = createTally([{ reason: 'valve x is missing', remedy: null, error: null }]);
  tally.add(...batchOf({ stored: [true, false] }, { stored: [false] }, { stored: [true], silent: true }));
  tally.add(...batchOf({ silent: true }, { stored: [true, true], error: null }, { error: SERVER_ERROR }));
  expect(tally.result()).toMatchObject({
    outcome: 'partial',
    valves: 7,
    stored: 4,
    unchanged: 1,
    silent: 2,
    error: null,
    failures: [{ valve: null, reason: 'valve x is missing' }, { reason: 'nonsense' }, { reason: SERVER_ERROR.message }],
  });
});

test('a run without a valve is a success', () => {
  expect(createTally([]).result()).toMatchObject({ outcome: 'success', valves: 0, failures: [] });
});

test('a run of which every valve failed has failed, with the first error', () => {
  const tally = createTally([]);
  tally.add(...batchOf({ error: SERVER_ERROR }));
  tally.add(...batchOf({ error: new HyCloudError('timeout', 'y', 'no answer') }));
  expect(tally.result()).toMatchObject({ outcome: 'failed', error: SERVER_ERROR });
});

test.each<[string, Fate]>([
  ['one that was well', {}],
  ['one that gave something', { stored: [false], error: SERVER_ERROR }],
  ['one whose points made no sense', { error: null }],
])('among failures, %s makes the run a partial one', (_what, fate) => {
  const tally = createTally([]);
  tally.add(...batchOf({ error: SERVER_ERROR }));
  tally.add(...batchOf(fate));
  expect(tally.result()).toMatchObject({ outcome: 'partial', error: null });
});
