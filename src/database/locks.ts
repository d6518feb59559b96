/** Keys of advisory locks: pairs that begin with "tasm". Locks of runs are single numbers, see run-lock.ts. */
export const LOCK_SPACE = 0x7461736d;

/** `registry`, `links`: held by a transaction that writes them. `migration` ("migr"): held while the schema is changed. */
export const LOCK_KEYS = { registry: 3, links: 4, migration: 0x6d696772 } as const;
