/** Parts of the valves that are polled by several processes. */

/** One of `count` parts of the valves, written `2/4`. `index` counts from 1. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

export const MAX_SHARDS = 1000;

export function shardName({ index, count }: Shard): string {
  return `${index}/${count}`;
}

/** Null if the text is not a shard: see `toShard`. */
export function parseShard(text: string): Shard | null {
  const [, index, count] = /^(\d{1,4})\/(\d{1,4})$/.exec(text) ?? [];
  return toShard(Number(index), Number(count));
}

/** Null if `count` is more than MAX_SHARDS, or `index` not from 1 to `count`. */
export function toShard(index: number, count: number): Shard | null {
  const isValid = Number.isInteger(index) && index >= 1 && index <= count && count <= MAX_SHARDS;
  return isValid ? { index, count } : null;
}
