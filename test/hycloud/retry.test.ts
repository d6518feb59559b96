import { describe, expect, test } from 'vitest';
import { HyCloudError, type HyCloudFailure } from '../../src/hycloud/errors.ts';
import { createPacer } from '../../src/hycloud/pacer.ts';
import { withRetry, type RetryContext } from '../../src/hycloud/retry.ts';
import { virtualTime } from './virtual-time.ts';

interface Setup {
  random?: number;
  /** from the start */
  deadlineMs?: number;
}

function setup({ random = 1, deadlineMs = 600_000 }: Setup = {}) {
  const time = virtualTime();
  const startMs = time.now();
  const retried: string[] = [];
  const abort = new AbortController();
  const pacer = createPacer({ ...time, requestsPerSecond: 1e6, deadlineMs: () => startMs + deadlineMs });
  const context: RetryContext = {
    ...time,
    pacer,
    random: () => random,
    signal: abort.signal,
    deadlineMs: () => startMs + deadlineMs,
    onRetry: (error, waitMs) => retried.push(`${error.failure} ${waitMs}`),
  };
  let calls = 0;
  /** fails with these errors, one by one, then answers */
  const run = (...errors: Error[]) =>
    withRetry(
      () => {
        calls += 1;
        const error = errors.shift();
        return error === undefined ? Promise.resolve('answer') : Promise.reject(error);
      },
      'projects',
      context,
    );
  return {
    ...time,
    context,
    run,
    retried,
    abort,
    pacer,
    calls: () => calls,
    elapsedMs: () => Math.round(time.now() - startMs),
  };
}

function failed(failure: HyCloudFailure, retryAfterMs: number | null = null): HyCloudError {
  return new HyCloudError(failure, 'projects', `it was ${failure}`, { retryAfterMs });
}

const five = (failure: HyCloudFailure) => Array.from({ length: 5 }, () => failed(failure));

test('a call that failed, and whose next turn is too late, tells its own error', async () => {
  const { run, context, pacer } = setup({ deadlineMs: 60_000 });
  const { sleep } = context;
  context.sleep = async (ms, signal) => {
    pacer.pause(600_000); // another call was asked to wait
    await sleep(ms, signal);
  };
  await expect(run(failed('server'))).rejects.toMatchObject({ failure: 'server' });
});

test('what succeeds is called once', async () => {
  const { run, calls, slept } = setup();
  expect(await run()).toBe('answer');
  expect([calls(), slept]).toEqual([1, []]);
});

describe('what may pass by itself is tried again', () => {
  test.each(['network', 'timeout', 'server', 'rate-limited'] as const)('%s', async (failure) => {
    const { run, calls, retried } = setup();
    expect(await run(failed(failure))).toBe('answer');
    expect(calls()).toBe(2);
    expect(retried).toHaveLength(1);
  });

  test('five times in all; the error says so', async () => {
    const { run, calls } = setup();
    await expect(run(...five('server'))).rejects.toMatchObject({
      failure: 'server',
      message: 'HyCloud, GET projects: it was server (5 attempts)',
    });
    expect(calls()).toBe(5);
  });
});

describe('what cannot pass by itself is called once', () => {
  const permanent = [
    'unauthorized',
    'forbidden',
    'not-found',
    'rejected',
    'tls',
    'too-large',
    'redirect',
    'malformed',
  ] as const;

  test.each(permanent)('%s', async (failure) => {
    const { run, calls } = setup();
    await expect(run(failed(failure))).rejects.toMatchObject({
      failure,
      message: `HyCloud, GET projects: it was ${failure}`,
    });
    expect(calls()).toBe(1);
  });

  test('and holds nobody else back, whatever it asks for', async () => {
    const { run, elapsedMs } = setup();
    await expect(run(failed('not-found', 3_600_000))).rejects.toMatchObject({ failure: 'not-found' });
    expect(await run()).toBe('answer');
    expect(elapsedMs()).toBe(0);
  });

  test('a defect of ours', async () => {
    const { run, calls } = setup();
    await expect(run(new TypeError('defect'))).rejects.toThrow(TypeError);
    expect(calls()).toBe(1);
  });
});

