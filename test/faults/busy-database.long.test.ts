/** A server that has no free session for longer than a run waits. */
import { expect, test } from 'vitest';
import { expectRepaired, setStage } from './support/database-stage.ts';

test('too many connections: 74 after 20 seconds, and the next run catches up', async () => {
  const stage = await setStage();
  const role = `few_${stage.database.database}`;
  await stage.client.query(`create role ${role} login password 'few' connection limit 0`);
  const { host, port, database } = stage.database;
  const env = { DATABASE_URL: `postgres://${role}:few@${host}:${port}/${database}` };
  const { code, stderr, ms } = await stage.run(['poll'], { env });
  await stage.client.query(`drop role ${role}`);
  expect({ code, stderr }).toEqual({
    code: 74,
    stderr: expect.stringMatching(/raise max_connections.*53300/) as string,
  });
  expect(ms).toBeGreaterThan(20_000);
  await expectRepaired(stage);
});
