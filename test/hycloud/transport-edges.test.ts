import type { Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { gzipSync } from 'node:zlib';
import { generate } from 'selfsigned';
import { describe, expect, test, vi } from 'vitest';
import { createTransport } from '../../src/hycloud/transport.ts';
import { clientOf, connect, failureOf, closers, serve } from './server.ts';

describe('Retry-After is read', () => {
  const date = 'Sun, 01 Mar 2026 10:15:03 GMT';

  async function retryAfter(headers: Record<string, string>): Promise<number | null> {
    const server = await serve((_request, response) => {
      response.sendDate = false;
      response.writeHead(503, headers).end();
    });
    const options = {
      apiKey: 'secret',
      variables: { apiKey: 'API_KEY', requesterId: 'REQUESTER_ID' },
      requesterId: 'secret',
      userAgent: 't',
      maxConcurrency: 1,
      requestTimeoutMs: 5000,
      proxy: null,
    };
    const transport = createTransport({ ...options, baseUrl: server.baseUrl });
    closers.push(server.close, transport.close);
    return (await failureOf(transport.get('x', {}, 1000, new AbortController().signal))).retryAfterMs;
  }

  test.each([
    ['in seconds', '120', 120_000],
    ['as none', '0', 0],
    ['as a date, by the clock of the answer', 'Sun, 01 Mar 2026 10:16:03 GMT', 60_000],
    ['as a date that is over', 'Sun, 01 Mar 2026 10:14:03 GMT', 0],
    ['as more than anybody would wait', '99999999999', 99_999_999_999_000],
    ['not where it is nonsense', 'soon', null],
    ['not where it is negative', '-5', null],
    ['not where it is no whole number', '1.5', null],
    ['not where it is empty', '', null],
  ])('%s', async (_how, text, expected) => {
    expect(await retryAfter({ date, 'retry-after': text })).toBe(expected);
  });

  test('not where there is none, and no date where there is no clock to hold it against', async () => {
    expect(await retryAfter({ date })).toBeNull();
    expect(await retryAfter({ 'retry-after': 'Sun, 01 Mar 2026 10:16:03 GMT' })).toBeNull();
  });
});

describe('a status counts, whatever its body says it is', () => {
  const broken: [string, Buffer][] = [
    ['empty', Buffer.alloc(0)],
    ['no gzip', Buffer.from('Unauthorized')],
    ['cut off', gzipSync('{"type": "api/v1/unauthorized"}').subarray(0, 20)],
    ['far too large', gzipSync(Buffer.alloc(2_000_000, ' '))],
  ];

  test.each(broken)('gzip, but %s', async (_how, body) => {
    const answering = (...statuses: number[]) =>
      connect((_request, response) =>
        response.writeHead(statuses.shift() ?? 500, { 'content-encoding': 'gzip', 'retry-after': '0' }).end(body),
      );
    const [refused] = await answering(401);
    expect((await failureOf(refused.listProjects())).message).toBe('HyCloud, GET projects: HTTP 401');
    const [limited] = await answering(429, 404);
    expect((await failureOf(limited.listProjects())).message).toBe('HyCloud, GET projects: HTTP 404 (2 attempts)');
  });

  test('and a packed problem is read', async () => {
    const [hycloud] = await connect((_request, response) =>
      response.writeHead(404, { 'content-encoding': 'gzip' }).end(gzipSync('{"type": "api/v1/not-found"}')),
    );
    expect((await failureOf(hycloud.listProjects())).message).toContain('HTTP 404 (api/v1/not-found)');
  });
});

describe('nobody there', () => {
  test('is a failure of the network', async () => {
    const [hycloud, server] = await connect(() => undefined, { deadlineMs: () => 0 });
    await server.close();
    expect(await failureOf(hycloud.listProjects())).toMatchObject({
      failure: 'network',
      message: 'HyCloud, GET projects: no answer (ECONNREFUSED)',
    });
    closers.splice(0, 1);
  });

  test.each([
    ['signed by itself', false, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    ['signed by nobody we know', true, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  ])('or somebody whose certificate is %s, is a failure of TLS, tried once', async (_how, withCa, code) => {
    const keyType = 'ec';
    const ca = await generate([{ name: 'commonName', value: 'unknown CA' }], { keyType, algorithm: 'sha256' });
    const signer = withCa ? { ca: { key: ca.private, cert: ca.cert } } : {};
    const pair = await generate([{ name: 'commonName', value: '127.0.0.1' }], {
      keyType,
      algorithm: 'sha256',
      ...signer,
    });
    const https = createHttpsServer({ key: pair.private, cert: pair.cert }) as unknown as Server;
    const server = await serve((_request, response) => response.end('[]'), https);
    const hycloud = clientOf(server.baseUrl.replace('http:', 'https:'));
    closers.push(server.close, hycloud.close, () => void vi.unstubAllEnvs());
    // Node's switch for all of a process must not reach HyCloud.
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    expect(await failureOf(hycloud.listProjects())).toMatchObject({
      failure: 'tls',
      message: `HyCloud, GET projects: TLS refused (${code})`,
    });
    expect(server.connections()).toBe(1);
  });
});
