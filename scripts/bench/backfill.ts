/** Measures the CPU that a backfill of a year takes. */
import { formatRfc3339, US_PER_DAY } from '../../src/domain/time.ts';
import type { Bench, Sample } from './bench.ts';
import { runProbed } from './child.ts';
import { NOW_US } from './fleet.ts';

const LIMIT_MS = 180_000;
const TO_US = NOW_US - (NOW_US % US_PER_DAY);
const FROM_US = TO_US - 365 * US_PER_DAY;
/** The default of requests_per_second. */
const REQUESTS_PER_SECOND = 20;

/**
 * Backfills a year of one valve (2.1 million points), at no pace. Returns CPU time ÷ the time that the default pace would take.
 */
export async function backfillOverPace(bench: Bench): Promise<Sample> {
  bench.say('backfill of a year');
  const fleet = await bench.fleet(7); // the smallest that other rows use, too
  const [valve = ''] = fleet.projects[0]?.valves.keys() ?? [];
  const span = ['--from', formatRfc3339(FROM_US), '--to', formatRfc3339(TO_US)];
  const env = fleet.env(await bench.stage.freshDatabase());
  const { requests: requestsBefore } = await fleet.hycloud.steer();
  const { cpuMs } = await runProbed(
    fleet.args('backfill', ...span, '--valve', valve),
    bench.stage.signal,
    bench.stage.folder,
    { env, timeoutMs: LIMIT_MS },
  );
  const requests = (await fleet.hycloud.steer()).requests - requestsBefore;
  const paceMs = (requests / REQUESTS_PER_SECOND) * 1000;
  return {
    values: [cpuMs / paceMs],
    detail: `${cpuMs.toFixed(0)} ms over ${(paceMs / 1000).toFixed(0)} s for ${requests} requests at ${REQUESTS_PER_SECOND} a second`,
  };
}
