/** Reads from the environment which part of the valves this process polls. */
import { MAX_SHARDS, toShard, type Shard } from '../domain/shard.ts';
import type { Problem } from './config.ts';
import { readVariable, type Environment } from './environment.ts';

/**
 * The variables with the number of this job (from 0) and the number of jobs. Kubernetes sets no variable for a job's
 * `completions`, so the user sets TASMART_SHARDS.
 *
 * @see https://kubernetes.io/docs/concepts/workloads/controllers/job/#completion-mode
 * @see https://docs.aws.amazon.com/batch/latest/userguide/job_env_vars.html
 */
const JOBS = [
  { index: 'JOB_COMPLETION_INDEX', count: 'TASMART_SHARDS' },
  { index: 'AWS_BATCH_JOB_ARRAY_INDEX', count: 'AWS_BATCH_JOB_ARRAY_SIZE' },
] as const;

/** The part that the environment names; null: it names none */
export function parseJobShard(env: Environment, problems: Problem[]): Shard | null {
  const job = JOBS.find(({ index }) => readVariable(env, index) !== undefined);
  const report = (key: string, message: string) => {
    problems.push({ key, message, section: 'shard' });
    return null;
  };
  if (!job) {
    if (readVariable(env, 'TASMART_SHARDS') === undefined) return null;
    return report('TASMART_SHARDS', 'is set, but not which of them this is: JOB_COMPLETION_INDEX, or --shard 1/4');
  }
  const [index, count] = [readVariable(env, job.index) ?? '', readVariable(env, job.count)];
  if (count === undefined) return report(job.count, `is not set, but ${job.index} is: how many jobs share the valves?`);
  const isWhole = /^\d+$/.test(index) && /^\d+$/.test(count);
  const shard = isWhole ? toShard(Number(index) + 1, Number(count)) : null;
  const range = `must be a number below ${job.count}, which must be at most ${MAX_SHARDS}`;
  return shard ?? report(job.index, `${range} (they are "${index}" and "${count}")`);
}
