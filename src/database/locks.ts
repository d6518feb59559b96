/** "tasm": the first key of our advisory locks. */
export const LOCK_SPACE = 0x7461736d;

/**
 * A poll and a backfill may run at once: neither writes what the other would not. "migr" is held while the schema is
 * being changed.
 */
export const LOCK_KEYS = { poll: 1, backfill: 2, registry: 3, migration: 0x6d696772 } as const;
