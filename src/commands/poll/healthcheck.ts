/** Reports the start and the end of a poll to a monitor, HEALTHCHECK_URL. */
import { hostname } from 'node:os';
import type { Logger } from 'pino';
import { EXIT_STATUS, KnownError } from '../../domain/errors.ts';
import { count } from '../../domain/text.ts';
import type { Ending, RunListener } from './run-listener.ts';

/** Timeouts of a ping. The ping at the start does not delay the poll; the end waits for it. */
const START_TIMEOUT_MS = 2000;
const END_TIMEOUT_MS = 3000;

/**
 * Pings `/start` when a run begins. When it ends, pings the URL itself for success, or `/<exit status>`. If the monitor
 * fails, the run does not change.
 *
 * A run that another run locks out pings `/log`, which is neither a success nor a failure. So the monitor still notices
 * if the other run hangs.
 *
 * @param url null: no monitor is configured
 * @see https://healthchecks.io/docs/http_api/
 */
export function createHealthcheck(url: string | null, log: Logger): RunListener {
  if (url === null) return {};
  let start: Promise<void> | undefined;
  return {
    // Called for each account. The first one pings.
    begun: () => {
      start ??= ping(url, '/start', '', START_TIMEOUT_MS, log);
    },
    ended: async (ending) => {
      await start; // the monitor must not receive the start after the end
      const { status } = ending;
      const body = `${describe(ending)} (exit status ${status}, ${hostname()})`;
      await ping(url, suffixOf(status), body, END_TIMEOUT_MS, log);
    },
  };
}

function suffixOf(status: number): string {
  if (status === EXIT_STATUS.locked) return '/log';
  return status === 0 ? '' : `/${status}`;
}

/** Counts and kinds only: the monitor belongs to a third party, and an error's message may hold names or addresses. */
function describe({ summary, error, status }: Ending): string {
  // After a signal, the status is the signal's.
  const isKind = error instanceof KnownError && status === EXIT_STATUS[error.kind];
  const isDefect = status === EXIT_STATUS.defect;
  const failure = isKind ? `failed: ${error.kind}` : isDefect ? 'failed: a defect of tasmart' : 'interrupted';
  if (!summary) return failure;
  const { outcome, valves, stored, silent, failures } = summary.report;
  const { requests, retries } = summary;
  return `${error === null ? outcome : failure}: ${count(valves, 'valve')}, ${count(stored, 'reading')} stored, ${silent} silent, ${failures.length} failed, ${count(requests, 'request')}, ${count(retries, 'retry', 'retries')}`;
}

/** The URL is a secret: log its host only. */
async function ping(url: string, suffix: string, body: string, timeoutMs: number, log: Logger): Promise<void> {
  const target = new URL(url);
  target.pathname = `${target.pathname.replace(/\/$/, '')}${suffix}`;
  try {
    const { ok, status } = await fetch(target, { method: 'POST', body, signal: AbortSignal.timeout(timeoutMs) });
    if (!ok) log.warn({ host: target.host, status }, 'HEALTHCHECK_URL: the monitor did not take the ping');
  } catch (error) {
    const { name, cause } = error as { name: string; cause?: { code?: string } };
    log.warn({ host: target.host, reason: cause?.code ?? name }, 'HEALTHCHECK_URL: the monitor cannot be reached');
  }
}
