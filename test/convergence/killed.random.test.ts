import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, test } from 'vitest';
import { cases } from '../support/random.ts';
import { actOut, createSummary } from './live.ts';
import { performByProgram } from './program.ts';
import { deadlyHistories } from './random-histories.ts';
import { createStage } from './stage.ts';

const summary = createSummary();

afterAll(summary.print);

test('the program may be killed at any moment', { timeout: 1_200_000 }, async () => {
  const stage = await createStage();
  const perform = performByProgram(await mkdtemp(join(tmpdir(), 'tasmart-killed-')));
  const property = fc.asyncProperty(deadlyHistories(), (history) => actOut(stage, history, perform, summary));
  await fc.assert(property, { numRuns: cases(20) });
  await stage.close();
});
