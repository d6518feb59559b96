import { describe, expect, test } from 'vitest';
import { configOf, envProblems } from './builder.ts';

describe('the part of the valves that the environment gives', () => {
  test.each([
    [{}, null],
    [{ TASMART_SHARDS: '', JOB_COMPLETION_INDEX: '' }, null],
    [
      { JOB_COMPLETION_INDEX: '0', TASMART_SHARDS: '4' },
      { index: 1, count: 4 },
    ],
    [
      { JOB_COMPLETION_INDEX: '3', TASMART_SHARDS: '4' },
      { index: 4, count: 4 },
    ],
    [
      { AWS_BATCH_JOB_ARRAY_INDEX: '0', AWS_BATCH_JOB_ARRAY_SIZE: '2' },
      { index: 1, count: 2 },
    ],
    [
      { AWS_BATCH_JOB_ARRAY_INDEX: '1', AWS_BATCH_JOB_ARRAY_SIZE: '2' },
      { index: 2, count: 2 },
    ],
  ])('%j', (env, shard) => {
    expect(configOf({}, env).shard).toEqual(shard);
  });

  const range = (index: string, count: string) =>
    `must be a number below TASMART_SHARDS, which must be at most 1000 (they are "${index}" and "${count}")`;
  test.each([
    [
      { TASMART_SHARDS: '4' },
      'TASMART_SHARDS is set, but not which of them this is: JOB_COMPLETION_INDEX, or --shard 1/4',
    ],
    [
      { JOB_COMPLETION_INDEX: '0' },
      'TASMART_SHARDS is not set, but JOB_COMPLETION_INDEX is: how many jobs share the valves?',
    ],
    [{ JOB_COMPLETION_INDEX: '4', TASMART_SHARDS: '4' }, `JOB_COMPLETION_INDEX ${range('4', '4')}`],
    [{ JOB_COMPLETION_INDEX: '-1', TASMART_SHARDS: '4' }, `JOB_COMPLETION_INDEX ${range('-1', '4')}`],
    [{ JOB_COMPLETION_INDEX: '0', TASMART_SHARDS: 'four' }, `JOB_COMPLETION_INDEX ${range('0', 'four')}`],
    [{ JOB_COMPLETION_INDEX: '0', TASMART_SHARDS: '1001' }, `JOB_COMPLETION_INDEX ${range('0', '1001')}`],
    [
      { AWS_BATCH_JOB_ARRAY_INDEX: '2' },
      'AWS_BATCH_JOB_ARRAY_SIZE is not set, but AWS_BATCH_JOB_ARRAY_INDEX is: how many jobs share the valves?',
    ],
  ])('%j is refused', (env, problem) => {
    expect(envProblems(env)).toEqual([problem]);
  });
});
