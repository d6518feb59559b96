/** Writes metrics_file after a poll. */
import { lstat, readFile } from 'node:fs/promises';
import { join, parse } from 'node:path';
import type { Logger } from 'pino';
import type { Config } from '../../config/config.ts';
import type { Account } from '../../domain/account.ts';
import { EXIT_STATUS } from '../../domain/errors.ts';
import { shardName, type Shard } from '../../domain/shard.ts';
import { formatMetrics, type RunMetrics, type SeenValve } from '../../reporting/metrics.ts';
import { replaceFile } from '../shared/replace-file.ts';
import type { RunListener } from './run-listener.ts';

/**
 * Writes the metrics of a run, also if it fails. Omits an account that another run is polling: that run writes them.
 *
 * @param isNarrowed only some of the targeted valves are polled
 */
export function createMetrics(
  { metricsFile, shard }: Pick<Config, 'metricsFile' | 'shard'>,
  isNarrowed: boolean,
  log: Logger,
): RunListener {
  if (metricsFile === null) return {};
  const file = shardFile(metricsFile, shard);
  const polledValves = new Map<Account, SeenValve[]>();
  return {
    polled: (valves, _nowUs, account) => {
      const ofAccount = polledValves.get(account) ?? [];
      for (const { valve, newest } of valves) ofAccount.push({ valve, newest });
      polledValves.set(account, ofAccount);
    },
    ended: async ({ accounts }) => {
      const endedUs = Date.now() * 1000;
      const runs = accounts.map(({ account, status, ...run }) => ({
        ...run,
        endedUs,
        account: account.name,
        exitStatus: status,
        isLocked: status === EXIT_STATUS.locked,
        valves: run.report ? (polledValves.get(account) ?? []) : [],
        isNarrowed,
        shard: shard && shardName(shard),
      }));
      if (runs.some(({ isLocked }) => !isLocked)) await updateFile(file, runs, log);
    },
  };
}

/** Each shard has its own file in the same folder: `tasmart.2-of-4.prom`. */
function shardFile(file: string, shard: Shard | null): string {
  if (shard === null) return file;
  const { dir, name, ext } = parse(file);
  return join(dir, `${name}.${shard.index}-of-${shard.count}${ext}`);
}

/** Replaces the file atomically. If it cannot be written, only warns. */
async function updateFile(file: string, runs: readonly RunMetrics[], log: Logger): Promise<void> {
  try {
    const previous = await readPrevious(file);
    await replaceFile(file, formatMetrics(runs, previous), 0o644); // the collector is another user
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error);
    log.warn({ file, reason }, 'metrics_file could not be written');
  }
}

/** Empty if there is no plain file. A pipe must not be opened: reading it could wait forever. */
async function readPrevious(path: string): Promise<string> {
  const info = await lstat(path).catch(() => null);
  return info?.isFile() ? readFile(path, 'utf8').catch(() => '') : '';
}
