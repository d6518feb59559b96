/** Advisory locks. Those of runs are single numbers (see runs.ts); the others are pairs that begin with "tasm". */
export const LOCK_SPACE = 0x7461736d;

/** Held for a transaction that writes the registry or links, and ("migr") while the schema is being changed. */
export const LOCK_KEYS = { registry: 3, links: 4, migration: 0x6d696772 } as const;
