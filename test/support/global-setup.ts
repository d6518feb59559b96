/** What vitest runs once, before and after all tests. */
import { randomInt } from 'node:crypto';
import type { TestProject } from 'vitest/node';
import { buildCli } from './build.ts';
import { startPostgres, type Coordinates } from './postgres.ts';
import { makeTemplate } from './template.ts';
import { memoryFolder, useTemporaryFolder } from './temporary-folder.ts';

declare module 'vitest' {
  interface ProvidedContext {
    postgres: Coordinates;
  }
}

/**
 * Builds the program, starts a server with a template database, and makes the temporary folder of the whole run. Tests copy
 * the template (database.ts). Returns the function that ends all of it.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const seed = (process.env['TASMART_SEED'] ??= String(randomInt(2 ** 31)));
  process.stdout.write(`Random tests use seed ${seed}. To repeat them, set TASMART_SEED=${seed}.\n`);
  const temporary = await useTemporaryFolder('tasmart-test-', await memoryFolder());
  await buildCli();
  const { host, port, user, password, stop } = givenServer() ?? (await startPostgres({ max_connections: '200' }));
  await makeTemplate({ host, port, user, password });
  project.provide('postgres', { host, port, user, password });
  return async () => {
    await stop();
    await temporary.remove();
  };
}

/** The server that `npm run test:matrix` (scripts/matrix.ts) has started, of another version. Null: none. */
function givenServer(): (Coordinates & { stop: () => Promise<void> }) | null {
  const given = process.env['TASMART_TEST_SERVER'];
  if (given === undefined) return null;
  const { hostname: host, port, username: user, password } = new URL(given);
  return { host, port: Number(port), user, password, stop: () => Promise.resolve() };
}
