import { mkdtemp, rm } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Json } from '../../scripts/simulator/json.ts';
import { makeCa, type Certificate } from '../support/tls.ts';
import { flaws, NO_FLAWS, openSite, PROMPT_MS } from './support/hycloud-site.ts';
import { makeCertificate, trustCa } from './support/hycloud-tls.ts';

describe('HyCloud is not reached', () => {
  const unreachable = [
    ['refused', 'http://127.0.0.1:9/api/v1/', /no answer \(ECONNREFUSED\) \(5 attempts\)/],
    ['without a name', 'https://hycloud.invalid/api/v1/', /no answer \((ENOTFOUND|EAI_AGAIN)\)/],
  ] as const;

  test.concurrent.each(unreachable)('%s', async (_name, url, says) => {
    const site = await openSite();
    const { code, log, ms, stdout } = await site.run({ env: { HYCLOUD_BASE_URL: url } });
    expect({ code, stdout }).toEqual({ code: 69, stdout: '' });
    expect(ms).toBeLessThan(PROMPT_MS);
    const error = log.find(({ level }) => level === 'error');
    expect(error?.msg).toMatch(says);
    expect(error?.remedy).toMatch(/check the network, DNS, proxy and HYCLOUD_BASE_URL/);
    expect(await site.rows()).toEqual([]);
    expect((await site.healthyRun()).code).toBe(0);
    expect(await flaws(site)).toEqual(NO_FLAWS);
    await site.close();
  });

  test.concurrent('check says so', async () => {
    const site = await openSite();
    const args = ['check', '--format', 'json'];
    const { code, stdout } = await site.run({ args, env: { HYCLOUD_BASE_URL: 'http://127.0.0.1:9/api/v1/' } });
    expect(code).toBe(1);
    const { items } = JSON.parse(stdout) as { items: object[] };
    expect(items).toContainEqual(
      expect.objectContaining({
        name: 'HyCloud',
        state: 'failed',
        seen: expect.stringContaining('ECONNREFUSED') as string,
      }),
    );
    expect(items).toContainEqual(expect.objectContaining({ name: 'targets, valves', state: 'skipped' }));
    await site.close();
  });
});

describe('TLS', () => {
  let folder: string;
  let ca: Certificate;
  let trustsCa: Record<string, string>;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tasmart-tls-'));
    ca = await makeCa();
    trustsCa = await trustCa(ca, join(folder, 'ca.pem'));
  });

  afterAll(() => rm(folder, { recursive: true }));

  const refused = [
    ['self-signed', async () => makeCertificate(null), 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    ['expired', async () => makeCertificate(ca, 'expired'), 'CERT_HAS_EXPIRED'],
    ['for another host', async () => makeCertificate(ca, 'another host'), 'ERR_TLS_CERT_ALTNAME_INVALID'],
  ] as const;

  test.concurrent.each(refused)('a certificate %s is refused', async (_name, certificate, code) => {
    const site = await openSite({ tls: await certificate() });
    const run = await site.run({ env: trustsCa });
    expect(run.code).toBe(69);
    const error = run.log.find(({ level }) => level === 'error');
    expect(error?.msg).toBe(`HyCloud, GET projects/${site.hycloud.projects[0]?.id ?? ''}: TLS refused (${code})`);
    expect(error?.remedy).toMatch(/this machine’s clock, and any proxy .* \(NODE_EXTRA_CA_CERTS\)/);
    expect(site.hycloud.log).toEqual([]);
    await site.close();
  });

  test.concurrent('a certificate of a CA that nobody trusts is refused', async () => {
    const site = await openSite({ tls: await makeCertificate(ca) });
    const { code, log } = await site.run();
    expect(code).toBe(69);
    expect(log.find(({ level }) => level === 'error')?.msg).toMatch(
      /TLS refused \((UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT_LOCALLY)\)$/,
    );
    expect(site.hycloud.log).toEqual([]);
    await site.close();
  });

  test.concurrent('the same certificate is accepted where its CA is trusted', async () => {
    const site = await openSite({ tls: await makeCertificate(ca) });
    const { code } = await site.run({ env: trustsCa });
    expect(code).toBe(0);
    expect(await flaws(site)).toEqual(NO_FLAWS);
    await site.close();
  });

  test.concurrent('plain http on loopback needs no proxy, of whatever kind', async () => {
    const site = await openSite();
    const { code } = await site.run({ env: { ALL_PROXY: 'socks5h://127.0.0.1:1080' } });
    expect(code).toBe(0);
    await site.close();
  });

  test.concurrent.each(['HTTPS_PROXY', 'all_proxy'])('goes through the proxy that %s names, whole', async (name) => {
    const site = await openSite({ tls: await makeCertificate(ca) });
    const proxy = await openProxy();
    const { code } = await site.run({ env: { ...trustsCa, [name]: proxy.url } });
    expect(code).toBe(0);
    expect(await flaws(site)).toEqual(NO_FLAWS);
    // A tunnel for each connection, not for each request.
    expect(site.hycloud.log.length).toBeGreaterThan(proxy.asked.length);
    expect(new Set(proxy.asked)).toEqual(new Set([`127.0.0.1:${site.hycloud.port}`]));
    await Promise.all([site.close(), proxy.close()]);
  });

  test.concurrent('a proxy that refuses is named as the cause', async () => {
    const site = await openSite({ tls: await makeCertificate(ca) });
    const proxy = await openProxy('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
    const { code, log } = await site.run({ env: { ...trustsCa, HTTPS_PROXY: proxy.url } });
    expect(code).toBe(69);
    expect(log.find(({ level }) => level === 'error')?.msg).toMatch(/the proxy refuses to connect \(HTTP 407\)$/);
    expect(proxy.asked).toHaveLength(1);
    await Promise.all([site.close(), proxy.close()]);
  });

  test.concurrent.each([
    'socks5://user:secret@127.0.0.1:1080',
    'http://user:secret@',
    'http://user:50%secret@127.0.0.1:3128',
  ])('what is no proxy for HTTP is a wrong setting, and not repeated: %s', async (url) => {
    const site = await openSite({ tls: await makeCertificate(ca) });
    const { code, log } = await site.run({ env: { ...trustsCa, HTTPS_PROXY: url } });
    expect(code).toBe(78);
    expect(log.find(({ level }) => level === 'error')?.msg).toMatch(
      /^HTTPS_PROXY or ALL_PROXY is not the URL of a proxy/,
    );
    expect(JSON.stringify(log)).not.toContain('secret');
    await site.close();
  });

  test.concurrent('a proxy that never answers keeps no run from ending', async () => {
    const site = await openSite({ tls: await makeCertificate(ca) });
    const silent = createServer((socket) => void socket.on('error', () => undefined).resume());
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const proxy = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const config = { request_timeout_seconds: 1 };
    const { code, log, ms } = await site.run({ env: { ...trustsCa, HTTPS_PROXY: proxy }, config });
    expect(code).toBe(69);
    expect(log.find(({ level }) => level === 'error')?.msg).toMatch(/no whole answer within/);
    expect(ms).toBeLessThan(PROMPT_MS);
    expect(await site.rows()).toEqual([]);
    silent.close();
    await site.close();
  });

  test.concurrent('a server without it is not spoken to', async () => {
    const site = await openSite();
    const url = site.hycloud.baseUrl.replace('http:', 'https:');
    const { code, log } = await site.run({ env: { HYCLOUD_BASE_URL: url } });
    expect(code).toBe(69);
    expect(log.find(({ level }) => level === 'error')?.msg).toMatch(/TLS refused/);
    expect(site.hycloud.log).toEqual([]);
    await site.close();
  });
});

