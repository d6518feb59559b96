import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createPacer, TurnBeyondDeadline } from '../../src/hycloud/pacer.ts';
import { virtualTime, type VirtualTime } from './virtual-time.ts';

const never = new AbortController().signal;

function pacerOf(time: VirtualTime, requestsPerSecond: number, deadlineMs = Infinity) {
  return createPacer({ ...time, requestsPerSecond, deadlineMs: () => deadlineMs });
}

/** The times of so many turns, all asked for at once. */
async function turns(time: VirtualTime, pacer: ReturnType<typeof pacerOf>, count: number): Promise<number[]> {
  const takenMs: number[] = [];
  await Promise.all(Array.from({ length: count }, () => pacer.turn(never).then(() => takenMs.push(time.now()))));
  return takenMs;
}

test('the first turn comes at once, the others evenly spaced', async () => {
  const time = virtualTime();
  const startMs = time.now();
  const takenMs = await turns(time, pacerOf(time, 20), 4);
  expect(takenMs.map((atMs) => atMs - startMs)).toEqual([0, 50, 100, 150]);
});

test('no wait is negative, although the clock moves between two looks at it', async () => {
  const time = virtualTime();
  const now = () => {
    time.advance(0.6);
    return time.now();
  };
  await turns(time, pacerOf({ ...time, now }, 1000), 20);
  expect(time.slept.length).toBeGreaterThan(0);
  expect(time.slept.filter((ms) => ms <= 0)).toEqual([]);
});

test('nobody waits where requests are rare', async () => {
  const time = virtualTime();
  const pacer = pacerOf(time, 20);
  await pacer.turn(never);
  time.advance(50);
  await pacer.turn(never);
  expect(time.slept).toEqual([]);
});

test('in no second are there more turns than the rate, however timers and callers behave', async () => {
  const rate = fc.oneof(fc.integer({ min: 1, max: 50 }), fc.constantFrom(0.5, 2.5, 33.3));
  const skews = fc.infiniteStream(fc.integer({ min: -40, max: 200 }));
  const idle = fc.array(fc.integer({ min: 0, max: 1500 }), { minLength: 1, maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(rate, skews, idle, async (requestsPerSecond, skew, idleMs) => {
      const time = virtualTime(() => Number(skew.next().value));
      const pacer = pacerOf(time, requestsPerSecond);
      const takenMs: number[] = [];
      for (const ms of idleMs) {
        time.advance(ms % 7 === 0 ? ms : 0);
        takenMs.push(...(await turns(time, pacer, 1)));
      }
      for (const fromMs of takenMs) {
        const inASecond = takenMs.filter((atMs) => atMs >= fromMs && atMs < fromMs + 999.999);
        expect(inASecond.length).toBeLessThanOrEqual(Math.ceil(requestsPerSecond));
      }
    }),
  );
});

test('a late timer is not made up for by a burst', async () => {
  const lateness = [0, 500, 0, 0];
  const time = virtualTime(() => lateness.shift() ?? 0);
  const takenMs = await turns(time, pacerOf(time, 10), 4);
  expect(takenMs.map((atMs) => atMs - (takenMs[0] ?? 0))).toEqual([0, 100, 700, 800]);
});

test('first come, first served', async () => {
  const time = virtualTime();
  const pacer = pacerOf(time, 10);
  const order: number[] = [];
  await Promise.all([1, 2, 3, 4, 5].map((caller) => pacer.turn(never).then(() => order.push(caller))));
  expect(order).toEqual([1, 2, 3, 4, 5]);
});

describe('a pause', () => {
  test('holds back everybody from now on', async () => {
    const time = virtualTime();
    const pacer = pacerOf(time, 10);
    const startMs = time.now();
    pacer.pause(3000);
    expect((await turns(time, pacer, 3)).map((atMs) => atMs - startMs)).toEqual([3000, 3100, 3200]);
  });

  test('holds back those who wait already', async () => {
    const time = virtualTime();
    let pacer = pacerOf(time, 10);
    let calls = 0;
    const sleep: typeof time.sleep = (ms, signal) => {
      if ((calls += 1) === 1) pacer.pause(1000);
      return time.sleep(ms, signal);
    };
    pacer = createPacer({ ...time, sleep, requestsPerSecond: 10, deadlineMs: () => Infinity });
    const [firstMs = 0, secondMs = 0] = await turns(time, pacer, 2);
    expect(secondMs - firstMs).toBe(1000);
  });

  test('that is shorter than another shortens nothing', async () => {
    const time = virtualTime();
    const pacer = pacerOf(time, 10);
    const startMs = time.now();
    pacer.pause(3000);
    pacer.pause(1);
    expect((await turns(time, pacer, 1)).map((atMs) => atMs - startMs)).toEqual([3000]);
  });
});

describe('the deadline', () => {
  test('lets nobody wait for a turn behind it', async () => {
    const time = virtualTime();
    const pacer = pacerOf(time, 10, time.now() + 5000);
    pacer.pause(5001);
    const turn = pacer.turn(never);
    await expect(turn).rejects.toThrow(TurnBeyondDeadline);
    await expect(turn).rejects.toMatchObject({ isPaused: true });
    expect(time.slept).toEqual([]);
  });

  test('tells a pause from a pace that is too slow by itself', async () => {
    const time = virtualTime();
    const pacer = pacerOf(time, 0.1, time.now() + 5000);
    pacer.pause(1000);
    await pacer.turn(never);
    await expect(pacer.turn(never)).rejects.toMatchObject({ isPaused: false });
    expect(time.slept).toEqual([1000]);
  });

  test('lets everybody wait for a turn just before it', async () => {
    const time = virtualTime();
    const pacer = pacerOf(time, 10, time.now() + 5000);
    pacer.pause(5000);
    await pacer.turn(never);
    expect(time.slept).toEqual([5000]);
  });
});

test('whoever is aborted gives the turn to the next', async () => {
  const time = virtualTime();
  const pacer = pacerOf(time, 10);
  const abort = new AbortController();
  abort.abort();
  const [first, second] = [pacer.turn(abort.signal), pacer.turn(never)];
  await expect(first).rejects.toThrow();
  await second;
  expect(time.slept).toEqual([]);
});
