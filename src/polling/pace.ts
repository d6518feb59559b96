/** Divides the configured pace among the shards, and warns if it is too slow for the valves. */
import type { Shard } from '../domain/shard.ts';
import { KnownError } from '../domain/errors.ts';
import { US_PER_SECOND } from '../domain/time.ts';

export interface PaceSettings {
  /** of all shards together */
  requestsPerSecond: number;
  shard: Shard | null;
  intervalUs: number;
  runDeadlineSeconds: number;
}

/**
 * The requests per second of one process, rounded down. With fractions, the shards together could exceed the whole in
 * some second: two shards at 2.5 could make 3 requests each.
 *
 * @throws KnownError if there are more shards than requests per second
 */
export function shardPace(requestsPerSecond: number, shard: Shard | null): number {
  if (shard === null) return requestsPerSecond;
  if (requestsPerSecond < shard.count) {
    throw new KnownError('config', `requests_per_second (${requestsPerSecond}) is less than one for each shard`, {
      remedy: `make fewer shards than ${shard.count}: a single one keeps any pace that HyCloud allows`,
    });
  }
  return Math.floor(requestsPerSecond / shard.count);
}

export interface Overload {
  /** the time that one request per valve takes */
  seconds: number;
  /** the interval, or run_deadline_seconds if it is shorter */
  availableSeconds: number;
  remedy: string;
}

/** Whether one request per valve takes longer than a run may take, and what to do then. null: the run fits. */
export function findOverload(valves: number, settings: PaceSettings): Overload | null {
  const { requestsPerSecond, shard, intervalUs, runDeadlineSeconds } = settings;
  const shards = shard?.count ?? 1;
  const seconds = valves / shardPace(requestsPerSecond, shard);
  const intervalSeconds = intervalUs / US_PER_SECOND;
  const availableSeconds = Math.min(intervalSeconds, runDeadlineSeconds);
  if (seconds <= availableSeconds) return null;
  const needed = Math.ceil(valves / availableSeconds) * shards;
  const isOnlyDeadlineTooShort = seconds < intervalSeconds;
  const orDeadline = isOnlyDeadlineTooShort
    ? `, or run_deadline_seconds to more than ${Math.ceil(seconds)} (below the interval)`
    : '';
  return {
    seconds: Math.ceil(seconds),
    availableSeconds,
    remedy: `set requests_per_second to ${needed} or more, if HyCloud allows it${orDeadline}`,
  };
}