describe('another origin receives nothing', () => {
  /** Counts who comes; says nothing. */
  async function startOther() {
    let connections = 0;
    const server = createServer((socket) => {
      connections += 1;
      socket.destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    return { host: `127.0.0.1:${port}`, connections: () => connections, close: () => server.close() };
  }

  test.each([301, 302, 307, 308] as const)('when HyCloud redirects to it (%d)', async (status) => {
    const other = await startOther();
    const site = await openSite();
    const location = `http://${other.host}/api/v1/`;
    site.hycloud.faults.add({ fault: { kind: 'redirect', location, status } });
    const { code, log } = await site.run();
    expect(code).toBe(69);
    expect(log.find(({ level }) => level === 'error')?.msg).toMatch(new RegExp(`HTTP ${status}$`));
    expect(other.connections()).toBe(0);
    expect(site.hycloud.log.length).toBe(1);
    other.close();
    await site.close();
  });

  test('when a valve has an href to it, or one that climbs out of the API', async () => {
    const other = await startOther();
    const hrefs: Json[] = [
      `http://${other.host}/api/v1/ta-smart/x/data/points`,
      `//${other.host}/api/v1/`,
      `/api/v1//${other.host}/`,
      `/api/v1/@${other.host}/`,
      `\\\\${other.host}\\`,
      `http:${other.host}`,
      '/api/v1/../../secrets',
      '/api/v1/ta-smart/../projects',
      '/api/v1/%2e%2e/%2e%2e/secrets',
      '/api/v1/ta-smart/x/data/points?limit=1#',
      'javascript:alert(1)',
      '',
      42,
    ];
    const site = await openSite({ valves: hrefs.length });
    const changed = (project: { tasmarts: Record<string, Json>[] }): Json => ({
      ...project,
      tasmarts: project.tasmarts.map((valve, index) => ({ ...valve, href: { datapoints: hrefs[index] ?? null } })),
    });
    site.hycloud.faults.add({ match: { path: /projects\/./ }, fault: { kind: 'transform', transform: changed } });
    const { code } = await site.run();
    expect(code).toBe(0);
    expect(other.connections()).toBe(0);
    const paths = site.hycloud.log.map(({ path }) => path);
    expect(paths.sort()).toEqual(
      [
        '/api/v1/projects',
        `/api/v1/projects/${site.hycloud.projects[0]?.id ?? ''}`,
        ...site.valves.map(({ id }) => `/api/v1/ta-smart/${id}/data/points`),
      ].sort(),
    );
    expect(await flaws(site)).toEqual(NO_FLAWS);
    other.close();
    await site.close();
  });
});

/** A proxy as companies have them: it hands bytes through, of TLS it reads nothing. */
async function openProxy(refusal?: string): Promise<{ url: string; asked: string[]; close: () => Promise<void> }> {
  const asked: string[] = [];
  const server = createHttpServer();
  server.on('connect', ({ url = '' }, socket: Socket) => {
    asked.push(url);
    if (refusal !== undefined) return void socket.end(refusal);
    const upstream = connect(Number(url.split(':')[1]), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.pipe(socket).pipe(upstream);
    });
    upstream.on('error', () => undefined).on('close', () => socket.destroy());
    socket.on('error', () => undefined).on('close', () => upstream.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
