import { formatRfc3339, US_PER_DAY, US_PER_MINUTE } from '../../src/domain/time.ts';
import { inTurn, median, type Bench, type Sample } from './bench.ts';
import { runNode, runProbed } from './child.ts';
import { NOW_US } from './fleet.ts';
import { headersOf } from './request.ts';
import type { Parsed, ParseTask } from './workers/parse.ts';

const LIMIT_MS = 180_000;
const TO_US = NOW_US - (NOW_US % US_PER_DAY);
const FROM_US = TO_US - 365 * US_PER_DAY;
/** What a backfill asks for at once: the quarters that fit a page of 2000 points, one every 15 s. */
const PAGE_US = 33 * 15 * US_PER_MINUTE;

/** A year of one valve, 2.1 million points, into an empty database. */
export async function backfillOverParsing(bench: Bench, count: number): Promise<Sample> {
  const { stage } = bench;
  const fleet = await bench.fleet(7);
  const [valve = ''] = fleet.projects[0]?.valves.keys() ?? [];
  const env = fleet.env();
  const span = ['--from', formatRfc3339(FROM_US), '--to', formatRfc3339(TO_US)];

  async function backfill() {
    bench.say('backfill of a year');
    const args = fleet.args('backfill', ...span, '--valve', valve);
    const into = fleet.env(await stage.freshDatabase());
    return runProbed(args, stage.signal, stage.folder, { env: into, timeoutMs: LIMIT_MS });
  }
  async function parse(): Promise<Parsed> {
    bench.say('parsing the same pages');
    const pointsUrl = `${env['HYCLOUD_BASE_URL'] ?? ''}ta-smart/${valve}/data/points`;
    const task: ParseTask = { headers: headersOf(env), pointsUrl, fromUs: FROM_US, toUs: TO_US, pageUs: PAGE_US };
    const options = { env, timeoutMs: LIMIT_MS, wanted: true };
    const { stdout } = await runNode([stage.worker('parse'), JSON.stringify(task)], stage.signal, options);
    return JSON.parse(stdout) as Parsed;
  }
  const pairs = await inTurn(count, backfill, parse);
  const [ours, parsed] = [median(pairs.map(([one]) => one.cpuMs)), median(pairs.map(([, one]) => one.cpuMs))];
  const fetching = median(pairs.map(([, one]) => one.fetchCpuMs / one.cpuMs));
  return {
    values: pairs.map(([one, other]) => one.cpuMs / other.cpuMs),
    detail: `${ours.toFixed(0)} ms over ${parsed.toFixed(0)} ms, ${pairs[0]?.[1].points ?? 0} points; a bare axios loop that parses nothing ${fetching.toFixed(2)}`,
  };
}
