import type { Logger } from 'pino';
import { formatRfc3339, type Micros } from '../domain/time.ts';
import type { ValveOutcome } from './valve.ts';

/** Notes what catch_up_days keeps a run from asking for, and tells of it once: no later run will either. */
export function createUnreached(): { add: (outcomes: readonly ValveOutcome[]) => void; warn: (log: Logger) => void } {
  let valves = 0;
  let [fromUs, toUs]: [Micros, Micros] = [Infinity, -Infinity];
  return {
    add(outcomes) {
      for (const { unreached } of outcomes) {
        if (!unreached) continue;
        valves += 1;
        fromUs = Math.min(fromUs, unreached.fromUs);
        toUs = Math.max(toUs, unreached.toUs);
      }
    },
    warn(log) {
      if (valves === 0) return;
      const remedy = `run "tasmart backfill --from ${formatRfc3339(fromUs)} --to ${formatRfc3339(toUs)}"`;
      log.warn(
        { valves, remedy },
        'valves were last synced longer ago than catch_up_days; what lies between is not fetched',
      );
    },
  };
}
