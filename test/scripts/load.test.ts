import { mkdtemp, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { createLoader } from '../../scripts/load.ts';
import { CLI } from '../support/build.ts';

const DIST = dirname(CLI);

test('every part of the program starts from the code cache that was built with it', async () => {
  const load = createLoader(DIST);
  const names = (await readdir(DIST)).filter((name) => name.endsWith('.cjs')).map((name) => name.replace('.cjs', ''));
  expect(names).toContain('poll');
  for (const name of names) expect([name, load(name).script.cachedDataRejected]).toEqual([name, false]);
});

describe('the code cache of another source, or a damaged one, is not run from', () => {
  const changes: [string, (part: string, cache: string) => Promise<void>][] = [
    ['a source as long', (part) => writeFile(part, 'module.exports = 1;')],
    ['a flipped bit', (_part, cache) => change(cache, (bytes) => (bytes[200] = (bytes[200] ?? 0) ^ 4))],
    ['a page of zeros', (_part, cache) => change(cache, (bytes) => bytes.fill(0, 64, 300))],
    ['cut off', (_part, cache) => truncate(cache, 100)],
    ['empty', (_part, cache) => truncate(cache, 0)],
  ];

  async function change(file: string, how: (bytes: Buffer) => unknown): Promise<void> {
    const bytes = await readFile(file);
    how(bytes);
    await writeFile(file, bytes);
  }

  test.each(changes)('%s', async (_name, spoil) => {
    const folder = await mkdtemp(join(tmpdir(), 'tasmart-load-'));
    const part = join(folder, 'part.cjs');
    await writeFile(part, 'module.exports = 0;');
    createLoader(folder)('part').keepCode();
    expect(createLoader(folder)('part').script.cachedDataRejected).toBe(false);
    const cache = (await readdir(folder)).find((name) => name.endsWith('.cache')) ?? '';
    await spoil(part, join(folder, cache));
    const { exports, script } = createLoader(folder)('part');
    expect(exports).toBe((await readFile(part, 'utf8')).includes('1') ? 1 : 0);
    expect(script.cachedDataRejected).toBeUndefined();
  });
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
