import { setImmediate as tick } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { inBatches, type BatchOptions } from '../../src/polling/batches.ts';

const LIMITS: BatchOptions<unknown> = { concurrency: 3, maxBatch: 4, lingerMs: 5 };
const numbers = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

async function settle(): Promise<void> {
  for (let n = 0; n < 20; n += 1) await tick();
}

/** Work that ends when told to. */
function controlledWork() {
  const running = new Map<number, PromiseWithResolve>();
  const begun: number[] = [];
  return {
    begun,
    running,
    work: (item: number) => {
      begun.push(item);
      const { promise, resolve, reject } = withResolve();
      running.set(item, { promise, resolve, reject });
      return promise.finally(() => running.delete(item));
    },
    finish: (...items: number[]) => {
      for (const item of items) running.get(item)?.resolve(item);
    },
  };
}

interface PromiseWithResolve {
  promise: Promise<number>;
  resolve: (value: number) => void;
  reject: (error: Error) => void;
}

function withResolve(): PromiseWithResolve {
  const out: Partial<PromiseWithResolve> = {};
  const promise = new Promise<number>((resolve, reject) => Object.assign(out, { resolve, reject }));
  return Object.assign(out as PromiseWithResolve, { promise });
}

async function collect<T>(batches: AsyncIterable<T[]>): Promise<T[][]> {
  const all: T[][] = [];
  for await (const batch of batches) all.push(batch);
  return all;
}

test('every item is worked on once, and handed out once', async () => {
  const batches = await collect(inBatches(numbers(100), (n) => tick(n * 10), LIMITS));
  expect(batches.flat().sort((a, b) => a - b)).toEqual(numbers(100).map((n) => n * 10));
  expect(Math.max(...batches.map((batch) => batch.length))).toBeGreaterThan(1);
});

test('nothing to do is no batch', async () => {
  expect(await collect(inBatches([], () => Promise.resolve(1), LIMITS))).toEqual([]);
});

test('items are handed out as they are done, not as they were given', async () => {
  const { work, finish } = controlledWork();
  const result = collect(inBatches([1, 2, 3], work, LIMITS));
  for (const item of [2, 3, 1]) {
    await settle();
    finish(item);
  }
  expect((await result).flat()).toEqual([2, 3, 1]);
});

test('no more is under way at a time than allowed', async () => {
  let [underWay, most] = [0, 0];
  const work = async () => {
    most = Math.max(most, (underWay += 1));
    await tick();
    underWay -= 1;
  };
  await collect(inBatches(numbers(50), work, { ...LIMITS, maxBatch: 100 }));
  expect(most).toBe(3);
});

test('what waits is counted by its size, not by its pieces', async () => {
  const options = { concurrency: 1, maxBatch: 10, lingerMs: 60_000, sizeOf: (size: number) => size };
  const batches = inBatches([4, 4, 4, 20, 1], (size) => Promise.resolve(size), options);
  expect(await collect(batches)).toEqual([[4, 4, 4], [20], [1]]);
});

test('a batch is handed out as soon as it is full, without lingering', async () => {
  const startedMs = performance.now();
  const batches = inBatches(numbers(8), (n) => Promise.resolve(n), { concurrency: 1, maxBatch: 4, lingerMs: 60_000 });
  expect(await collect(batches)).toEqual([
    [1, 2, 3, 4],
    [5, 6, 7, 8],
  ]);
  expect(performance.now() - startedMs).toBeLessThan(10_000);
});

test('a batch that does not fill is handed out after a while', async () => {
  const { work, finish } = controlledWork();
  const batches = inBatches([1, 2], work, { ...LIMITS, maxBatch: 100 });
  const first = batches.next();
  await settle();
  finish(1);
  expect((await first).value).toEqual([1]);
  finish(2);
  expect((await batches.next()).value).toEqual([2]);
  expect((await batches.next()).done).toBe(true);
});

test('a slow consumer holds the work back', async () => {
  const begun: number[] = [];
  const work = (n: number) => Promise.resolve(begun.push(n));
  const batches = inBatches(numbers(100), work, { concurrency: 2, maxBatch: 4, lingerMs: 5 });
  await batches.next();
  await settle();
  // What was taken, what waits, and what was under way when that was full.
  expect(begun.length).toBeLessThanOrEqual(2 * (4 + 1));
  await batches.return(undefined);
});

describe('an error', () => {
  test('ends it, after what was done and what was under way is handed out', async () => {
    const { work, finish, running, begun } = controlledWork();
    const seen: number[] = [];
    const result = (async () => {
      for await (const batch of inBatches(numbers(9), work, LIMITS)) seen.push(...batch);
    })();
    await settle();
    finish(1);
    await settle();
    running.get(2)?.reject(new Error('broken'));
    await settle();
    finish(3, 4);
    await expect(result).rejects.toThrow('broken');
    expect(seen).toEqual([1, 3, 4]);
    expect(begun).toEqual([1, 2, 3, 4]);
  });

  test('of several, the first is thrown', async () => {
    const work = async (n: number): Promise<never> => {
      await tick();
      throw new Error(`broken ${n}`);
    };
    await expect(collect(inBatches(numbers(9), work, LIMITS))).rejects.toThrow('broken 1');
  });

  test('wakes those who wait for room', async () => {
    let calls = 0;
    const work = async () => {
      calls += 1;
      if (calls === 3) throw new Error('broken');
      await tick();
    };
    await expect(collect(inBatches(numbers(50), work, { ...LIMITS, maxBatch: 1 }))).rejects.toThrow('broken');
  });
});

test('a consumer that leaves early has no more work begun', async () => {
  const { work, finish, begun } = controlledWork();
  const batches = inBatches(numbers(50), work, LIMITS);
  const first = batches.next();
  await settle();
  finish(1);
  await first;
  await batches.return(undefined);
  finish(2, 3, 4);
  await settle();
  expect(begun).toEqual([1, 2, 3, 4]);
});

test('a consumer that throws leaves no work and no rejection behind', async () => {
  const { work, finish, running, begun } = controlledWork();
  const result = (async () => {
    for await (const batch of inBatches(numbers(50), work, LIMITS)) throw new Error(`no room for ${String(batch)}`);
  })();
  await settle();
  finish(1);
  await expect(result).rejects.toThrow('no room for 1');
  running.get(2)?.reject(new Error('nobody listens'));
  finish(3);
  await settle();
  expect(begun.length).toBeLessThanOrEqual(4);
});
