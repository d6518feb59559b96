import { mkdtemp, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { createLoader } from '../../scripts/load.ts';
import { CLI } from '../support/build.ts';

const DIST = dirname(CLI);

test('every part of the program starts from the code cache that was built with it', async () => {
  const load = createLoader(DIST);
  const names = (await readdir(DIST)).filter((name) => name.endsWith('.cjs')).map((name) => name.replace('.cjs', ''));
  expect(names).toContain('poll');
  for (const name of names) expect([name, load(name).script.cachedDataRejected]).toEqual([name, false]);
});

test('a part that was exchanged for one as long does not run from the cache of the old one', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tasmart-load-'));
  const partOf = (digit: string): string => `/*${digit.repeat(16)}*/module.exports = ${digit};`;
  await writeFile(join(folder, 'part.cjs'), partOf('0'));
  const { script, cacheFile } = createLoader(folder)('part');
  await writeFile(cacheFile, script.createCachedData());
  await writeFile(join(folder, 'part.cjs'), partOf('1'));
  const { exports, script: later } = createLoader(folder)('part');
  expect([exports, later.cachedDataRejected]).toEqual([1, undefined]);
});

test('parts share what they require of each other, and it runs once', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tasmart-load-'));
  await writeFile(join(folder, 'shared.cjs'), 'module.exports = { url: importMetaUrl };');
  await writeFile(join(folder, 'one.cjs'), `module.exports = require('./shared.cjs');`);
  await writeFile(join(folder, 'other.cjs'), `module.exports = [require('./shared.cjs'), require('node:path').sep];`);
  const load = createLoader(folder);
  const shared = load('one').exports;
  expect(shared).toEqual({ url: pathToFileURL(join(folder, 'shared.cjs')).href });
  const [same, separator] = load('other').exports as unknown[];
  expect(same).toBe(shared);
  expect(separator).toBe(sep);
});
