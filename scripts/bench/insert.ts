/** The bench's row about storing readings. */
import { join } from 'node:path';
import { formatMs, median, type Bench, type Sample } from './bench.ts';
import { runNode } from './child.ts';
import type { InsertTimes, InsertTask } from './workers/insert.ts';

/** Wall time of storing 100 000 readings ÷ that of COPY. */
export async function insertOverCopy({ stage }: Bench): Promise<Sample> {
  const { server } = await stage.freshDatabase();
  const task: InsertTask = { server, csvFile: join(stage.folder, 'readings.csv'), repetitions: 5 };
  const { stdout } = await runNode([stage.worker('insert'), JSON.stringify(task)], stage.signal, {
    keepStdout: true,
    timeoutMs: 120_000,
  });
  const { repositoryMs, copyMs } = JSON.parse(stdout) as InsertTimes;
  return {
    values: repositoryMs.map((ms, index) => ms / (copyMs[index] ?? NaN)),
    detail: `${formatMs(median(repositoryMs))} over ${formatMs(median(copyMs))}`,
  };
}
