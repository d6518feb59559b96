import { expect, test } from 'vitest';
import { startSimulator } from '../../../scripts/simulator/simulator.ts';
import { accounts, setAccountsStage } from './accounts-stage.ts';

const { project, addKey, query, poll } = setAccountsStage();

test('a server that does not answer keeps no other account waiting', async () => {
  const hanging = await startSimulator({ valves: 1 });
  hanging.faults.add({ fault: { kind: 'silence' } });
  const { config, env } = accounts(['good', addKey('good', 0), project(0).name], ['dead', { API_KEY: 'x' }, 'Any']);
  const patience = { request_timeout_seconds: 1, run_deadline_seconds: 8 };
  const ended = await poll({ ...config, ...patience }, { ...env, HYCLOUD_BASE_URL_DEAD: hanging.baseUrl });
  expect(ended.code).toBe(2);
  const rows = await query(
    `select account, outcome, stored, finished_at < max(finished_at) over () as is_first from tasmart_runs order by account`,
  );
  expect(rows).toMatchObject([
    { account: 'dead', outcome: 'failed', stored: 0 },
    { account: 'good', outcome: 'success', stored: 2, is_first: true },
  ]);
  await hanging.close();
});
