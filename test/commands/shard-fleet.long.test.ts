/** Four processes poll a fleet of 10 000 valves. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { configOf, setStage } from '../faults/support/database-stage.ts';
import { startCli } from '../support/cli.ts';

const TOTAL_PACE = 1000;

test('four processes share 10 000 valves: all are polled, none twice, at the pace of one', async ({ annotate }) => {
  const stage = await setStage({ valves: 10_000, settings: { logLength: 50_000 } });
  const config = join(stage.folder, 'config.json');
  await writeFile(
    config,
    JSON.stringify({ ...configOf(stage.simulator), initial_history_hours: 0, requests_per_second: TOTAL_PACE }),
  );
  const options = { env: stage.env, cwd: stage.folder, timeoutMs: 600_000 };
  const running = [1, 2, 3, 4].map((index) => startCli(['--config', config, 'poll', '--shard', `${index}/4`], options));
  const results = await Promise.all(running.map(({ result }) => result));
  expect(results.map(({ code, stderr }) => (code === 0 ? 0 : stderr))).toEqual([0, 0, 0, 0]);

  const stored = await stage.client.query<{ valves: string; rows: string }>(
    'select count(distinct tasmart_id) as valves, count(*) as rows from tasmart_data_table',
  );
  expect(stored.rows).toEqual([{ valves: '10000', rows: '10000' }]);
  const points = stage.simulator.log.filter(({ path }) => path.endsWith('/points'));
  expect([points.length, new Set(points.map(({ path }) => path)).size]).toEqual([10_000, 10_000]);
  const { rows: runs } = await stage.client.query('select shard, outcome from tasmart_runs order by shard');
  expect(runs).toEqual([1, 2, 3, 4].map((index) => ({ shard: `${index}/4`, outcome: 'success' })));

  const times = stage.simulator.log.map(({ atMs }) => atMs);
  const seconds = (Math.max(...times) - Math.min(...times)) / 1000;
  await annotate(`${times.length} requests in ${seconds.toFixed(1)} s`);
  // Each process keeps its part to the millisecond (test/hycloud/pacer.test.ts); they arrive a little less evenly.
  expect(times.length / seconds).toBeLessThan(TOTAL_PACE * 1.02);

  // Whoever came first has written the registry, the others found nothing to change.
  const { rows } = await stage.client.query(
    'select (select count(*) from tasmart_project_names)::int as names, (select count(*) from tasmart_valve_history)::int as changes',
  );
  expect(rows).toEqual([{ names: 1, changes: 0 }]);
}, 900_000);
