import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { REPOSITORY } from '../support/build.ts';

test('the pods of the indexed job are as many as the shards they are told of', async () => {
  const manifest = await readFile(join(REPOSITORY, 'scripts/kubernetes/cronjob.yaml'), 'utf8');
  const numbers = [/completions: (\d+)/, /parallelism: (\d+)/, /TASMART_SHARDS, value: '(\d+)'/].map(
    (pattern) => pattern.exec(manifest)?.[1],
  );
  expect(numbers).toEqual(['4', '4', '4']);
  expect(manifest).toContain('completionMode: Indexed');
  expect(manifest).not.toContain('\t');
});

test('a pod that fails leaves the others running', async () => {
  const manifest = await readFile(join(REPOSITORY, 'scripts/kubernetes/cronjob.yaml'), 'utf8');
  // backoffLimit counts the failures of all pods together, and ends those that run.
  expect(manifest).toMatch(/^ {6}backoffLimitPerIndex: 0$/m);
  expect(manifest).not.toContain('backoffLimit:');
});
