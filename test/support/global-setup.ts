/** Sets up a test run: vitest calls this file once, before all tests. */
import { randomInt } from 'node:crypto';
import type { TestProject } from 'vitest/node';
import { buildCli } from './build.ts';
import { startPostgres, type Coordinates } from './postgres.ts';
import { makeTemplate } from './template.ts';
import { useTemporaryFolder } from './temporary-folder.ts';

declare module 'vitest' {
  interface ProvidedContext {
    postgres: Coordinates;
  }
}

/**
 * One build, one server with a template database, and one temporary folder for the whole run. The tests copy the template
 * (database.ts).
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const seed = (process.env['TASMART_SEED'] ??= String(randomInt(2 ** 31)));
  process.stdout.write(`Random tests use seed ${seed}. To repeat them, set TASMART_SEED=${seed}.\n`);
  const temporary = await useTemporaryFolder('tasmart-test-');
  await buildCli();
  const { host, port, user, password, stop } = givenServer() ?? (await startPostgres({ max_connections: '200' }));
  const server = { host, port, user, password };
  await makeTemplate(server);
  project.provide('postgres', server);
  return async () => {
    await stop();
    await temporary.remove();
  };
}

/** A server of another PostgreSQL version, which `npm run test:matrix` has started. null: none */
function givenServer(): (Coordinates & { stop: () => Promise<void> }) | null {
  const url = process.env['TASMART_TEST_SERVER'];
  if (url === undefined) return null;
  const { hostname: host, port, username: user, password } = new URL(url);
  return { host, port: Number(port), user, password, stop: () => Promise.resolve() };
}
