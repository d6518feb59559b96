import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { configSchema, parseFile } from '../../src/config/file.ts';
import type { Problem } from '../../src/config/config.ts';
import { REPOSITORY } from '../support/build.ts';

const { properties } = configSchema() as { properties: Record<string, { default?: unknown }> };
const readJson = async (file: string) => JSON.parse(await readFile(join(REPOSITORY, file), 'utf8')) as object;

describe('config.example.json', () => {
  test('shows every key, and no other', async () => {
    expect(Object.keys(await readJson('config.example.json'))).toEqual(Object.keys(properties));
  });

  test('is right, and holds the defaults but for the name of the project', async () => {
    const problems: Problem[] = [];
    const example = parseFile(await readJson('config.example.json'), problems);
    expect(problems).toEqual([]);
    const defaults = parseFile({ target_project_name: 'My project' }, problems);
    expect(Object.entries(example).filter(([, value]) => value !== null)).toEqual(
      expect.arrayContaining(Object.entries(defaults).filter(([, value]) => value !== null)),
    );
  });

  test('names its schema, which the build writes from the parser', async () => {
    expect(await readJson('config.example.json')).toMatchObject({ $schema: './dist/config.schema.json' });
    expect(await readJson('dist/config.schema.json')).toEqual(configSchema());
  });
});

test('the schema refuses what the parser refuses', () => {
  expect(configSchema()).toMatchObject({
    additionalProperties: false,
    properties: {
      catch_up_days: { type: 'number', exclusiveMinimum: 0, maximum: 3660, default: 30 },
      max_concurrency: { type: 'integer', minimum: 1, maximum: 256 },
      timezone: { type: 'string', default: 'Europe/Rome' },
    },
  });
});
