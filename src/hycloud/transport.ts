import './without-fetch.ts';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { createSecureContext } from 'node:tls';
import { gunzipSync } from 'node:zlib';
import { AxiosHeaders, getAdapter, isAxiosError, type AxiosResponse, type InternalAxiosRequestConfig } from 'axios';
import { HttpsProxyAgent } from 'hpagent';
import { US_PER_SECOND, type Micros } from '../domain/time.ts';
import { HyCloudError, type HyCloudFailure } from './errors.ts';

export interface TransportOptions {
  /** ends in a slash */
  baseUrl: string;
  apiKey: string;
  requesterId: string;
  userAgent: string;
  maxConcurrency: number;
  requestTimeoutMs: number;
  /** null: none; never for plain http */
  proxy: URL | null;
}

export type Query = Readonly<Record<string, string | number | readonly string[]>>;

/** An answer with status 200, its body unpacked but not read. */
export interface Answer {
  body: Buffer;
  /** HyCloud's own clock, from the Date header (whole seconds, rounded down); null where it sent none */
  serverTimeUs: Micros | null;
}

export interface Transport {
  /** One GET, one attempt. @throws HyCloudError */
  get: (path: string, query: Query, maxBytes: number, signal: AbortSignal) => Promise<Answer>;
  close: () => void;
}

/**
 * Sends a request as it is. What axios.get does around that (defaults, interceptors, transforms) takes a fifth of a
 * poll, and is of no use here: every key that counts is set below.
 */
const send = getAdapter('http');

/** One keep-alive pool; whole-request time limit, size limit, no redirects. The only user of axios. */
export function createTransport(options: TransportOptions): Transport {
  const agent = createAgent(options);
  const headers = {
    Accept: 'application/json',
    'Accept-Encoding': 'gzip',
    Authorization: `ApiKey ${options.apiKey}`,
    'Requester-ID': options.requesterId,
    'User-Agent': options.userAgent,
  };
  const request: Omit<InternalAxiosRequestConfig, 'headers'> = {
    method: 'get',
    baseURL: options.baseUrl,
    // axios would drop Authorization on a redirect to another origin, but forward Requester-ID.
    maxRedirects: 0,
    responseType: 'arraybuffer',
    // Unpacked whole: a stream for every small answer costs five times as much.
    decompress: false,
    validateStatus: () => true,
    httpAgent: agent,
    httpsAgent: agent,
    // axios would look through the environment before every request, and open a tunnel for each.
    proxy: false,
  };
  const http: Http = (url, maxContentLength, signal) =>
    send({ ...request, url, headers: new AxiosHeaders(headers), maxContentLength, signal }) as ReturnType<Http>;
  return {
    get: (path, query, maxBytes, signal) => get(http, options.requestTimeoutMs, { path, query, maxBytes, signal }),
    close: () => agent.destroy(),
  };
}

function createAgent({ baseUrl, proxy, maxConcurrency, requestTimeoutMs }: TransportOptions): HttpAgent {
  const pool = { keepAlive: true, maxSockets: maxConcurrency };
  if (!baseUrl.startsWith('https:')) return new HttpAgent(pool);
  // One context for all connections: each would make its own, and that takes a millisecond.
  const secure = { ...pool, secureContext: createSecureContext() };
  if (!proxy) return new HttpsAgent(secure);
  // hpagent would look for the address of an IPv6 proxy with the brackets that it has in a URL.
  const proxyRequestOptions = { headers: {}, hostname: proxy.hostname.replace(/^\[|\]$/g, '') };
  return new HttpsProxyAgent({ ...secure, proxy, proxyRequestOptions, timeout: requestTimeoutMs });
}

type Http = (url: string, maxContentLength: number, signal: AbortSignal) => Promise<AxiosResponse<Buffer>>;

interface Call {
  path: string;
  query: Query;
  maxBytes: number;
  signal: AbortSignal;
}

async function get(http: Http, timeoutMs: number, call: Call): Promise<Answer> {
  // axios' own timeout does not bound a body that drips; the signal bounds the whole. AbortSignal.any would keep
  // a reference from the run's signal to each of its requests.
  const abort = new AbortController();
  const stop = () => abort.abort();
  const timer = setTimeout(stop, timeoutMs);
  call.signal.addEventListener('abort', stop);
  try {
    call.signal.throwIfAborted();
    const response = await http(`${call.path}${search(call.query)}`, call.maxBytes, abort.signal);
    if (response.status === 200) return { body: unpacked(response, call), serverTimeUs: serverTime(response) };
    throw refusal(call.path, response);
  } catch (error) {
    if (error instanceof HyCloudError) throw error;
    if (call.signal.aborted) throw new HyCloudError('aborted', call.path, 'stopped before an answer came');
    if (abort.signal.aborted) {
      throw new HyCloudError('timeout', call.path, `no whole answer within ${timeoutMs / 1000} s`);
    }
    throw translate(call, error);
  } finally {
    clearTimeout(timer);
    call.signal.removeEventListener('abort', stop);
  }
}

