/** A local HTTP server and the client of HyCloud that talks to it. */
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';
import { afterEach, expect } from 'vitest';
import { createHyCloud, type HyCloud, type HyCloudOptions } from '../../src/hycloud/client.ts';
import { HyCloudError } from '../../src/hycloud/errors.ts';

export interface TestServer {
  baseUrl: string;
  requests: IncomingMessage[];
  /** TCP connections so far */
  connections: () => number;
  close: () => Promise<void>;
}

/** A real HTTP server on loopback that answers with `answer`. */
export async function serve(answer: RequestListener, server: Server = createServer()): Promise<TestServer> {
  const requests: IncomingMessage[] = [];
  let connections = 0;
  server.on('request', (request, response) => {
    requests.push(request);
    answer(request, response);
  });
  server.on('connection', () => (connections += 1));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1/`,
    requests,
    connections: () => connections,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** The client, on real HTTP. It waits a thousandth of the time between attempts. */
export function clientOf(baseUrl: string, options: Partial<HyCloudOptions> = {}): HyCloud {
  return createHyCloud({
    baseUrl,
    apiKey: 'secret-key',
    variables: { apiKey: 'API_KEY', requesterId: 'REQUESTER_ID' },
    requesterId: 'secret-requester',
    userAgent: 'tasmart/test',
    maxConcurrency: 8,
    requestsPerSecond: 1e6,
    requestTimeoutMs: 5000,
    proxy: null,
    deadlineMs: () => Infinity,
    signal: new AbortController().signal,
    now: () => performance.now(),
    sleep: (ms, signal) => delay(ms / 1000, undefined, { signal }),
    random: () => 0.5,
    clockUs: () => 1_772_360_103_000_000,
    onRetry: () => undefined,
    onSkippedProjects: () => undefined,
    ...options,
  });
}

/** What is called after each test, the last one first. A test adds what closes the things that it opens. */
export const closers: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A client and the server that it talks to. Both are closed after the test. */
export async function connect(
  answer: RequestListener,
  options: Partial<HyCloudOptions> = {},
): Promise<[HyCloud, TestServer]> {
  const server = await serve(answer);
  const hycloud = clientOf(server.baseUrl, options);
  closers.push(server.close, hycloud.close);
  return [hycloud, server];
}

/** The HyCloudError that a promise rejects with. Expects that it holds no secret. */
export async function failureOf(promise: Promise<unknown>): Promise<HyCloudError> {
  const error = await promise.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof HyCloudError)) throw new Error(`no HyCloudError: ${String(error)}`);
  expect(inspect(error, { depth: null, showHidden: true })).not.toContain('secret');
  return error;
}
