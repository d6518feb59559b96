/** Works on many items at once, with a limit on how many are in progress. */

export interface BatchOptions<R> {
  concurrency: number;
  /** if results of this total size wait for the consumer, no more work begins */
  maxBatch: number;
  /** the size of a result; by default 1 */
  sizeOf?: (result: R) => number;
  /** how long a batch waits to fill */
  lingerMs: number;
}

/**
 * Does the work on every item, `concurrency` at a time. After a failure, no more work begins. Rejects with the first
 * failure when the work in progress has ended.
 */
export async function forEachAtOnce<T>(
  items: Iterable<T>,
  concurrency: number,
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  const iterator = items[Symbol.iterator]();
  const failures: unknown[] = [];
  async function worker(): Promise<void> {
    while (failures.length === 0) {
      const next = iterator.next();
      if (next.done) return;
      await work(next.value).catch((error: unknown) => failures.push(error));
    }
  }
  await Promise.all(Array.from({ length: concurrency }, worker));
  if (failures.length > 0) throw failures[0];
}

/**
 * Does the work on every item, `concurrency` at a time, and yields the results in batches, in order of completion.
 * A slow consumer delays the work. After a failure, yields the results of the work in progress, and then throws.
 */
export async function* inBatches<T, R>(
  items: Iterable<T>,
  work: (item: T) => Promise<R>,
  { concurrency, maxBatch, sizeOf = () => 1, lingerMs }: BatchOptions<R>,
): AsyncGenerator<R[]> {
  let ready: R[] = [];
  let readySize = 0;
  /** the consumer wants no more, or an error was thrown */
  let hasStopped = false;
  /** opens when a batch is full or has waited long enough */
  let filled = createGate();
  /** opens when the consumer has taken the batch */
  let taken = createGate();

  function* untilStopped(): Generator<T> {
    for (const item of items) {
      if (hasStopped) return;
      yield item;
    }
  }
  const allDone = forEachAtOnce(untilStopped(), concurrency, async (item) => {
    const result = await work(item);
    ready.push(result);
    readySize += sizeOf(result);
    if (readySize >= maxBatch) filled.open();
    while (readySize >= maxBatch && !hasStopped) await taken.passed;
  });
  // Does not reject: the last batch is yielded before `await allDone` throws a failure.
  const ended = allDone.then(
    () => true,
    () => true,
  );

  try {
    for (let hasEnded = false; !hasEnded;) {
      const timer = setTimeout(() => filled.open(), lingerMs);
      hasEnded = await Promise.race([ended, filled.passed.then(() => false)]);
      clearTimeout(timer);
      const batch = ready;
      // Empty the batch before the gate opens: the waiting work looks at its size.
      ready = [];
      readySize = 0;
      filled = createGate();
      taken.open();
      taken = createGate();
      if (batch.length > 0) yield batch;
    }
    await allDone;
  } finally {
    hasStopped = true;
    taken.open();
  }
}

interface Gate {
  /** Resolves once the gate is open. */
  passed: Promise<void>;
  open: () => void;
}

function createGate(): Gate {
  let open: () => void = () => undefined;
  const passed = new Promise<void>((resolve) => (open = resolve));
  return { passed, open };
}
