/** Waits for a condition. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until a condition holds, for at most a minute. `what` describes it in the error. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 60_000;
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`waited in vain: ${what}`);
    await sleep(10);
  }
}
