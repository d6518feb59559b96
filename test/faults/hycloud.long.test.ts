import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Valve } from '../../scripts/simulator/fleet.ts';
import { EXIT_STATUS } from '../../src/domain/errors.ts';
import { HyCloudError } from '../../src/hycloud/errors.ts';
import { withRetry } from '../../src/hycloud/retry.ts';
import { ANSWERS, type KnownFault } from './support/hycloud-faults.ts';
import { setStage } from './support/database-stage.ts';
import { flaws, NO_FLAWS, openSite, PROMPT_MS, type Run, type Site } from './support/hycloud-site.ts';
import { type LogLine, logLines } from '../support/cli.ts';

describe('at the lookup, nothing can be begun', () => {
  test.concurrent.each(ANSWERS)('$name', async ({ fault, says, remedy, exit, isTransient, timeoutSeconds = 20 }) => {
    const site = await openSite();
    site.hycloud.faults.add({ match: { path: /projects/ }, fault });

    const { code, log, stdout, ms } = await site.run({ config: { request_timeout_seconds: timeoutSeconds } });

    expect({ code, stdout }).toEqual({ code: exit, stdout: '' });
    expect(ms).toBeLessThan(PROMPT_MS);
    const error = log.find(({ level }) => level === 'error');
    expect(error?.msg).toMatch(says);
    expect(error?.remedy).toMatch(remedy);
    // Where the project is not there, the list is asked for too: it may tell which was meant.
    const requests = isTransient ? 5 : exit === EXIT_STATUS.config ? 2 : 1;
    expect(site.hycloud.log).toHaveLength(requests);
    expect(await site.rows()).toEqual([]);
    const runs = await site.client.query('select outcome, error from tasmart_runs');
    expect(runs.rows).toEqual([{ outcome: 'failed', error: error?.msg }]);
    await site.close();
  });
});

describe('each valve has a fault of its own, in one run', () => {
  let site: Site;
  let faulty: Run;
  let healthy: Run;
  let syncedThen: Map<Valve, string | null>;

  const valveOf = (index: number): Valve => {
    const valve = site.valves[index];
    if (!valve) throw new Error('there is a valve for each fault');
    return valve;
  };

  beforeAll(async () => {
    site = await openSite({
      valves: ANSWERS.length + 1,
      config: { max_concurrency: 64, request_timeout_seconds: 2 },
    });
    ANSWERS.forEach(({ fault }, index) => {
      site.hycloud.faults.add({ match: { valveId: valveOf(index).id }, fault });
    });
    faulty = await site.run();
    syncedThen = new Map();
    for (const valve of site.valves) syncedThen.set(valve, await site.syncedUntil(valve));
    healthy = await site.healthyRun();
  });

  afterAll(() => site.close());

  const warningOf = ({ id }: Valve): LogLine | undefined => faulty.log.find(({ tasmart_id }) => tasmart_id === id);

  test('the run is partial, and ends in time', () => {
    expect(faulty.code).toBe(EXIT_STATUS.partial);
    expect(faulty.ms).toBeLessThan(PROMPT_MS);
    expect(faulty.stdout).toMatch(new RegExp(`^${ANSWERS.length + 1} valves: .* ${ANSWERS.length} failed`, 'm'));
  });

  test.each(ANSWERS.map((known, index) => ({ ...known, index })))(
    '$name costs its valve only',
    ({ index, says, remedy }) => {
      const valve = valveOf(index);
      const warning = warningOf(valve);
      expect(warning?.level).toBe('warn');
      expect(warning?.valve).toBe(valve.userId ?? valve.shortSn);
      expect(warning?.msg).toMatch(says);
      expect(warning?.remedy).toMatch(remedy);
      expect(syncedThen.get(valve)).toBe('10:00:00');
    },
  );

  test('the valve without a fault is stored', () => {
    const valve = valveOf(ANSWERS.length);
    expect(warningOf(valve)).toBeUndefined();
    expect(syncedThen.get(valve)).toBe('10:30:00');
  });

  test('the next run repairs everything', async () => {
    expect({ code: healthy.code, stderr: healthy.log.filter(({ level }) => level !== 'info') }).toEqual({
      code: 0,
      stderr: [],
    });
    expect(await flaws(site)).toEqual(NO_FLAWS);
    for (const valve of site.valves) expect(await site.syncedUntil(valve)).toBe('10:45:00');
  });
});

describe('what passes by itself is tried again', () => {
  const passing: readonly KnownFault[] = ANSWERS.filter(({ isTransient }) => isTransient);
  let site: Site;
  let run: Run;

  beforeAll(async () => {
    site = await openSite({
      valves: passing.length,
      config: { max_concurrency: 64, request_timeout_seconds: 3 },
    });
    passing.forEach(({ fault }, index) => {
      const valveId = site.valves[index]?.id ?? '';
      site.hycloud.faults.add({ match: { valveId }, times: 1, fault });
    });
    run = await site.run();
  });

  afterAll(() => site.close());

  test('within the run, which then is whole', async () => {
    expect(run.code).toBe(0);
    expect(await flaws(site)).toEqual(NO_FLAWS);
    expect(run.stdout).toContain(` ${passing.length} retries,`);
  });

  test.each(passing.map((known, index) => ({ ...known, index })))('$name', ({ index, says }) => {
    const path = `ta-smart/${site.valves[index]?.id ?? ''}/data/points`;
    const retry = run.log.find((line) => line.path === path && line.msg.endsWith('trying again'));
    expect(retry?.msg).toMatch(says);
  });
});

test('a call that is stopped says what kept it until then', async () => {
  const stop = new AbortController();
  const fail = () => Promise.reject(new HyCloudError('server', 'projects', 'HTTP 503'));
  const stopWhileWaiting = () => {
    stop.abort();
    return Promise.resolve();
  };
  const pacer = { turn: () => Promise.resolve(), pause: () => undefined };
  const time = { now: () => 0, sleep: stopWhileWaiting, deadlineMs: () => Infinity };
  const retry = {
    ...time,
    pacer,
    random: () => 1,
    signal: stop.signal,
    onRetry: () => undefined,
    onSkippedProjects: () => undefined,
  };
  await expect(withRetry(fail, 'projects', retry)).rejects.toThrow('HyCloud, GET projects: HTTP 503');
});

test('a fleet that fails as a whole is told by its first hundred valves', async () => {
  const stage = await setStage({ valves: 103 });
  stage.simulator.faults.add({ match: { path: /points/ }, fault: { kind: 'status', status: 404 } });
  const { stderr } = await stage.run();
  const warnings = logLines(stderr).filter(({ level }) => level === 'warn');
  expect(warnings).toHaveLength(101);
  expect(warnings.at(-1)).toMatchObject({ valves: 3, msg: 'other valves failed too: "tasmart status" lists them' });
});