/** A query, lists as `name[]`. Written here, it costs a fraction of what axios takes for its `params`. */
function search(query: Query): string {
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (typeof value === 'object') for (const item of value) pairs.append(`${name}[]`, item);
    else pairs.append(name, String(value));
  }
  return pairs.size > 0 ? `?${pairs.toString()}` : '';
}

/** @throws HyCloudError */
function unpacked(
  { data, headers }: AxiosResponse<Buffer>,
  { path, maxBytes }: Pick<Call, 'path' | 'maxBytes'>,
): Buffer {
  const encoding = String(headers['content-encoding'] ?? 'identity');
  if (encoding === 'identity') return data;
  try {
    // In one piece, of the size that its end tells (RFC 1952, ISIZE), if that can be; zlib takes no less than 64 bytes.
    const size = Math.min(data.readUInt32LE(data.length - 4), maxBytes);
    return gunzipSync(data, { maxOutputLength: maxBytes, chunkSize: Math.max(64, data.length, size + 1) });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(path, maxBytes);
    throw new HyCloudError('network', path, 'the answer was cut off');
  }
}

function tooLarge(path: string, maxBytes: number): HyCloudError {
  return new HyCloudError('too-large', path, `the answer is larger than ${maxBytes / 1e6} MB`);
}

function refusal(path: string, response: AxiosResponse<Buffer>): HyCloudError {
  const { status } = response;
  const type = problemType(path, response);
  const detail = type === null ? `HTTP ${status}` : `HTTP ${status} (${type})`;
  return new HyCloudError(failureOf(status), path, detail, { status, retryAfterMs: retryAfter(response) });
}

function failureOf(status: number): HyCloudFailure {
  if (status === 401) return 'unauthorized';
  if (status === 403) return 'forbidden';
  if (status === 404) return 'not-found';
  if (status === 429) return 'rate-limited';
  if (status === 408 || status === 425) return 'timeout';
  if (status >= 500) return 'server';
  if (status >= 300 && status < 400) return 'redirect';
  return status < 300 ? 'malformed' : 'rejected';
}

/** HyCloud's take 0.2 kB. */
const MAX_PROBLEM_LENGTH = 10_000;

/**
 * The API's document calls it type_uri in its table, type in its example. A proxy's body has neither, or is not even what
 * its headers say; the status counts all the same.
 */
function problemType(path: string, response: AxiosResponse<Buffer>): string | null {
  try {
    const body = unpacked(response, { path, maxBytes: MAX_PROBLEM_LENGTH });
    if (body.length > MAX_PROBLEM_LENGTH) return null;
    const problem = JSON.parse(body.toString()) as { type?: unknown; type_uri?: unknown } | null;
    const type = problem?.type ?? problem?.type_uri;
    return typeof type === 'string' && /^[\w/.:-]{1,80}$/.test(type) ? type : null;
  } catch {
    return null;
  }
}

/** Retry-After in both forms: seconds, or a date, which HyCloud's own clock gives a sense. https://www.rfc-editor.org/rfc/rfc9110#name-retry-after */
function retryAfter(response: AxiosResponse): number | null {
  const text = header(response, 'retry-after')?.trim() ?? '';
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const [atMs, nowMs] = [parseHttpDate(text), parseHttpDate(header(response, 'date') ?? '')];
  return atMs === null || nowMs === null ? null : Math.max(0, atMs - nowMs);
}

function serverTime(response: AxiosResponse): Micros | null {
  const ms = parseHttpDate(header(response, 'date') ?? '');
  return ms === null ? null : (ms / 1000) * US_PER_SECOND;
}

/** Beyond, a double no longer counts microseconds; a clock that is there tells nothing. */
const LAST_MS = Date.UTC(2255, 0);

/** Milliseconds. Date.parse alone takes "0" for the year 2000, and what names no zone for local time. */
function parseHttpDate(text: string): number | null {
  const ms = text.endsWith(' GMT') ? Date.parse(text) : NaN;
  return ms >= 0 && ms < LAST_MS ? ms : null;
}

function header(response: AxiosResponse, name: string): string | undefined {
  const value: unknown = response.headers[name];
  return typeof value === 'string' ? value : undefined;
}

/** Copies the code only: the error itself carries the request, and with it the key. */
function translate(call: Call, error: unknown): Error {
  if (!isAxiosError(error)) return error instanceof Error ? error : new Error(String(error));
  const code = error.code ?? '';
  if (error.message.startsWith('maxContentLength')) {
    return tooLarge(call.path, call.maxBytes);
  }
  const [, proxyStatus] = /^Bad response: (\d+)$/.exec(error.message) ?? []; // hpagent's words
  if (proxyStatus) return new HyCloudError('network', call.path, `the proxy refuses to connect (HTTP ${proxyStatus})`);
  if (/CERT|SELF_SIGNED|UNABLE_TO_VERIFY|TLS|SSL|EPROTO/.test(code))
    return new HyCloudError('tls', call.path, `TLS refused (${code})`);
  // As axios calls it; what was too large is told by its message alone.
  if (code === 'ERR_BAD_RESPONSE') return new HyCloudError('network', call.path, 'the answer was cut off');
  return new HyCloudError('network', call.path, `no answer (${code || 'connection lost'})`);
}
