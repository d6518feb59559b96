import { expect, test } from 'vitest';
import type { Reading } from '../../src/domain/reading.ts';
import { HyCloudError } from '../../src/hycloud/errors.ts';
import { createReport, type PolledValve } from '../../src/polling/report.ts';
import { at, readings, valveNamed } from './builder.ts';

const SERVER_ERROR = new HyCloudError('server', 'x', 'HTTP 503', { status: 503 });

interface Result extends Partial<Pick<PolledValve, 'silent' | 'skipped'>> {
  /** per reading: whether it was new */
  stored?: boolean[];
  /** null: malformed points */
  error?: HyCloudError | null;
}

function batchOf(...results: Result[]): PolledValve[] {
  return results.map(({ stored = [], silent = false, skipped = null, error }, index) => {
    const read = stored.flatMap(() => readings('10:00'));
    return {
      valve: valveNamed(`valve-${index}`),
      readings: read,
      stored: new Set<Reading>(read.filter((_, place) => stored[place])),
      newest: null,
      syncedUntilUs: null,
      skipped,
      silent,
      failure: error === undefined ? null : { reason: error?.message ?? 'nonsense', remedy: null, error },
    };
  });
}

test('counts over batches: what is new, unchanged, silent, failed', () => {
  const report = createReport(at('10:15'), [{ reason: 'valve x is missing', remedy: null, error: null }]);
  report.add(batchOf({ stored: [true, false] }, { stored: [false] }, { stored: [true], silent: true }));
  report.add(batchOf({ silent: true }, { stored: [true, true], error: null }, { error: SERVER_ERROR }));
  expect(report.result()).toMatchObject({
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
  expect(createReport(at('10:15'), []).result()).toMatchObject({ outcome: 'success', valves: 0, failures: [] });
});

test('a run of which every valve failed has failed, with the first error', () => {
  const report = createReport(at('10:15'), []);
  report.add(batchOf({ error: SERVER_ERROR }));
  report.add(batchOf({ error: new HyCloudError('timeout', 'y', 'no answer') }));
  expect(report.result()).toMatchObject({ outcome: 'failed', error: SERVER_ERROR });
});

test.each<[string, Result]>([
  ['one that was well', {}],
  ['one that gave something', { stored: [false], error: SERVER_ERROR }],
  ['one whose points made no sense', { error: null }],
])('among failures, %s makes the run a partial one', (_what, result) => {
  const report = createReport(at('10:15'), []);
  report.add(batchOf({ error: SERVER_ERROR }));
  report.add(batchOf(result));
  expect(report.result()).toMatchObject({ outcome: 'partial', error: null });
});

test('what catch_up_days skipped is added up to one span', () => {
  const report = createReport(at('10:15'), []);
  report.add(batchOf({ skipped: { fromUs: at('02:00'), toUs: at('05:00') } }, {}));
  report.add(batchOf({ skipped: { fromUs: at('03:00'), toUs: at('06:00') } }));
  expect(report.result().skipped).toEqual({ valves: 2, span: { fromUs: at('02:00'), toUs: at('06:00') } });
});
