/** How work is cut into batches: as many as have come when the last batch is done with, within these bounds. */
export interface BatchOptions<R> {
  concurrency: number;
  /** no more work begins while results of this size wait to be taken; what is under way then is added */
  maxBatch: number;
  /** of a result; 1 where it is not given */
  sizeOf?: (result: R) => number;
  /** how long a batch waits to fill */
  lingerMs: number;
}

/**
 * Does the work on every item, `concurrency` at a time, and hands out what is done in batches, in order of completion.
 * A slow consumer holds the work back. The first error ends it, once the work under way is done.
 */
export async function* inBatches<T, R>(
  items: Iterable<T>,
  work: (item: T) => Promise<R>,
  { concurrency, maxBatch, sizeOf = () => 1, lingerMs }: BatchOptions<R>,
): AsyncGenerator<R[]> {
  const iterator = items[Symbol.iterator]();
  let done: R[] = [];
  let doneSize = 0;
  let stopped = false;
  const failures: unknown[] = [];
  let filled = createGate();
  let taken = createGate();

  async function worker(): Promise<void> {
    for (;;) {
      while (doneSize >= maxBatch && !stopped) await taken.passed;
      const next = stopped ? null : iterator.next();
      if (!next || next.done) return;
      const result = await work(next.value);
      done.push(result);
      doneSize += sizeOf(result);
      if (doneSize >= maxBatch) filled.open();
    }
  }

  const workers = Array.from({ length: concurrency }, () =>
    worker().catch((error: unknown) => {
      failures.push(error);
      stopped = true;
    }),
  );
  const ended = Promise.all(workers).then(() => 'ended' as const);

  try {
    for (let state = ''; state !== 'ended';) {
      const timer = setTimeout(() => filled.open(), lingerMs);
      state = await Promise.race([ended, filled.passed]);
      clearTimeout(timer);
      const batch = done;
      done = [];
      doneSize = 0;
      filled = createGate();
      taken.open();
      taken = createGate();
      if (batch.length > 0) yield batch;
    }
    if (failures.length > 0) throw failures[0];
  } finally {
    stopped = true;
    taken.open();
  }
}

interface Gate {
  passed: Promise<'open'>;
  open: () => void;
}

function createGate(): Gate {
  let open: () => void = () => undefined;
  const passed = new Promise<'open'>((resolve) => {
    open = () => resolve('open');
  });
  return { passed, open };
}
