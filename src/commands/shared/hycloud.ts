/** Opens the HyCloud client for a command: proxy, pace, clock, retries in the log. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { getProxyForUrl } from 'proxy-from-env';
import type { Config, HyCloudConfig } from '../../config/config.ts';
import { KnownError } from '../../domain/errors.ts';
import { count } from '../../domain/text.ts';
import { createHyCloud, type HyCloud } from '../../hycloud/client.ts';
import { VERSION } from './package.ts';

export interface RequestLimits {
  signal: AbortSignal;
  /** Milliseconds of performance.now(). The client waits for nothing after this time. */
  deadlineMs: () => number;
}

/** How fast one account may ask HyCloud. Each account has its own pace and connections. */
export type Pace = Pick<Config, 'maxConcurrency' | 'requestsPerSecond' | 'requestTimeoutSeconds'>;

/** Calls `use` with a HyCloud client for an account. Closes the client afterwards. */
export async function withHyCloud<T>(
  credentials: HyCloudConfig,
  pace: Pace,
  { signal, deadlineMs }: RequestLimits,
  log: Logger,
  use: (hycloud: HyCloud) => Promise<T>,
): Promise<T> {
  // Stop all requests and retries when `use` ends. Otherwise a pending retry would keep the process alive.
  const ended = new AbortController();
  const hycloud = createHyCloud({
    ...credentials,
    userAgent: `tasmart/${VERSION}`,
    maxConcurrency: pace.maxConcurrency,
    requestsPerSecond: pace.requestsPerSecond,
    requestTimeoutMs: pace.requestTimeoutSeconds * 1000,
    proxy: proxyFor(credentials.baseUrl),
    deadlineMs,
    signal: AbortSignal.any([signal, ended.signal]),
    now: () => performance.now(),
    sleep: (ms, stopSignal) => delay(ms, undefined, { signal: stopSignal }),
    random: Math.random,
    clockUs: () => Date.now() * 1000,
    onRetry: (error, waitMs) =>
      log.warn({ path: error.path, waitMs: Math.round(waitMs) }, `${error.detail}: trying again`),
    onSkippedProjects: (skipped) =>
      log.warn(`HyCloud's list of projects: ${count(skipped, 'entry', 'entries')} without a usable id or name skipped`),
  });
  try {
    return await use(hycloud);
  } finally {
    ended.abort();
    hycloud.close();
  }
}

/**
 * The proxy that HTTPS_PROXY, ALL_PROXY and NO_PROXY name. Null also for http, which only loopback may use.
 *
 * @throws KnownError exit 78, without the variable's value, which may hold a password
 */
function proxyFor(baseUrl: string): URL | null {
  const text = baseUrl.startsWith('https:') ? getProxyForUrl(baseUrl) : '';
  if (text === '') return null;
  if (isProxyUrl(text)) return new URL(text);
  throw new KnownError('config', 'HTTPS_PROXY or ALL_PROXY is not the URL of a proxy that tasmart can use', {
    remedy:
      'write for example http://user:password@proxy.example.com:3128, with %25 for a % in the password; NO_PROXY names hosts that need no proxy',
  });
}

function isProxyUrl(text: string): boolean {
  try {
    const { protocol, username, password } = new URL(text);
    decodeURIComponent(`${username}${password}`);
    return protocol === 'http:' || protocol === 'https:';
  } catch {
    return false;
  }
}
