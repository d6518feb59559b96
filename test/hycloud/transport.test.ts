import type { RequestListener } from 'node:http';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { connect, failureOf } from './server.ts';

describe('a request', () => {
  test('carries the credentials, and says who asks for what', async () => {
    const [hycloud, server] = await connect((_request, response) => response.end('[]'));
    await hycloud.listProjects();
    const [request] = server.requests;
    expect(request?.method).toBe('GET');
    expect(request?.url).toBe('/api/v1/projects');
    expect(request?.headers).toMatchObject({
      authorization: 'ApiKey secret-key',
      'requester-id': 'secret-requester',
      accept: 'application/json',
      'user-agent': 'tasmart/test',
    });
  });

  test('has its query percent-encoded, with brackets after the name of a list', async () => {
    const [hycloud, server] = await connect((_request, response) => response.end('{"points": []}'));
    const properties = ['measured_flow', 'error_status'] as const;
    const query = { fromUs: 0, toUs: 1, limit: 1, direction: 'ascending', properties } as const;
    await hycloud.getPoints({ id: 'x', pointsPath: null }, query);
    const [path, search] = server.requests[0]?.url?.split('?') ?? [];
    expect(path).toBe('/api/v1/ta-smart/x/data/points');
    expect(search?.split('&')).toEqual([
      'from=1970-01-01T00%3A00%3A00.000000Z',
      'to=1970-01-01T00%3A00%3A00.000001Z',
      'limit=1',
      'direction=ascending',
      'properties%5B%5D=measured_flow',
      'properties%5B%5D=error_status',
    ]);
  });

  test('uses the connection of the one before', async () => {
    const [hycloud, server] = await connect((_request, response) => response.end('[]'));
    for (let n = 0; n < 5; n += 1) await hycloud.listProjects();
    expect([server.requests.length, server.connections()]).toEqual([5, 1]);
  });

  test('opens no more connections than it may', async () => {
    const [hycloud, server] = await connect((_request, response) => void setTimeout(() => response.end('[]'), 5), {
      maxConcurrency: 3,
    });
    await Promise.all(Array.from({ length: 12 }, () => hycloud.listProjects()));
    expect([server.requests.length, server.connections()]).toEqual([12, 3]);
  });

  test('leads nowhere but below the base URL, whatever an id holds', async () => {
    const [hycloud, server] = await connect((_request, response) =>
      response.end('{"id": "p", "name": "P", "tasmarts": []}'),
    );
    for (const id of ['//evil.example.com/x', 'https://evil.example.com', '../../admin', 'a?b#c'])
      await hycloud.getProject(id);
    expect(server.requests.map(({ url }) => url)).toEqual([
      '/api/v1/projects/%2F%2Fevil.example.com%2Fx',
      '/api/v1/projects/https%3A%2F%2Fevil.example.com',
      '/api/v1/projects/..%2F..%2Fadmin',
      '/api/v1/projects/a%3Fb%23c',
    ]);
  });
});

