import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseMetrics } from '../support/prometheus.ts';
import {
  expectNothingStored,
  expectWhole,
  holdInserts,
  logLines,
  outcomesOf,
  setStage,
  until,
  untilNoSession,
  untilWaiting,
  type Stage,
} from '../faults/support/database-stage.ts';

async function shardsOf(stage: Stage): Promise<unknown[]> {
  const { rows } = await stage.client.query<{ row: unknown[] }>(
    'select json_build_array(shard, outcome) as row from tasmart_runs order by shard, id',
  );
  return rows.map(({ row }) => row);
}

describe('a shard', () => {
  test('and the others together leave what a run of all valves would', async () => {
    const stage = await setStage({ valves: 9 });
    for (const index of [0, 1, 2]) {
      const env = { JOB_COMPLETION_INDEX: String(index), TASMART_SHARDS: '3' };
      expect((await stage.run(['poll'], { env })).code).toBe(0);
    }
    await expectWhole(stage);
    const repeated = await stage.run(['poll', '--format', 'json']);
    expect(JSON.parse(repeated.stdout)).toMatchObject({ run: { valves: 9, stored: 0, unchanged: 9 } });
  });

  test('runs beside the others, but neither beside itself nor beside a run of all valves: 75', async () => {
    const stage = await setStage();
    const release = await holdInserts(stage);
    const shard = async (text: string) => (await stage.start(['poll', '--shard', text])).result;
    const works = ['1/2', '2/2'].map(shard);
    await untilWaiting(stage);
    await until('both to have begun', async () => (await shardsOf(stage)).length === 2);
    const again = await shard('2/2');
    expect({ code: again.code, stderr: again.stderr }).toEqual({
      code: 75,
      stderr: expect.stringContaining('another poll of shard 2/2 is under way: nothing was done') as string,
    });
    expect((await stage.run()).code).toBe(75);
    await release();
    expect((await Promise.all(works)).map(({ code }) => code)).toEqual([0, 0]);
    await untilNoSession(stage);
    expect(await shardsOf(stage)).toEqual([
      ['1/2', 'success'],
      ['2/2', 'success'],
      ['2/2', 'locked'],
      [null, 'locked'],
    ]);
    await expectWhole(stage);
  });

  test('that is killed is marked by the next run, of whatever part; one that works is not', async () => {
    const stage = await setStage({ valves: 12 });
    stage.simulator.faults.add({ match: { path: /points/ }, fault: { kind: 'silence' } });
    const [killed, working] = await Promise.all([
      stage.start(['poll', '--shard', '1/3']),
      stage.start(['poll', '--shard', '2/3']),
    ]);
    await until('both to have begun', async () => (await shardsOf(stage)).length === 2);
    killed.child.kill('SIGKILL');
    await killed.result;
    await until('its session to end', async () => {
      const { rows } = await stage.client.query(
        `select from pg_stat_activity where datname = current_database() and application_name like 'tasmart %'`,
      );
      return rows.length === 1;
    });
    const third = await stage.start(['poll', '--shard', '3/3']);
    await until('the third to have begun', async () => (await outcomesOf(stage.client)).length === 3);
    expect(await shardsOf(stage)).toEqual([
      ['1/3', 'killed'],
      ['2/3', null],
      ['3/3', null],
    ]);
    for (const { child, result } of [working, third]) {
      child.kill('SIGTERM');
      expect((await result).code).toBe(143);
    }
  });

  test('writes a metrics file of its own, and says in it which it is', async () => {
    const stage = await setStage();
    const config = { metrics_file: join(stage.folder, 'tasmart.prom') };
    for (const shard of ['1/2', '2/2']) {
      expect((await stage.run(['poll', '--shard', shard], { config })).code).toBe(0);
    }
    const files = (await readdir(stage.folder)).filter((name) => name.endsWith('.prom'));
    expect(files.sort()).toEqual(['tasmart.1-of-2.prom', 'tasmart.2-of-2.prom']);
    const samples = await Promise.all(
      files.map(async (name) => parseMetrics(await readFile(join(stage.folder, name), 'utf8'))),
    );
    const ages = samples.flat().filter(({ name }) => name === 'tasmart_valve_reading_timestamp_seconds');
    expect(new Set(ages.map(({ labels }) => labels['tasmart_id'])).size).toBe(3);
    const successes = samples.flat().filter(({ name }) => name === 'tasmart_last_success_timestamp_seconds');
    expect(successes.map(({ labels }) => labels['shard'])).toEqual(['1/2', '2/2']);
  });

  test.each([
    ['0/4', 64, '--shard 0/4 is not a part of the valves'],
    ['half', 64, '--shard half is not a part of the valves'],
    ['1/1001', 64, '--shard 1/1001 is not a part of the valves'],
    ['1/4', 78, 'requests_per_second (3) is less than one for each shard'],
  ])('%s: %i', async (shard, code, message) => {
    const stage = await setStage({ valves: 1 });
    const result = await stage.run(['poll', '--shard', shard], { config: { requests_per_second: 3 } });
    expect({ code: result.code, stderr: result.stderr }).toEqual({
      code,
      stderr: expect.stringContaining(message) as string,
    });
    await expectNothingStored(stage);
  });

  test('is what the command line says, whatever the environment does', async () => {
    const stage = await setStage();
    const env = { JOB_COMPLETION_INDEX: '7', TASMART_SHARDS: '4' };
    const refused = await stage.run(['poll'], { env });
    expect({ code: refused.code, stderr: refused.stderr }).toEqual({
      code: 78,
      stderr: expect.stringContaining('JOB_COMPLETION_INDEX must be a number below TASMART_SHARDS') as string,
    });
    expect((await stage.run(['poll', '--shard', '1/1'], { env })).code).toBe(0);
    await expectWhole(stage);
  });
});

