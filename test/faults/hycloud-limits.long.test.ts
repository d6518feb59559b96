import { describe, expect, test } from 'vitest';
import { valveIdOf } from '../../scripts/simulator/api.ts';
import type { Fault } from '../../scripts/simulator/faults.ts';
import { FAULTY_RUN, flaws, NO_FLAWS, openSite, PROMPT_MS, type Run, type Site } from './support/hycloud-site.ts';

const POINTS = { path: /data\/points$/ };
const DAY_S = 86_400;

const errorOf = ({ log }: Run) => log.find(({ level }) => level === 'error');
const statuses = ({ hycloud }: Site) => hycloud.log.map(({ status }) => status);
const httpDate = (aheadS: number) => new Date(FAULTY_RUN / 1000 + aheadS * 1000).toUTCString();

describe('refused credentials stop the run', () => {
  test.concurrent.each([
    ['a wrong key', { API_KEY: 'wrong' }],
    ['a wrong requester', { REQUESTER_ID: 'wrong' }],
  ])('at once: %s', async (_name, env) => {
    const site = await openSite({ config: { target_project_id: undefined, target_project_name: 'any' } });
    const run = await site.run({ env });
    expect(run.code).toBe(77);
    expect(statuses(site)).toEqual([401]);
    expect(errorOf(run)?.msg).toBe('HyCloud, GET projects: HTTP 401 (api/v1/unauthorized)');
    expect(errorOf(run)?.remedy).toMatch(/check API_KEY and REQUESTER_ID; staging and production share no keys/);
    await site.close();
  });

  test.concurrent('at once: the type spelled the other way', async () => {
    const site = await openSite({ settings: { problemTypeKey: 'type_uri' } });
    const run = await site.run({ env: { API_KEY: 'wrong' } });
    expect(run.code).toBe(77);
    expect(errorOf(run)?.msg).toMatch(/: HTTP 401 \(api\/v1\/unauthorized\)$/);
    await site.close();
  });

  test.concurrent('in the middle: no call is made that was not under way, and what was read stays', async () => {
    const site = await openSite({ valves: 16, config: { max_concurrency: 8, requests_per_second: 4 } });
    site.hycloud.faults.add({ match: POINTS, after: 4, fault: { kind: 'status', status: 401 } });
    const run = await site.run();
    expect(run.code).toBe(77);
    expect(errorOf(run)?.remedy).toMatch(/check API_KEY/);
    const refused = statuses(site).filter((status) => status === 401);
    // One; two where its answer took as long as the next call's turn.
    expect(refused.length).toBeLessThanOrEqual(4);
    const rows = await site.rows();
    expect(new Set(rows.map(({ id }) => id)).size).toBe(4);
    expect((await flaws(site)).wrong).toEqual([]);
    expect((await site.healthyRun()).code).toBe(0);
    expect(await flaws(site)).toEqual(NO_FLAWS);
    await site.close();
  });
});

describe('a rate limit', () => {
  const pauses: [name: string, fault: Fault, ms: number][] = [
    ['429, seconds', { kind: 'status', status: 429, headers: { 'retry-after': '2' } }, 2000],
    ['429, date', { kind: 'status', status: 429, headers: { 'retry-after': httpDate(2) } }, 2000],
    ['429, absent', { kind: 'status', status: 429, body: 'empty' }, 5000],
    ['429, nonsense', { kind: 'status', status: 429, headers: { 'retry-after': 'soon' } }, 5000],
    ['503, seconds', { kind: 'status', status: 503, body: 'html', headers: { 'retry-after': '2' } }, 2000],
  ];

  test.concurrent.each(pauses)('pauses every request: %s', async (_name, fault, pauseMs) => {
    const site = await openSite({ valves: 20, config: { max_concurrency: 4 } });
    site.hycloud.faults.add({ match: POINTS, after: 2, times: 1, fault });
    const run = await site.run();
    expect(run.code).toBe(0);
    expect(await flaws(site)).toEqual(NO_FLAWS);
    const limited = site.hycloud.log.find(({ status }) => status === 429 || status === 503);
    const sinceMs = site.hycloud.log.map(({ atMs }) => atMs - (limited?.atMs ?? NaN));
    // A few others were under way when it came; timers may be a little early.
    expect(sinceMs.filter((ms) => ms >= pauseMs - 50).length).toBeGreaterThanOrEqual(15);
    await site.close();
  });

  const absurd = [
    ['a day, in seconds', String(DAY_S)],
    ['a day, as a date', httpDate(DAY_S)],
    ['beyond all numbers', '9'.repeat(400)],
  ] as const;

  test.concurrent.each(absurd)('that asks for %s ends the run at once', async (_name, retryAfter) => {
    const site = await openSite({ valves: 10, config: { max_concurrency: 2, run_deadline_seconds: 600 } });
    const fault: Fault = { kind: 'status', status: 429, headers: { 'retry-after': retryAfter } };
    site.hycloud.faults.add({ match: POINTS, after: 2, fault });
    const run = await site.run();
    expect(run.code).toBe(2);
    expect(run.ms).toBeLessThan(PROMPT_MS);
    const warnings = run.log.filter(({ level, remedy }) => level === 'warn' && remedy !== undefined);
    expect(warnings.length).toBe(8);
    for (const { msg, remedy } of warnings) {
      expect(msg).toMatch(/HTTP 429|not called: HyCloud asked for a pause that this run cannot wait for/);
      expect(remedy).toBe('lower requests_per_second, or run less often');
    }
    expect(statuses(site).filter((status) => status === 429).length).toBeLessThanOrEqual(2);
    expect((await site.healthyRun()).code).toBe(0);
    expect(await flaws(site)).toEqual(NO_FLAWS);
    await site.close();
  });

  test.concurrent(
    'that comes in every run starves no valve: those that were not asked come first in the next',
    async () => {
      const site = await openSite({ valves: 8, config: { max_concurrency: 1 } });
      const fault: Fault = { kind: 'status', status: 429, headers: { 'retry-after': String(DAY_S) } };
      const pollsUntilLimited = async () => {
        site.hycloud.log.length = 0;
        const lift = site.hycloud.faults.add({ match: POINTS, after: 4, fault });
        expect((await site.run()).code).toBe(2);
        lift();
        return site.hycloud.log.flatMap(({ path }) => valveIdOf(path) ?? []);
      };
      const asked = await pollsUntilLimited();
      expect(asked.length).toBe(5); // the last one was refused
      const notAsked = site.valves.map(({ id }) => id).filter((id) => !asked.includes(id));
      expect((await pollsUntilLimited()).slice(0, 3).sort()).toEqual(notAsked.sort());
      await site.close();
    },
  );

  test.concurrent('of a day at the lookup ends the run at once', async () => {
    const site = await openSite({ config: { run_deadline_seconds: 600 } });
    site.hycloud.faults.add({ fault: { kind: 'status', status: 429, headers: { 'retry-after': String(DAY_S) } } });
    const run = await site.run();
    expect({ code: run.code, requests: statuses(site) }).toEqual({ code: 69, requests: [429] });
    expect(run.ms).toBeLessThan(PROMPT_MS);
    expect(errorOf(run)?.msg).toMatch(/HTTP 429/);
    expect(errorOf(run)?.remedy).toBe('lower requests_per_second, or run less often');
    await site.close();
  });
});
