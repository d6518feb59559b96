/** Random cases: from which seed, and how many. */
import fc from 'fast-check';

const { TASMART_SEED, TASMART_PATH: path, TASMART_FULL } = process.env;

/** One for the whole run, printed at its start. */
export const SEED = Number(TASMART_SEED);

/** To repeat one case of one test, as fast-check printed it. */
export const isRepeating = path !== undefined;

fc.configureGlobal({ seed: SEED, ...(path !== undefined && { path, endOnFailure: true }) });

/** As many cases in `npm run test:full`, a tenth of them in `npm test`. */
export function cases(full: number): number {
  return TASMART_FULL === '1' ? full : Math.ceil(full / 10);
}
