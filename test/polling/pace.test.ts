import { describe, expect, test } from 'vitest';
import { findOverload, shardPace, type PaceSettings } from '../../src/polling/pace.ts';

const MINUTE_US = 60_000_000;

function settings(more: Partial<PaceSettings> = {}): PaceSettings {
  return { requestsPerSecond: 20, shard: null, intervalUs: 15 * MINUTE_US, runDeadlineSeconds: 600, ...more };
}

describe('the pace of a shard', () => {
  test.each([
    [20, null, 20],
    [0.5, null, 0.5],
    [20, 4, 5],
    [20, 3, 6],
    [4, 4, 1],
    [5.5, 2, 2],
  ])('%d a second among %j shards: %d', (requestsPerSecond, count, pace) => {
    expect(shardPace(requestsPerSecond, count === null ? null : { index: 1, count })).toBe(pace);
  });

  test('cannot be kept where there are more shards than requests', () => {
    expect(() => shardPace(3, { index: 1, count: 4 })).toThrow(
      'requests_per_second (3) is less than one for each shard',
    );
  });
});

describe('valves that do not fit', () => {
  test.each([
    ['as many as there is time for', 12_000, settings(), null],
    [
      'a run that ends before the interval does',
      12_001,
      settings(),
      'set requests_per_second to 21 or more, if HyCloud allows it, or run_deadline_seconds to more than 601 (below the interval)',
    ],
    [
      'more than an interval',
      30_000,
      settings({ runDeadlineSeconds: 3000 }),
      'set requests_per_second to 34 or more, if HyCloud allows it',
    ],
    [
      'an hour at one a minute',
      100,
      settings({ requestsPerSecond: 1 / 60, intervalUs: 60 * MINUTE_US, runDeadlineSeconds: 5000 }),
      'set requests_per_second to 1 or more, if HyCloud allows it',
    ],
    [
      'a shard',
      4000,
      settings({ shard: { index: 2, count: 4 } }),
      'set requests_per_second to 28 or more, if HyCloud allows it, or run_deadline_seconds to more than 800 (below the interval)',
    ],
  ])('%s', (_what, valves, given, remedy) => {
    expect(findOverload(valves, given)?.remedy ?? null).toBe(remedy);
  });

  test('say how long they take, and how long there is', () => {
    expect(findOverload(30_000, settings())).toMatchObject({ seconds: 1500, availableSeconds: 600 });
  });
});
