/** Sends one GET and reads its answer. The only user of axios. */
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import axios, { isAxiosError, type AxiosInstance, type AxiosResponse } from 'axios';
import { HttpsProxyAgent } from 'hpagent';
import { US_PER_SECOND, type Micros } from '../domain/time.ts';
import { parseBody, tooLargeError, unpackBody } from './body.ts';
import { HyCloudError, type HyCloudFailure } from './errors.ts';

export interface TransportOptions {
  /** ends in a slash */
  baseUrl: string;
  apiKey: string;
  requesterId: string;
  /** names of the environment variables with the key and the id, for messages */
  variables: { readonly apiKey: string; readonly requesterId: string };
  userAgent: string;
  maxConcurrency: number;
  requestTimeoutMs: number;
  /** null: none. Not used for plain http. */
  proxy: URL | null;
}

export type Query = Readonly<Record<string, string | number | readonly string[]>>;

/** An answer with status 200: its JSON, parsed but not decoded. */
export interface Answer {
  json: unknown;
  /** HyCloud's clock, from the Date header (whole seconds, rounded down); null: it sent none */
  serverTimeUs: Micros | null;
}

export interface Transport {
  /** One GET, one attempt. `maxBytes` limits the answer, packed and unpacked. @throws HyCloudError for any status but 200 too */
  get: (path: string, query: Query, maxBytes: number, signal: AbortSignal) => Promise<Answer>;
  close: () => void;
}

export function createTransport(options: TransportOptions): Transport {
  const agent = createAgent(options);
  const http = axios.create({
    baseURL: options.baseUrl,
    allowAbsoluteUrls: false,
    headers: {
      Accept: 'application/json',
      'Accept-Encoding': 'gzip',
      Authorization: `ApiKey ${options.apiKey}`,
      'Requester-ID': options.requesterId,
      'User-Agent': options.userAgent,
    },
    // axios drops Authorization on a redirect to another origin, but forwards Requester-ID.
    maxRedirects: 0,
    responseType: 'arraybuffer',
    // See unpackBody: a stream for each small answer costs more.
    decompress: false,
    // HyCloud's document asks for percent-encoding. axios leaves `:` as it is, and appends [] to the name of a list.
    paramsSerializer: { encode: encodeURIComponent },
    validateStatus: () => true,
    httpAgent: agent,
    httpsAgent: agent,
    // The agent knows the proxy, and keeps its tunnels open. axios would open one for each request.
    proxy: false,
  });
  return {
    get: (path, query, maxBytes, signal) => get(http, options, { path, query, maxBytes, signal }),
    close: () => agent.destroy(),
  };
}

/** A keep-alive pool. `rejectUnauthorized` is set so that NODE_TLS_REJECT_UNAUTHORIZED cannot switch verification off. */
function createAgent({ baseUrl, proxy, maxConcurrency, requestTimeoutMs }: TransportOptions): HttpAgent {
  const pool = { keepAlive: true, maxSockets: maxConcurrency };
  if (!baseUrl.startsWith('https:')) return new HttpAgent(pool);
  const verified = { rejectUnauthorized: true };
  if (!proxy) return new HttpsAgent({ ...pool, ...verified });
  // A URL has an IPv6 address in brackets. hpagent would look up the name with the brackets.
  const hostname = proxy.hostname.replace(/^\[|\]$/g, '');
  // `verified` also applies to the connection to a proxy that uses TLS itself.
  const proxyRequestOptions = { headers: {}, hostname, ...verified };
  return new HttpsProxyAgent({ ...pool, ...verified, proxy, proxyRequestOptions, timeout: requestTimeoutMs });
}

interface Call {
  path: string;
  query: Query;
  maxBytes: number;
  signal: AbortSignal;
}

async function get(
  http: AxiosInstance,
  { requestTimeoutMs: timeoutMs, variables }: TransportOptions,
  call: Call,
): Promise<Answer> {
  const { path, query, maxBytes } = call;
  // axios' own timeout does not limit a body that arrives slowly. The signal limits the whole request.
  // Not AbortSignal.any: the run's signal would keep a reference to each of its requests.
  const abort = new AbortController();
  const stop = () => abort.abort();
  const timer = setTimeout(stop, timeoutMs);
  call.signal.addEventListener('abort', stop);
  try {
    call.signal.throwIfAborted();
    const request = { params: query, maxContentLength: maxBytes, signal: abort.signal };
    const response = await http.get<Buffer>(path, request);
    if (response.status !== 200) throw statusError(path, response, variables);
    const body = unpackBody(response.data, encodingOf(response), path, maxBytes);
    return { json: parseBody(body, path), serverTimeUs: serverTime(response) };
  } catch (error) {
    if (error instanceof HyCloudError) throw error;
    if (call.signal.aborted) throw new HyCloudError('aborted', path, 'stopped before an answer came');
    if (abort.signal.aborted) throw new HyCloudError('timeout', path, `no whole answer within ${timeoutMs / 1000} s`);
    throw translateError(call, error);
  } finally {
    clearTimeout(timer);
    call.signal.removeEventListener('abort', stop);
  }
}

