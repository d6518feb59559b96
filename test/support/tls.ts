/** Starts a PostgreSQL server with TLS, and makes certificates. */
import { chmod, chown, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import type { Cluster } from '../../src/database/embedded/cluster.ts';
import { startPostgres, type TestServer } from './postgres.ts';

export interface TlsServer extends TestServer {
  /** the CA that signed the server's certificate (PEM) */
  caFile: string;
  /** a CA that has signed no certificate of the server (PEM) */
  otherCaFile: string;
  /** Makes a certificate with which a role logs in without a password. The role's name must begin with "by_". */
  clientCertificate: (role: string) => Promise<{ certFile: string; keyFile: string }>;
}

/**
 * Starts a server with TLS. Its certificate is for localhost and 127.0.0.1. With `certificateFor`, it is for that name alone,
 * which does not match the host. The server accepts connections without TLS too.
 */
export async function startTlsPostgres({ certificateFor }: { certificateFor?: string } = {}): Promise<TlsServer> {
  const [ca, otherCa] = await Promise.all([makeCa('tasmart test CA'), makeCa('another test CA')]);
  const certificate = await makeCertificate(ca, certificateFor);
  const files = {
    'server.crt': certificate.cert,
    'server.key': certificate.private,
    'ca.crt': ca.cert,
    'other-ca.crt': otherCa.cert,
  };
  const settings = { ssl: 'on', ssl_cert_file: 'server.crt', ssl_key_file: 'server.key', ssl_ca_file: 'ca.crt' };
  const server = await startPostgres(settings, async (cluster) => {
    await writeAll(cluster, files);
    const rules = join(cluster.dataFolder, 'pg_hba.conf');
    await writeFile(rules, `hostssl all /^by_ 127.0.0.1/32 cert\n${await readFile(rules, 'utf8')}`);
  });
  const { dataFolder } = server.cluster;
  return {
    ...server,
    caFile: join(dataFolder, 'ca.crt'),
    otherCaFile: join(dataFolder, 'other-ca.crt'),
    async clientCertificate(role) {
      const { cert, private: key } = await makeCertificate(ca, role);
      await writeAll(server.cluster, { [`${role}.crt`]: cert, [`${role}.key`]: key });
      return { certFile: join(dataFolder, `${role}.crt`), keyFile: join(dataFolder, `${role}.key`) };
    },
  };
}

interface KeyPair {
  private: string;
  cert: string;
}

function makeCa(commonName: string): Promise<KeyPair> {
  return generate([{ name: 'commonName', value: commonName }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
}

function makeCertificate(ca: KeyPair, hostName?: string): Promise<KeyPair> {
  const localhost = [
    { type: 2 as const, value: 'localhost' },
    { type: 7 as const, ip: '127.0.0.1' },
  ];
  return generate([{ name: 'commonName', value: hostName ?? 'localhost' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    ca: { key: ca.private, cert: ca.cert },
    extensions: [
      { name: 'subjectAltName', altNames: hostName === undefined ? localhost : [{ type: 2, value: hostName }] },
    ],
  });
}

async function writeAll({ dataFolder, account }: Cluster, files: Record<string, string>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const path = join(dataFolder, name);
    await writeFile(path, content);
    await chmod(path, 0o600); // PostgreSQL refuses a key that others may read
    if (account) await chown(path, account.uid, account.gid);
  }
}
