/** The errors of calls to HyCloud. */
import { KnownError, type ErrorKind } from '../domain/errors.ts';

/**
 * Why a call failed. Decisions depend on this, never on HyCloud's texts. `unreadable`: no JSON, or a damaged answer.
 * `malformed`: JSON or a packing that is not what the API promises. `rejected`: any other 4xx.
 */
export type HyCloudFailure =
  | 'unauthorized'
  | 'forbidden'
  | 'not-found'
  | 'rejected'
  | 'rate-limited'
  | 'server'
  | 'network'
  | 'tls'
  | 'timeout'
  | 'too-large'
  | 'redirect'
  | 'proxy'
  | 'unreadable'
  | 'malformed'
  | 'aborted';

const REMEDIES: Record<HyCloudFailure, string> = {
  unauthorized: 'check the credentials; staging and production share no keys',
  forbidden: "the key's user has no right to this: have it invited to the project in HyCloud",
  'not-found': 'HyCloud does not know it (any more): check the configured project or valve',
  rejected: 'HyCloud does not accept this call: its API may have changed; please report it',
  'rate-limited': 'lower requests_per_second, or run less often',
  server: 'HyCloud has a problem; the next run will catch up',
  network: 'check the network, DNS, proxy and HYCLOUD_BASE_URL; the next run will catch up',
  tls: 'check HYCLOUD_BASE_URL, this machine’s clock, and any proxy that replaces certificates (NODE_EXTRA_CA_CERTS)',
  timeout: 'HyCloud is slow or the network is; the next run will catch up (request_timeout_seconds bounds one call)',
  'too-large': 'the answer is far larger than the API allows: a proxy or HyCloud misbehaves',
  redirect: 'check HYCLOUD_BASE_URL: redirects are never followed, they could carry the key to somebody else',
  proxy: 'check HTTPS_PROXY or ALL_PROXY (user, password, and whether it lets this host through) and NO_PROXY',
  unreadable: 'a proxy or HyCloud misbehaves; the next run will catch up',
  malformed: 'the answer is not what the API promises: a proxy or HyCloud misbehaves; the next run will catch up',
  aborted: 'the run was stopped before it was answered; the next run will catch up',
};

/** A failed call. Holds only method, path, status and code: an axios error holds the key. */
export class HyCloudError extends KnownError {
  override readonly name = 'HyCloudError';
  readonly failure: HyCloudFailure;
  readonly path: string;
  readonly detail: string;
  /** HTTP status; null: no answer, or a 200 that could not be read */
  readonly status: number | null;
  /** from Retry-After; null: HyCloud did not say when to try again */
  readonly retryAfterMs: number | null;

  constructor(
    failure: HyCloudFailure,
    path: string,
    detail: string,
    options: {
      status?: number | null;
      retryAfterMs?: number | null;
      attempts?: number;
      /** replaces the general remedy for this failure */
      remedy?: string | null;
    } = {},
  ) {
    const attempts = options.attempts && options.attempts > 1 ? ` (${options.attempts} attempts)` : '';
    super(kindOf(failure), `HyCloud, GET ${path}: ${detail}${attempts}`, {
      remedy: options.remedy ?? REMEDIES[failure],
    });
    this.failure = failure;
    this.status = options.status ?? null;
    this.retryAfterMs = options.retryAfterMs ?? null;
    this.path = path;
    this.detail = detail;
  }

  /** A copy of the error whose message has the number of attempts. */
  withAttempts(attempts: number): HyCloudError {
    const { failure, path, detail, status, retryAfterMs, remedy } = this;
    return new HyCloudError(failure, path, detail, { status, retryAfterMs, remedy, attempts });
  }
}

function kindOf(failure: HyCloudFailure): ErrorKind {
  return failure === 'unauthorized' || failure === 'forbidden' ? 'credentials' : 'hycloud';
}

/** Whether a retry may succeed: after network errors, timeouts, 408, 425, 429, 5xx and damaged bodies. */
export function isTransient(error: HyCloudError): boolean {
  return ['network', 'timeout', 'rate-limited', 'server', 'unreadable'].includes(error.failure);
}
