import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { getProxyForUrl } from 'proxy-from-env';
import type { Config, HyCloudConfig } from '../config/config.ts';
import { KnownError } from '../domain/errors.ts';
import { createHyCloud, type HyCloud } from '../hycloud/client.ts';
import { VERSION } from './package.ts';

export interface Limits {
  signal: AbortSignal;
  /** on performance.now()'s clock, in milliseconds: nothing is waited for beyond it */
  deadlineMs: () => number;
}

/** What every account has of its own towards HyCloud: its pace and its connections. */
export type Pace = Pick<Config, 'maxConcurrency' | 'requestsPerSecond' | 'requestTimeoutSeconds'>;

/** An account's HyCloud, with real time and chance. */
export async function withHyCloud<T>(
  credentials: HyCloudConfig,
  pace: Pace,
  { signal, deadlineMs }: Limits,
  log: Logger,
  use: (hycloud: HyCloud) => Promise<T>,
): Promise<T> {
  // However it ends, nothing may go on fetching: a retry that nobody waits for would keep the process alive.
  const over = new AbortController();
  const hycloud = createHyCloud({
    ...credentials,
    userAgent: `tasmart/${VERSION}`,
    maxConcurrency: pace.maxConcurrency,
    requestsPerSecond: pace.requestsPerSecond,
    requestTimeoutMs: pace.requestTimeoutSeconds * 1000,
    proxy: proxyFor(credentials.baseUrl),
    deadlineMs,
    signal: AbortSignal.any([signal, over.signal]),
    now: () => performance.now(),
    sleep: (ms, abort) => delay(ms, undefined, { signal: abort }),
    random: Math.random,
    clockUs: () => Date.now() * 1000,
    onRetry: (error, waitMs) =>
      log.warn({ path: error.path, waitMs: Math.round(waitMs) }, `${error.detail}: trying again`),
  });
  try {
    return await use(hycloud);
  } finally {
    over.abort();
    hycloud.close();
  }
}

/** As HTTPS_PROXY, ALL_PROXY and NO_PROXY say. @throws KnownError exit 78, without the value, which may hold a password */
function proxyFor(baseUrl: string): URL | null {
  const text = baseUrl.startsWith('https:') ? getProxyForUrl(baseUrl) : '';
  if (text === '') return null;
  if (isProxyUrl(text)) return new URL(text);
  throw new KnownError('config', 'HTTPS_PROXY or ALL_PROXY is no URL of a proxy that tasmart can use', {
    remedy:
      'such as http://user:password@proxy.example.com:3128, with %25 for a % in the password; NO_PROXY names hosts that are reached without',
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