describe('an answer', () => {
  test('that redirects is not followed', async () => {
    const [, elsewhere] = await connect((_request, response) => response.end('[]'));
    const [hycloud, server] = await connect((_request, response) =>
      response.writeHead(302, { location: `${elsewhere.baseUrl}projects` }).end(),
    );
    expect((await failureOf(hycloud.listProjects())).failure).toBe('redirect');
    expect([server.requests.length, elsewhere.requests.length]).toEqual([1, 0]);
  });

  test.each(['{}', 'null'])('that does not match the API is not tried again: %j', async (body) => {
    const [hycloud, server] = await connect((_request, response) => response.end(body));
    const error = await failureOf(hycloud.listProjects());
    expect(error.message).toBe('HyCloud, GET projects: the answer does not match the API');
    expect(server.requests).toHaveLength(1);
  });

  test.each([
    ['<html>hello</html>', 'the answer is HTML, not JSON'],
    ['[{"id": "p", "name"', 'the answer is JSON that was cut off or damaged'],
    ['', 'the answer is empty'],
    ['hello', 'the answer is not JSON'],
  ])('that is broken once is tried again, and named: %j', async (body, detail) => {
    const [broken] = await connect((_request, response) => response.end(body));
    expect((await failureOf(broken.listProjects())).message).toBe(`HyCloud, GET projects: ${detail} (5 attempts)`);
    const answers = [body];
    const [hycloud, server] = await connect((_request, response) => response.end(answers.shift() ?? '[]'));
    expect(await hycloud.listProjects()).toEqual([]);
    expect(server.requests).toHaveLength(2);
  });

  test('that begins with a byte-order mark is read', async () => {
    const [hycloud] = await connect((_request, response) => response.end('\uFEFF[]'));
    expect(await hycloud.listProjects()).toEqual([]);
  });

  test.each(['', 'identity', 'GZIP', 'x-gzip'])('with the content encoding %j is read', async (encoding) => {
    const body = /gzip/i.test(encoding) ? gzipSync('[]') : '[]';
    const [hycloud] = await connect((_request, response) =>
      response.writeHead(200, { 'content-encoding': encoding }).end(body),
    );
    expect(await hycloud.listProjects()).toEqual([]);
  });

  test.each(['br', 'zstd', 'deflate', 'other'])('packed as %j is refused and named', async (encoding) => {
    const [hycloud, server] = await connect((_request, response) =>
      response.writeHead(200, { 'content-encoding': encoding }).end('\x01\x02'),
    );
    expect((await failureOf(hycloud.listProjects())).message).toBe(
      `HyCloud, GET projects: the answer is packed as "${encoding}", only gzip was asked for`,
    );
    expect(server.requests).toHaveLength(1);
  });

  test('that ends before its length is tried again', async () => {
    const [hycloud, server] = await connect((_request, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('[');
      setTimeout(() => response.destroy(), 5);
    });
    expect(await failureOf(hycloud.listProjects())).toMatchObject({ failure: 'network' });
    expect(server.requests).toHaveLength(5);
  });

  test('that is compressed is read', async () => {
    const [hycloud] = await connect((_request, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('[{"id": "p", "name": "P"}]')),
    );
    expect(await hycloud.listProjects()).toMatchObject([{ id: 'p' }]);
  });
});

describe('the size limit', () => {
  const megabyte = ' '.repeat(1e6);

  test.each([
    ['announced', (body: string) => ({ 'content-length': String(body.length) })],
    ['not announced', () => ({ 'transfer-encoding': 'chunked' })],
  ])('cuts off a body, its length %s', async (_how, headers) => {
    const body = megabyte.repeat(9);
    const [hycloud, server] = await connect((_request, response) => response.writeHead(200, headers(body)).end(body));
    const query = { fromUs: 0, toUs: 1, limit: 1, direction: 'ascending', properties: [] } as const;
    const error = await failureOf(hycloud.getPoints({ id: 'x', pointsPath: 'x' }, query));
    expect(error).toMatchObject({ failure: 'too-large', message: 'HyCloud, GET x: the answer is larger than 1.5 MB' });
    expect(server.requests).toHaveLength(1);
  });

  test('holds for what a body unpacks to', async () => {
    const packed = gzipSync(megabyte.repeat(30));
    const [hycloud] = await connect((_request, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(packed),
    );
    expect(await failureOf(hycloud.listProjects())).toMatchObject({ failure: 'too-large' });
  });
});

describe('the time limit bounds the whole answer', () => {
  const slow = { requestTimeoutMs: 60, deadlineMs: () => 0 };

  test.each([
    ['headers that never come', () => undefined],
    [
      'a body that drips',
      (_request, response) => {
        const drip = setInterval(() => response.write(' '), 10);
        response.on('close', () => clearInterval(drip));
      },
    ],
  ] satisfies [string, RequestListener][])('%s', async (_what, answer) => {
    const [hycloud] = await connect(answer, slow);
    const startedMs = performance.now();
    const error = await failureOf(hycloud.listProjects());
    expect(error).toMatchObject({
      failure: 'timeout',
      message: 'HyCloud, GET projects: no whole answer within 0.06 s',
    });
    expect(performance.now() - startedMs).toBeLessThan(2000);
  });

  test('a stop ends it at once', async () => {
    const stop = new AbortController();
    const [hycloud] = await connect(() => stop.abort(), { signal: stop.signal });
    expect(await failureOf(hycloud.listProjects())).toMatchObject({ failure: 'aborted' });
  });

  test('many calls at once leave no warning of a leak', async () => {
    const warnings: Error[] = [];
    const listen = (warning: Error) => void warnings.push(warning);
    process.on('warning', listen);
    const [hycloud] = await connect((_request, response) => response.end('[]'), { maxConcurrency: 64 });
    await Promise.all(Array.from({ length: 64 }, () => hycloud.listProjects()));
    process.off('warning', listen);
    expect(warnings).toEqual([]);
  });
});
