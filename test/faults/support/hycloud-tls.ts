import { writeFile } from 'node:fs/promises';
import { generate } from 'selfsigned';

export interface Pair {
  key: string;
  cert: string;
}

const MS_PER_DAY = 86_400_000;

export async function makeCa(): Promise<Pair> {
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'tasmart test CA' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
  return { key, cert };
}

/** A server's certificate, for 127.0.0.1 unless told otherwise; without a CA, it signs itself. */
export async function makeCertificate(ca: Pair | null, flaw?: 'expired' | 'another host'): Promise<Pair> {
  const address = flaw === 'another host' ? '192.0.2.1' : '127.0.0.1';
  const { private: key, cert } = await generate([{ name: 'commonName', value: 'hycloud' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    ...(ca && { ca }),
    notBeforeDate: new Date(Date.now() - 30 * MS_PER_DAY),
    notAfterDate: new Date(Date.now() + (flaw === 'expired' ? -1 : 30) * MS_PER_DAY),
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: address }] }],
  });
  return { key, cert };
}

/** What makes the program trust a CA besides those it knows. */
export async function trusting({ cert }: Pair, file: string): Promise<Record<string, string>> {
  await writeFile(file, cert);
  return { NODE_EXTRA_CA_CERTS: file };
}
