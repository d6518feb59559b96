import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Signals and kills hit a program at work: on a busy CI machine one may come too early or late once.
    retry: process.env['CI'] ? 1 : 0,
  },
});
