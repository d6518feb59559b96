import { chmod, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, parse } from 'node:path';
import type { Logger } from 'pino';
import { LockedError } from '../database/errors.ts';
import type { HyCloudStats } from '../hycloud/client.ts';
import { shardName, type Shard } from '../domain/shard.ts';
import { formatMetrics, type RunMetrics, type SeenValve } from '../reporting/metrics.ts';
import type { PollSummary } from '../reporting/poll.ts';
import { errorStatus, pollStatus, stopStatus } from './exit-status.ts';

export interface MetricsOptions {
  /** null: none are wanted */
  file: string | null;
  /** null: all valves */
  shard: Shard | null;
  /** on performance.now()'s clock */
  startedMs: number;
  isNarrowed: boolean;
  signal: AbortSignal;
  log: Logger;
}

/**
 * Writes the metrics of a run, also of one that fails; not of one that found another at work, which will write its own.
 * `stats` tells what HyCloud was asked, as far as it came to that, `valves` what was seen of them once `work` is done.
 */
export async function withMetrics(
  { file: wanted, shard, startedMs, isNarrowed, signal, log }: MetricsOptions,
  stats: () => HyCloudStats,
  valves: readonly SeenValve[],
  work: () => Promise<PollSummary>,
): Promise<PollSummary> {
  const file = wanted && shardFile(wanted, shard);
  const write = async (report: RunMetrics['report'], exitStatus: number) => {
    if (file === null) return;
    const seconds = (performance.now() - startedMs) / 1000;
    const cost = { ...stats(), seconds, endedUs: Date.now() * 1000, exitStatus: stopStatus(signal) ?? exitStatus };
    const seen = { report, valves: report ? valves : [], isNarrowed, shard: shard && shardName(shard) };
    await update(file, { ...cost, ...seen }, log);
  };
  try {
    const summary = await work();
    await write(summary.report, pollStatus(summary.report));
    return summary;
  } catch (error) {
    if (!(error instanceof LockedError)) await write(null, errorStatus(error));
    throw error;
  }
}

/** Each shard has a file of its own, beside the others': `tasmart.2-of-4.prom`. */
function shardFile(file: string, shard: Shard | null): string {
  if (shard === null) return file;
  const { dir, name, ext } = parse(file);
  return join(dir, `${name}.${shard.index}-of-${shard.count}${ext}`);
}

/** Whoever reads the file finds the old one or the new one, whole. That it cannot be written costs a warning. */
async function update(file: string, run: RunMetrics, log: Logger): Promise<void> {
  // Its name does not end in .prom, or the collector would read it too.
  const draft = `${file}.${process.pid}`;
  try {
    const previous = await readFile(file, 'utf8').catch(() => '');
    await writeFile(draft, formatMetrics(run, previous));
    await chmod(draft, 0o644); // the collector is another user, whatever our umask is
    await rename(draft, file);
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error);
    log.warn({ file, reason }, 'metrics_file could not be written');
    await rm(draft, { force: true }).catch(() => undefined);
  }
}
