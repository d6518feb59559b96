/** The simulated HyCloud as an HTTP server. */
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer, Server as HttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Reading } from '../../src/domain/reading.ts';
import type { Micros } from '../../src/domain/time.ts';
import { BASE_PATH, findValve, replyTo, tooManyRequests, valveIdOf, type World } from './api.ts';
import { createClock } from './clock.ts';
import { createFaults, dateHeader, isUnanswered, type Fault, type Faults, type SimulatedRequest } from './faults.ts';
import { createProjects, LATEST_FIRMWARE, type Valve } from './fleet.ts';
import { readingsIn } from './history.ts';
import { energyKwh } from './physics.ts';
import { defaultSettings, type Settings } from './settings.ts';
import { pack, send } from './transport.ts';

export interface SimulatorOptions {
  /** seed of all random data; default 1 */
  seed?: number;
  /** how many valves; a list: one project per number; default 7 */
  valves?: number | readonly number[];
  /** stops the clock at this instant; absent: real time */
  nowUs?: Micros;
  /** default: any free one */
  port?: number;
  /** PEM texts; serves https */
  tls?: { key: string; cert: string };
  settings?: Partial<Settings>;
  /** called for each request when its answer is sent or its connection is closed */
  onRequest?: (request: LoggedRequest, ms: number) => void;
}

/** A request in the log. It holds no secrets: only whether they were sent. */
export interface LoggedRequest {
  method: string;
  path: string;
  /** arrays (`properties[]`) as arrays */
  query: Record<string, string | string[]>;
  headers: SimulatedRequest['headers'];
  hasApiKey: boolean;
  hasRequesterId: boolean;
  /** null: no answer, or not yet */
  status: number | null;
  /** when the request came, by the simulated clock */
  atUs: Micros;
  /** when the request came, by the real clock: performance.now() */
  atMs: number;
}

/** The true data, without the faults of HTTP answers and counters. */
interface Truth {
  /** the points after `fromUs` up to and including `toUs` that HyCloud has by now, ascending */
  points(valveId: string, fromUs: Micros, toUs: Micros): Reading[];
  /** real energy of both regimes, without the counters' faults */
  energyKwh(valveId: string, fromUs: Micros, toUs: Micros): number;
}

/** A running simulator. Its projects, valves, settings and firmware are plain data: change them at any time. */
export interface Simulator extends World {
  port: number;
  /** with the base path and a slash at its end */
  baseUrl: string;
  /** environment variables that point tasmart at it */
  env: () => Record<'HYCLOUD_BASE_URL' | 'API_KEY' | 'REQUESTER_ID', string>;
  faults: Faults;
  log: LoggedRequest[];
  /** since the start; bytes with headers, before encryption */
  totals: () => { requests: number; bytesSent: number };
  truth: Truth;
  /** every valve, once */
  valves(): Valve[];
  close(): Promise<void>;
}

function truthOf(world: World): Truth {
  const find = (valveId: string): Valve => {
    const valve = findValve(world.projects, valveId);
    if (!valve) throw new Error(`no such valve: ${valveId}`);
    return valve;
  };
  return {
    points: (valveId, fromUs, toUs) => [...readingsIn(find(valveId), fromUs, Math.min(toUs, world.clock.now()))],
    energyKwh: (valveId, fromUs, toUs) => {
      const valve = find(valveId);
      return energyKwh(valve, 1, fromUs, toUs) + energyKwh(valve, 2, fromUs, toUs);
    },
  };
}

function parseRequest(incoming: IncomingMessage): SimulatedRequest {
  const [path = '', query] = (incoming.url ?? '').split('?', 2);
  const { method = '', headers } = incoming;
  return { method, path, query: new URLSearchParams(query), headers, valveId: valveIdOf(path) };
}

function logEntry(request: SimulatedRequest, atUs: Micros): LoggedRequest {
  const { authorization, 'requester-id': requesterId, ...headers } = request.headers;
  const query: LoggedRequest['query'] = {};
  for (const [name, value] of request.query) query[name] = name.endsWith('[]') ? request.query.getAll(name) : value;
  return {
    method: request.method,
    path: request.path,
    query,
    headers,
    hasApiKey: authorization !== undefined,
    hasRequesterId: requesterId !== undefined,
    status: null,
    atUs,
    atMs: performance.now(),
  };
}

