import type { TestProject } from 'vitest/node';
import { buildCli } from './build.ts';
import { startPostgres, type Coordinates } from './postgres.ts';
import { useTemporaryFolder } from './temporary-folder.ts';

declare module 'vitest' {
  interface ProvidedContext {
    postgres: Coordinates;
  }
}

/**
 * One build, one server and one temporary folder for the whole run. The workers make databases of their own on the
 * server (database.ts).
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const temporary = await useTemporaryFolder('tasmart-test-');
  await buildCli();
  const { host, port, user, password, stop } = givenServer() ?? (await startPostgres({ max_connections: '200' }));
  project.provide('postgres', { host, port, user, password });
  return async () => {
    await stop();
    await temporary.remove();
  };
}

/** Of another version than ours, which `npm run test:matrix` has started. */
function givenServer(): (Coordinates & { stop: () => Promise<void> }) | null {
  const given = process.env['TASMART_TEST_SERVER'];
  if (given === undefined) return null;
  const { hostname: host, port, username: user, password } = new URL(given);
  return { host, port: Number(port), user, password, stop: () => Promise.resolve() };
}