describe('the waits', () => {
  test.each([
    [0, [0, 0, 0, 0]],
    [0.5, [500, 1000, 2000, 4000]],
    [1, [1000, 2000, 4000, 8000]],
  ])('double, and are drawn from their whole range: random %d', async (random, waits) => {
    const { run, retried } = setup({ random });
    await expect(run(...five('network'))).rejects.toThrow();
    expect(retried).toEqual(waits.map((ms) => `network ${ms}`));
  });

  test('are at least what Retry-After asks for, of this call and of every other', async () => {
    const { run, elapsedMs, pacer, retried } = setup({ random: 0 });
    expect(await run(failed('server', 7000))).toBe('answer');
    expect(elapsedMs()).toBe(7000);
    expect(retried).toEqual(['server 7000']);
    await pacer.turn(new AbortController().signal);
    expect(elapsedMs()).toBe(7000);
  });

  test('hold back other calls while this one waits', async () => {
    const { run, pacer, elapsedMs } = setup();
    const call = run(failed('rate-limited', 7000));
    await call;
    await pacer.turn(new AbortController().signal);
    expect(elapsedMs()).toBeGreaterThanOrEqual(7000);
  });

  test('do not vanish where Retry-After asks for none: nobody is hammered', async () => {
    const { run, retried } = setup({ random: 0.5 });
    await expect(run(...Array.from({ length: 5 }, () => failed('server', 0)))).rejects.toThrow();
    expect(retried).toEqual(['server 500', 'server 1000', 'server 2000', 'server 4000']);
  });

  test('are five seconds after a 429 that names none', async () => {
    const { run, elapsedMs } = setup({ random: 0 });
    await run(failed('rate-limited'));
    expect(elapsedMs()).toBe(5000);
  });
});

describe('the deadline', () => {
  test('ends it where the wait would pass it', async () => {
    const { run, calls, slept } = setup({ deadlineMs: 2500 });
    await expect(run(...five('server'))).rejects.toMatchObject({
      message: 'HyCloud, GET projects: it was server (2 attempts)',
    });
    expect(calls()).toBe(2);
    expect(slept).toEqual([1000]);
  });

  test.each([60_001, 1e12, Infinity])('ends it at once where HyCloud asks for a longer pause: %d ms', async (ms) => {
    const { run, calls, slept } = setup({ deadlineMs: 60_000 });
    await expect(run(failed('rate-limited', ms))).rejects.toMatchObject({ failure: 'rate-limited' });
    await expect(run()).rejects.toMatchObject({
      failure: 'rate-limited',
      message: 'HyCloud, GET projects: not called: HyCloud asked for a pause that this run cannot wait for',
    });
    expect([calls(), slept]).toEqual([1, []]);
  });
});

test('a pace too slow for the deadline is not blamed on HyCloud', async () => {
  const { run, context } = setup();
  context.pacer = createPacer({ ...context, requestsPerSecond: 0.5, deadlineMs: () => context.now() + 1000 });
  await run();
  await expect(run()).rejects.toMatchObject({
    failure: 'aborted',
    message: 'HyCloud, GET projects: not called: at requests_per_second, its turn comes after run_deadline_seconds',
  });
});

describe('an abort', () => {
  test('before the call means no call', async () => {
    const { run, abort, calls } = setup();
    abort.abort();
    await expect(run()).rejects.toMatchObject({ failure: 'aborted' });
    expect(calls()).toBe(0);
  });

  test('during the call means no other, whatever became of it', async () => {
    const { abort, run, calls } = setup();
    const error = failed('server');
    const result = run(error);
    abort.abort();
    await expect(result).rejects.toMatchObject({ failure: 'aborted' });
    expect(calls()).toBeLessThanOrEqual(1);
  });

  test('while it waits for another attempt tells what kept it', async () => {
    const { abort, run, calls, context } = setup();
    context.sleep = () => {
      abort.abort();
      return Promise.reject(new Error('aborted'));
    };
    await expect(run(failed('server'))).rejects.toMatchObject({ failure: 'server' });
    expect(calls()).toBe(1);
  });
});
