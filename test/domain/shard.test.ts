import { expect, test } from 'vitest';
import { parseShard, shardName } from '../../src/domain/shard.ts';

test.each(['1/1', '1/4', '4/4', '1000/1000'])('%s is a part of the valves', (text) => {
  const shard = parseShard(text);
  expect(shard && shardName(shard)).toBe(text);
});

test.each(['', '4', '0/4', '5/4', '1/0', '1/1001', '-1/4', '1/4/2', '1.5/4', ' 1/4', 'a/b', '1e0/4'])(
  '%j is none',
  (text) => {
    expect(parseShard(text)).toBeNull();
  },
);
