import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/** `*.long.test.ts` runs in full mode only, `*.random.test.ts` in both: with more cases in full mode. */
export default defineConfig(({ mode }) => {
  const isFull = mode === 'full';
  return {
    test: {
      include: isFull ? ['test/**/*.{long,random}.test.ts'] : ['test/**/*.test.ts'],
      exclude: isFull ? [] : ['test/**/*.long.test.ts'],
      env: { TASMART_FULL: isFull ? '1' : '0' },
      globalSetup: ['test/support/global-setup.ts'],
      // Most tests wait for a program or a server that they have started, so a worker does not fill a core.
      maxWorkers: Math.max(2, availableParallelism()),
      // Files share a process: loading vitest and the program's modules for each of them is a quarter of the whole time.
      isolate: false,
      testTimeout: 300_000,
      hookTimeout: 300_000,
    },
  };
});