function statusError(
  path: string,
  response: AxiosResponse<Buffer>,
  { apiKey, requesterId }: TransportOptions['variables'],
): HyCloudError {
  const { status } = response;
  const type = problemType(path, response);
  const detail = type === null ? `HTTP ${status}` : `HTTP ${status} (${type})`;
  const remedy = status === 401 ? `check ${apiKey} and ${requesterId}; staging and production share no keys` : null;
  return new HyCloudError(failureOf(status), path, detail, { status, retryAfterMs: retryAfter(response), remedy });
}

function failureOf(status: number): HyCloudFailure {
  if (status === 401) return 'unauthorized';
  if (status === 403) return 'forbidden';
  if (status === 404) return 'not-found';
  if (status === 407) return 'proxy';
  if (status === 429) return 'rate-limited';
  if (status === 408 || status === 425) return 'timeout';
  if (status >= 500) return 'server';
  if (status >= 400) return 'rejected';
  // HyCloud promises a body with status 200: a 204 is as bad as a damaged answer.
  return status >= 300 ? 'redirect' : 'unreadable';
}

/** HyCloud's error bodies take 0.2 kB. */
const MAX_PROBLEM_BYTES = 10_000;

/**
 * The type of an error body. The vendor's document calls the field `type_uri` in a table and `type` in an example. null: the
 * body has neither or cannot be read, such as a proxy's.
 */
function problemType(path: string, response: AxiosResponse<Buffer>): string | null {
  try {
    const body = unpackBody(response.data, encodingOf(response), path, MAX_PROBLEM_BYTES);
    if (body.length > MAX_PROBLEM_BYTES) return null;
    const problem = parseBody(body, path) as { type?: unknown; type_uri?: unknown } | null;
    const type = problem?.type ?? problem?.type_uri;
    return typeof type === 'string' && /^[\w/.:-]{1,80}$/.test(type) ? type : null;
  } catch {
    return null;
  }
}

/**
 * Milliseconds; null: no or an invalid header. Retry-After holds seconds, or a date by HyCloud's clock.
 * https://www.rfc-editor.org/rfc/rfc9110#name-retry-after
 */
function retryAfter(response: AxiosResponse): number | null {
  const text = header(response, 'retry-after')?.trim() ?? '';
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const retryAtMs = parseHttpDate(text);
  const nowMs = parseHttpDate(header(response, 'date') ?? '');
  return retryAtMs === null || nowMs === null ? null : Math.max(0, retryAtMs - nowMs);
}

function encodingOf(response: AxiosResponse): string {
  return header(response, 'content-encoding') ?? '';
}

function serverTime(response: AxiosResponse): Micros | null {
  const ms = parseHttpDate(header(response, 'date') ?? '');
  return ms === null ? null : (ms / 1000) * US_PER_SECOND;
}

/** The last time that a number holds in whole microseconds. A later clock is wrong. */
const LAST_MS = Date.UTC(2255, 0);

/** Milliseconds; null: not a date. Requires GMT: Date.parse reads "0" as the year 2000, and a date without a zone as local time. */
function parseHttpDate(text: string): number | null {
  const ms = text.endsWith(' GMT') ? Date.parse(text) : NaN;
  return ms >= 0 && ms < LAST_MS ? ms : null;
}

function header(response: AxiosResponse, name: string): string | undefined {
  const value: unknown = response.headers[name];
  return typeof value === 'string' ? value : undefined;
}

/**
 * Turns an axios error into a HyCloudError; any other error is a defect, and returned as it is. Copies only the code: the
 * axios error holds the request, and the request holds the key.
 */
function translateError({ path, maxBytes }: Call, error: unknown): Error {
  if (!isAxiosError(error)) return error instanceof Error ? error : new Error(String(error));
  const code = error.code ?? '';
  if (error.message.startsWith('maxContentLength')) return tooLargeError(path, maxBytes);
  const [, proxyStatus] = /^Bad response: (\d+)$/.exec(error.message) ?? []; // hpagent's words
  if (proxyStatus) {
    // A 4xx does not go away with a retry.
    const failure = proxyStatus.startsWith('4') ? 'proxy' : 'network';
    return new HyCloudError(failure, path, `the proxy refuses to connect (HTTP ${proxyStatus})`);
  }
  if (/CERT|SELF_SIGNED|UNABLE_TO_VERIFY|TLS|SSL|EPROTO/.test(code)) {
    return new HyCloudError('tls', path, `TLS refused (${code})`);
  }
  // axios uses this code for a body that was too large (see above) or that ended early.
  if (code === 'ERR_BAD_RESPONSE') return new HyCloudError('network', path, 'the answer was cut off');
  return new HyCloudError('network', path, `no answer (${code || 'connection lost'})`);
}
