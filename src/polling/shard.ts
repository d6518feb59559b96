/** Splits the valves among the shards. */
import { createHash } from 'node:crypto';
import type { Shard } from '../domain/shard.ts';
import type { Project } from '../domain/valve.ts';

/** Keeps the shard's valves; null: all. */
export function pickShard(projects: readonly Project[], shard: Shard | null): readonly Project[] {
  if (shard === null) return projects;
  return projects.map((project) => ({ ...project, valves: project.valves.filter(({ id }) => isOfShard(id, shard)) }));
}

/**
 * Rendezvous hashing: a valve belongs to the shard that gives it the greatest weight. Shards need not talk to each other.
 * A valve that is added or removed moves no other valve. An added shard takes an equal part from each other shard.
 *
 * @see https://en.wikipedia.org/wiki/Rendezvous_hashing
 */
export function isOfShard(tasmartId: string, { index, count }: Shard): boolean {
  const hash = createHash('sha256').update(tasmartId).digest().readUInt32LE();
  const ownWeight = weight(hash, index);
  for (let other = 1; other <= count; other += 1) {
    if (weight(hash, other) > ownWeight) return false;
  }
  return true;
}

/**
 * MurmurHash3's finalizer over both numbers: a changed bit of either changes about half of the result's bits. It never maps two
 * numbers to one, so no two shards give a valve the same weight.
 */
function weight(hash: number, index: number): number {
  return mix(hash ^ mix(index));
}

function mix(value: number): number {
  let bits = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
