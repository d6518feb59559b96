import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { withConnection } from '../../src/database/connection.ts';
import { LOCK_KEYS, LOCK_SPACE } from '../../src/database/locks.ts';
import { US_PER_DAY, US_PER_MINUTE } from '../../src/domain/time.ts';
import { poll } from '../../src/polling/run.ts';
import { freshDatabase } from '../support/database.ts';
import { at, fakeHyCloud, fakeProjects, readings, VALVE } from './builder.ts';

const SETTINGS = {
  targets: [{ projectId: 'p', projectName: null, valves: [] }],
  only: [],
  shard: null,
  properties: ['measured_flow'] as const,
  maxConcurrency: 1,
  requestsPerSecond: 1000,
  runDeadlineSeconds: 60,
  intervalUs: 15 * US_PER_MINUTE,
  catchUpUs: US_PER_DAY,
  initialHistoryUs: 0,
};

test('nothing is said to the database in the middle of registering', async () => {
  const database = await freshDatabase();
  const other = await database.client();
  const lock = [LOCK_SPACE, LOCK_KEYS.registry];
  await other.query('select pg_advisory_lock($1, $2)', lock);
  const hycloud = fakeHyCloud(readings('10:14:58'), { clocksUs: [at('10:15:03')] });
  const { getProject } = fakeProjects([{ id: 'p', name: 'P', valves: [VALVE], unreadable: [] }]);
  const connection = { ...database, sslMode: 'disable' as const, sslCaFile: null };
  const options = { applicationName: 'test', giveUp: new AbortController().signal };
  const notices: (string | undefined)[] = [];
  const polled = withConnection(connection, options, (session) => {
    // PostgreSQL's own word on a begin within a transaction, or a commit without one.
    session.client.on('notice', ({ message }) => notices.push(message));
    return poll({ hycloud: { ...hycloud, getProject }, database: session, log: pino({ level: 'silent' }) }, SETTINGS);
  });
  await expect.poll(() => hycloud.asked.length).toBeGreaterThan(0);
  await sleep(400);
  await other.query('select pg_advisory_unlock($1, $2)', lock);
  expect(await polled).toMatchObject({ outcome: 'success', valves: 1, stored: 1 });
  expect(notices).toEqual([]);
  await database.drop();
});
