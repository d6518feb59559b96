import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { isOfShard, pickShard } from '../../src/polling/shard.ts';
import { valveNamed } from './builder.ts';

const uuid = (number: number) =>
  createHash('sha256')
    .update(String(number))
    .digest('hex')
    .slice(0, 32)
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
const VALVES = Array.from({ length: 10_000 }, (_, number) => uuid(number));

/** Which of so many shards each valve belongs to. */
function owners(count: number): number[][] {
  const shards = Array.from({ length: count }, (_, at) => ({ index: at + 1, count }));
  return VALVES.map((id) => shards.filter((shard) => isOfShard(id, shard)).map(({ index }) => index));
}

describe('shards', () => {
  test.each([1, 2, 4, 7, 32])('%i: every valve belongs to exactly one', (count) => {
    expect(owners(count).filter((indexes) => indexes.length !== 1)).toEqual([]);
  });

  test('are of about equal size', () => {
    const sizes = [1, 2, 3, 4].map((index) => VALVES.filter((id) => isOfShard(id, { index, count: 4 })).length);
    for (const size of sizes) expect(Math.abs(size - 2500)).toBeLessThan(150); // 3.5 standard deviations
  });

  test('one more takes its part from the others, and moves nothing between them', () => {
    const [four, five] = [owners(4).flat(), owners(5).flat()];
    const moved = VALVES.map((_, at) => [four[at], five[at]]).filter(([before, after]) => before !== after);
    expect(moved.filter(([, after]) => after !== 5)).toEqual([]);
    expect(Math.abs(moved.length - 2000)).toBeLessThan(150);
  });

  test('are the same for ever: a valve stays in its part from one version to the next', () => {
    const four = owners(4);
    expect(VALVES.slice(0, 12).map((_, at) => four[at]?.[0])).toEqual([1, 4, 3, 3, 4, 1, 1, 3, 2, 2, 4, 4]);
  });
});

test('a shard takes its valves of every project', () => {
  const projects = ['a', 'b'].map((id) => ({
    id,
    name: id,
    unreadable: [],
    valves: VALVES.slice(0, 40).map((valve) => valveNamed(`${id}-${valve}`)),
  }));
  const all = projects.flatMap(({ valves }) => valves);
  const parts = [1, 2].map((index) => pickShard(projects, { index, count: 2 }).flatMap(({ valves }) => valves));
  expect(parts.flat()).toHaveLength(80);
  expect(new Set(parts.flat())).toEqual(new Set(all));
  expect(pickShard(projects, null)).toBe(projects);
});
