import type { Shard } from '../domain/shard.ts';
import { KnownError } from '../domain/errors.ts';
import { US_PER_SECOND } from '../domain/time.ts';

export interface PaceSettings {
  /** towards HyCloud, of all shards together */
  requestsPerSecond: number;
  shard: Shard | null;
  intervalUs: number;
  runDeadlineSeconds: number;
}

/**
 * Requests a second for one process. Whole ones: of parts that were not, some second would see more than the whole.
 *
 * @throws KnownError where there are more shards than requests a second
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
  /** what polling every valve takes at least */
  seconds: number;
  /** what it may take: the interval, or the run's deadline if that comes first */
  availableSeconds: number;
  remedy: string;
}

/** Whether a request for each of these valves, at the configured pace, takes longer than there is time; null: it fits. */
export function overload(valves: number, settings: PaceSettings): Overload | null {
  const { requestsPerSecond, shard, intervalUs, runDeadlineSeconds } = settings;
  const shards = shard?.count ?? 1;
  const seconds = valves / shardPace(requestsPerSecond, shard);
  const intervalSeconds = intervalUs / US_PER_SECOND;
  const availableSeconds = Math.min(intervalSeconds, runDeadlineSeconds);
  if (seconds <= availableSeconds) return null;
  const needed = Math.ceil(valves / availableSeconds) * shards;
  const patience =
    seconds < intervalSeconds
      ? `, or run_deadline_seconds to more than ${Math.ceil(seconds)} (below the interval)`
      : '';
  return {
    seconds: Math.ceil(seconds),
    availableSeconds,
    remedy: `set requests_per_second to ${needed} or more, if HyCloud allows it${patience}`,
  };
}