describe('status takes the shards of a round together', () => {
  const lastRun = async (stage: Stage) => {
    const { stdout } = await stage.run(['status', '--format', 'json', '--max-age', '9999d']);
    return JSON.parse(stdout) as { last_run: unknown; last_success: unknown };
  };

  test('one that has not run yet, one that failed, then all well', async () => {
    const stage = await setStage();
    expect((await stage.run(['poll', '--shard', '1/2'])).code).toBe(0);
    expect(await lastRun(stage)).toMatchObject({
      last_run: { outcome: 'failed', error: 'shard 2/2: it has not run yet' },
      last_success: null,
    });
    stage.simulator.faults.add({ match: { path: /projects/ }, fault: { kind: 'status', status: 403 } });
    expect((await stage.run(['poll', '--shard', '2/2'])).code).toBe(78);
    expect(await lastRun(stage)).toMatchObject({
      last_run: { outcome: 'failed', error: expect.stringMatching(/^shard 2\/2: project .* is not there/) as string },
      last_success: null,
    });
    stage.simulator.faults.clear();
    expect((await stage.run(['poll', '--shard', '2/2'])).code).toBe(0);
    const well = { outcome: 'success', valves: 3, error: null };
    expect(await lastRun(stage)).toMatchObject({ last_run: well, last_success: well });
  });
});

describe('towards HyCloud', () => {
  test('valves that do not fit into the time there is are warned of, with the setting that would do', async () => {
    const stage = await setStage({ valves: 7 });
    const config = { requests_per_second: 1, run_deadline_seconds: 4, initial_history_hours: 0 };
    const { stderr } = await stage.run(['poll', '--log-format', 'json'], { config });
    const [warning] = logLines(stderr).filter(({ valves, level }) => valves === 7 && level === 'warn');
    expect(warning).toMatchObject({
      msg: 'polling every valve takes longer than there is time',
      seconds: 7,
      availableSeconds: 4,
      remedy:
        'set requests_per_second to 2 or more, if HyCloud allows it, or run_deadline_seconds to more than 7 (below the interval)',
    });
    expect((await stage.run(['poll', '--log-format', 'json'])).stderr).not.toContain('longer than');
  });

  test('a start jitter keeps a run waiting, which a signal ends; a dry run does not wait', async () => {
    const stage = await setStage();
    const config = { start_jitter_seconds: 3600 };
    expect((await stage.run(['poll', '--dry-run'], { config })).code).toBe(0);
    const asked = stage.simulator.log.length;
    const { child, result } = await stage.start(['poll', '--log-level', 'info', '--log-format', 'json'], { config });
    let stderr = '';
    child.stderr.on('data', (text: Buffer) => (stderr += text.toString()));
    await until('it to say that it waits', () => stderr.includes('waiting'));
    child.kill('SIGTERM');
    expect((await result).code).toBe(143);
    expect(stage.simulator.log).toHaveLength(asked);
    await expectNothingStored(stage);
  });
});
