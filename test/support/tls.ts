/** Certificates for tests, and a PostgreSQL server with TLS. */
import { chmod, chown, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import type { Cluster } from '../../src/database/embedded/cluster.ts';
import { startPostgres, type TestServer } from './postgres.ts';

/** PEM texts. */
export interface Certificate {
  key: string;
  cert: string;
}

export async function makeCa(commonName = 'tasmart test CA'): Promise<Certificate> {
  const { private: key, cert } = await generate([{ name: 'commonName', value: commonName }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
  return { key, cert };
}

/** As selfsigned names them: a DNS name, or an IP address. */
type AltName = { type: 2; value: string } | { type: 7; ip: string };

interface CertificateOptions {
  commonName: string;
  altNames: AltName[];
  notBeforeDate?: Date;
  notAfterDate?: Date;
}

/** A certificate that the CA signed. Without a CA, it is self-signed. */
export async function signCertificate(
  ca: Certificate | null,
  { commonName, altNames, ...dates }: CertificateOptions,
): Promise<Certificate> {
  const { private: key, cert } = await generate([{ name: 'commonName', value: commonName }], {
    keyType: 'ec',
    algorithm: 'sha256',
    ...(ca && { ca }),
    ...dates,
    extensions: [{ name: 'subjectAltName', altNames }],
  });
  return { key, cert };
}

export interface TlsServer extends TestServer {
  /** the CA that signed the server's certificate (PEM) */
  caFile: string;
  /** a CA that signed no certificate */
  otherCaFile: string;
  /** The certificate of a role. A role whose name begins with "by_" logs in with its certificate only. */
  clientCertificate: (role: string) => Promise<{ certFile: string; keyFile: string }>;
}

/**
 * A server with TLS. Its certificate is for localhost and 127.0.0.1. With `certificateFor`, it is for that name only, which
 * is not the server's. Connections without TLS are accepted too.
 */
export async function startTlsPostgres({ certificateFor }: { certificateFor?: string } = {}): Promise<TlsServer> {
  const [ca, otherCa] = await Promise.all([makeCa(), makeCa('another test CA')]);
  const certificate = await signHostCertificate(ca, certificateFor);
  const files = {
    'server.crt': certificate.cert,
    'server.key': certificate.key,
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
      const { cert, key } = await signHostCertificate(ca, role);
      await writeAll(server.cluster, { [`${role}.crt`]: cert, [`${role}.key`]: key });
      return { certFile: join(dataFolder, `${role}.crt`), keyFile: join(dataFolder, `${role}.key`) };
    },
  };
}

function signHostCertificate(ca: Certificate, name = 'localhost'): Promise<Certificate> {
  const loopback: AltName[] = name === 'localhost' ? [{ type: 7, ip: '127.0.0.1' }] : [];
  return signCertificate(ca, { commonName: name, altNames: [{ type: 2, value: name }, ...loopback] });
}

async function writeAll({ dataFolder, account }: Cluster, files: Record<string, string>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const path = join(dataFolder, name);
    await writeFile(path, content);
    await chmod(path, 0o600); // PostgreSQL refuses a key that others may read
    if (account) await chown(path, account.uid, account.gid);
  }
}
