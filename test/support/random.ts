/** Random cases: from which seed, and how many. vitest loads this file before each test file. */
import fc from 'fast-check';

const { TASMART_SEED, TASMART_PATH: path, TASMART_FULL } = process.env;

/** The seed of the whole run: set and printed by global-setup.ts. */
export const SEED = Number(TASMART_SEED);

/** Whether TASMART_PATH repeats one case of one test, as fast-check printed it. */
export const isRepeating = path !== undefined;

fc.configureGlobal({ seed: SEED, ...(path !== undefined && { path, endOnFailure: true }) });

/** How many random cases a test has: `full` in `npm run test:full`, a tenth of them in `npm test`. */
export function cases(full: number): number {
  return TASMART_FULL === '1' ? full : Math.ceil(full / 10);
}