/** Returns a function that admits and counts a request. It returns false if enough were admitted in the last second. */
function createRateLimiter(settings: Settings): () => boolean {
  let admittedMs: number[] = [];
  return () => {
    if (!settings.rateLimit) return true;
    const nowMs = performance.now();
    admittedMs = admittedMs.filter((timeMs) => timeMs > nowMs - 1000);
    if (admittedMs.length >= settings.rateLimit.perSecond) return false;
    admittedMs.push(nowMs);
    return true;
  };
}

/** Counts the bytes that the server has sent, over open and closed connections. */
function createByteMeter(server: Server): () => number {
  const open = new Set<Socket>();
  let closedBytes = 0;
  server.on(server instanceof HttpsServer ? 'secureConnection' : 'connection', (socket: Socket) => {
    open.add(socket);
    socket.once('close', () => {
      open.delete(socket);
      closedBytes += socket.bytesWritten;
    });
  });
  return () => [...open].reduce((sum, { bytesWritten }) => sum + bytesWritten, closedBytes);
}

async function listen(server: Server, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return (server.address() as AddressInfo).port;
}

/** Starts a simulator on loopback. */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const { seed = 1, valves = 7 } = options;
  const world: World = {
    clock: createClock(options.nowUs ?? null),
    settings: { ...defaultSettings(), ...options.settings },
    projects: createProjects(seed, typeof valves === 'number' ? [valves] : valves),
    firmware: {
      download_link: 'https://example.com/ta-smart.zip',
      metadata: { published_at: '2025-09-19T08:00:00Z', fw: LATEST_FIRMWARE, webapp: '2.4.0', updater: '1.0.0' },
    },
  };
  const { clock, settings } = world;
  const faults = createFaults();
  const log: LoggedRequest[] = [];
  let requests = 0;
  const admit = createRateLimiter(settings);

  const answer = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const arrivedMs = performance.now();
    const request = parseRequest(incoming);
    const entry = logEntry(request, clock.now());
    requests++;
    log.push(entry);
    if (log.length > settings.logLength) log.splice(0, log.length - settings.logLength);

    const closed = new AbortController();
    response.once('close', () => {
      closed.abort('closed');
      options.onRequest?.(entry, performance.now() - arrivedMs);
    });
    const isAdmitted = admit();
    const requestFaults = faults.take(request);
    const dueMs = arrivedMs + delayMs(requestFaults);
    await sleepUntil(dueMs, closed.signal);
    // Make the answer during the latency, so that its time is not added.
    const reply = isAdmitted ? replyTo(world, request, requestFaults) : tooManyRequests(world);
    const date = dateHeader(requestFaults, clock.now());
    const packed = await pack(incoming, reply, settings.gzipFromBytes);
    await sleepUntil(dueMs + settings.latencyMs, closed.signal);
    if (closed.signal.aborted) return;
    if (!isUnanswered(requestFaults)) entry.status = reply.status;
    response.sendDate = false;
    if (date !== null) response.setHeader('date', date);
    await send(incoming, response, packed, requestFaults, closed.signal);
  };
  const serve = (incoming: IncomingMessage, response: ServerResponse): void => {
    answer(incoming, response).catch((error: unknown) => {
      console.error('simulator:', error);
      response.destroy();
    });
  };

  const server: Server = options.tls ? createHttpsServer(options.tls, serve) : createHttpServer(serve);
  // Longer than any client keeps a connection, so that the server never closes one that is in use.
  server.keepAliveTimeout = 60_000;
  const bytesSent = createByteMeter(server);
  const port = await listen(server, options.port ?? 0);
  const baseUrl = `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}${BASE_PATH}`;
  return {
    ...world,
    port,
    baseUrl,
    env: () => ({ HYCLOUD_BASE_URL: baseUrl, API_KEY: settings.apiKey, REQUESTER_ID: settings.requesterId }),
    faults,
    log,
    totals: () => ({ requests, bytesSent: bytesSent() }),
    truth: truthOf(world),
    valves: () => [...new Map(world.projects.flatMap(({ valves }) => [...valves])).values()],
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

function delayMs(faults: readonly Fault[]): number {
  return faults.reduce((sum, fault) => sum + (fault.kind === 'delay' ? fault.ms : 0), 0);
}

/** Waits until performance.now() is `dueMs`, or the connection is closed. A timer may be late by a millisecond. */
async function sleepUntil(dueMs: number, closed: AbortSignal): Promise<void> {
  const waitMs = dueMs - performance.now();
  if (waitMs > 0) await sleep(waitMs, undefined, { signal: closed }).catch(() => undefined);
}
