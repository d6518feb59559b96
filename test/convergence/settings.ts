/**
 * Set CONVERGENCE_RUNS to live through more histories; to repeat a failure, CONVERGENCE_SEED and CONVERGENCE_PATH to
 * what fast-check printed (and vitest to the file that it was of).
 */
const { CONVERGENCE_RUNS: runs = '300', CONVERGENCE_SEED: seed, CONVERGENCE_PATH: path } = process.env;

export const RUNS = Number(runs);

export const REPEAT = {
  ...(seed !== undefined && { seed: Number(seed) }),
  ...(path !== undefined && { path, endOnFailure: true }),
};

/** A machine that is slow, or busy with other tests, lives through fewer histories; the tally says how many. */
export const LIMITS = { interruptAfterTimeLimit: 150_000 };
