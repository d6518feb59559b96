/** "tasm": the first key of our advisory locks. */
export const LOCK_SPACE = 0x7461736d;

/** A poll and a backfill may run at once: neither writes what the other would not. */
export const LOCK_KEYS = { poll: 1, backfill: 2, registry: 3 } as const;
