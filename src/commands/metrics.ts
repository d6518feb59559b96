import { lstat, readFile } from 'node:fs/promises';
import { join, parse } from 'node:path';
import type { Logger } from 'pino';
import { LockedError } from '../database/errors.ts';
import { shardName, type Shard } from '../domain/shard.ts';
import { formatMetrics, type RunMetrics, type SeenValve } from '../reporting/metrics.ts';
import { replaceFile } from './replace-file.ts';
import type { RunListener } from './run-listener.ts';

export interface MetricsOptions {
  /** metrics_file; null: none is wanted */
  file: string | null;
  /** null: all valves */
  shard: Shard | null;
  /** only some of the targeted valves are polled */
  isNarrowed: boolean;
  log: Logger;
}

/** Writes the metrics of a run, also of one that fails. A run that finds another at work writes none: the other will. */
export function createMetrics({ file: wanted, shard, isNarrowed, log }: MetricsOptions): RunListener {
  if (wanted === null) return {};
  const file = shardFile(wanted, shard);
  const seen: SeenValve[] = [];
  return {
    polled: (valves) => {
      for (const { valve, newest } of valves) seen.push({ valve, newest });
    },
    ended: async ({ status, summary, error, requests, retries, seconds }) => {
      if (error instanceof LockedError) return;
      const cost = { requests, retries, seconds, endedUs: Date.now() * 1000, exitStatus: status };
      const report = summary?.report ?? null;
      const valves = report ? seen : [];
      await update(file, { ...cost, report, valves, isNarrowed, shard: shard && shardName(shard) }, log);
    },
  };
}

/** Each shard has a file of its own, beside the others': `tasmart.2-of-4.prom`. */
function shardFile(file: string, shard: Shard | null): string {
  if (shard === null) return file;
  const { dir, name, ext } = parse(file);
  return join(dir, `${name}.${shard.index}-of-${shard.count}${ext}`);
}

/** Whoever reads the file finds the old one or the new one, whole. That it cannot be written costs a warning. */
async function update(file: string, run: RunMetrics, log: Logger): Promise<void> {
  try {
    const previous = await readPrevious(file);
    await replaceFile(file, formatMetrics(run, previous), 0o644); // the collector is another user
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error);
    log.warn({ file, reason }, 'metrics_file could not be written');
  }
}

/** Nothing where there is no plain file: to wait for a planted pipe would take for ever. */
async function readPrevious(path: string): Promise<string> {
  const info = await lstat(path).catch(() => null);
  return info?.isFile() ? readFile(path, 'utf8').catch(() => '') : '';
}
