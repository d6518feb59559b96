import { hostname } from 'node:os';
import type { Logger } from 'pino';
import { EXIT_STATUS, KnownError } from '../domain/errors.ts';
import { errorStatus, stopStatus } from './exit-status.ts';

/** Together five seconds at most; the first runs beside the work. */
const START_LIMIT_MS = 2000;
const END_LIMIT_MS = 3000;

/** How a run ended, and what may be told about it to somebody else's service. */
export interface Ending {
  status: number;
  text: string;
}

/**
 * Tells the monitor that a run began (when `work` calls its argument) and how it ended: the plain URL for success, else
 * the exit status. Without a URL, or where the monitor fails, the run is just the same.
 *
 * A run that finds another one under way is only noted: it says neither that all is well nor that a run began, so that
 * one that hangs is missed however many come after it.
 *
 * @see https://healthchecks.io/docs/http_api/
 */
export async function withHealthcheck(
  url: string | null,
  { signal, log }: { signal: AbortSignal; log: Logger },
  work: (begun: () => void) => Promise<Ending>,
): Promise<number> {
  let start: Promise<void> | null = null;
  const begun = () => {
    start ??= ping(url, '/start', '', START_LIMIT_MS, log);
  };
  const end = async ({ status, text }: Ending) => {
    await start; // or it might come in after the end
    const suffix = status === EXIT_STATUS.locked ? '/log' : status === 0 ? '' : `/${status}`;
    await ping(url, suffix, `${text} (exit status ${status}, ${hostname()})`, END_LIMIT_MS, log);
  };
  try {
    const ending = await work(begun);
    await end({ ...ending, status: stopStatus(signal) ?? ending.status });
    return ending.status;
  } catch (error) {
    const status = stopStatus(signal) ?? errorStatus(error);
    await end({ status, text: describe(status, error) });
    throw error;
  }
}

/** Its kind alone: an error's message may hold names, addresses, whatever somebody typed. */
function describe(status: number, error: unknown): string {
  if (error instanceof KnownError && status === EXIT_STATUS[error.kind]) return `failed: ${error.kind}`;
  return status === EXIT_STATUS.defect ? 'failed: a defect of tasmart' : 'interrupted';
}

/** The URL is a secret of its own, so nothing but its host is logged. */
async function ping(url: string | null, suffix: string, body: string, limitMs: number, log: Logger): Promise<void> {
  if (url === null) return;
  const target = new URL(url);
  target.pathname = `${target.pathname.replace(/\/$/, '')}${suffix}`;
  try {
    const { ok, status } = await fetch(target, { method: 'POST', body, signal: AbortSignal.timeout(limitMs) });
    if (!ok) log.warn({ host: target.host, status }, 'HEALTHCHECK_URL: the monitor did not take the ping');
  } catch (error) {
    const { name, cause } = error as { name: string; cause?: { code?: string } };
    log.warn({ host: target.host, reason: cause?.code ?? name }, 'HEALTHCHECK_URL: the monitor cannot be reached');
  }
}
