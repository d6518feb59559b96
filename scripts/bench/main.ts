/**
 * `npm run bench`: measures the program as ratios of two things that are measured alternately. Ratios can be compared
 * between machines and days, seconds cannot.
 */
import { Command, Option } from 'commander';
import { createBench, median, type Sample } from './bench.ts';
import { measureGrowth, type Growth } from './growth.ts';
import { describeMachine } from './machine.ts';
import { printTables, type Measured } from './print.ts';
import { ROWS } from './rows.ts';
import { withStage } from './stage.ts';

/** The bench is stopped after this time, even if something hangs. */
const LIMIT_MS = 15 * 60_000;

const names = [...ROWS.map(({ name }) => name), 'growth'];
const options = new Command('bench')
  .description('Measures tasmart against a simulated HyCloud and an embedded PostgreSQL; takes some minutes')
  .addOption(new Option('--only <name>', 'one row').choices(names))
  .option('--json', 'print JSON')
  .parse()
  .opts<{ only?: string; json?: true }>();

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort(signal));
setTimeout(() => stop.abort('time limit'), LIMIT_MS).unref();

/** Replaces the line of progress. An empty text removes it. */
const say = (text: string): void => {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
};
const isWanted = (name: string): boolean => options.only === undefined || options.only === name;

/** The sample of a row that failed: the others are still measured. */
function failedSample(error: unknown): Sample {
  if (stop.signal.aborted) throw error;
  return { values: [], detail: error instanceof Error ? error.message : String(error) };
}

function summary({ values, detail }: Sample) {
  const [min, max] = values.length > 0 ? [Math.min(...values), Math.max(...values)] : [NaN, NaN];
  return { median: median(values), min, max, repetitions: values.length, detail };
}

try {
  const machine = await describeMachine();
  const rows: Measured[] = [];
  const growth: Growth[] = [];
  await withStage(stop.signal, async (stage) => {
    const bench = createBench(stage, say);
    for (const { measure, ...row } of ROWS.filter(({ name }) => isWanted(name))) {
      say(row.name);
      rows.push({ ...row, ...summary(await measure(bench).catch(failedSample)) });
    }
    if (isWanted('growth')) growth.push(...(await measureGrowth(bench)));
  });
  say('');
  if (options.json) console.log(JSON.stringify({ machine, rows, growth }, null, 2));
  else printTables(machine, rows, growth);
} catch (error) {
  if (!stop.signal.aborted) throw error;
  console.error(`\nstopped: ${String(stop.signal.reason)}`);
  process.exitCode = 130;
}
