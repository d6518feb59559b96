/** Certificates of a simulated HyCloud with https. */
import { writeFile } from 'node:fs/promises';
import { signCertificate, type Certificate } from '../../support/tls.ts';

const MS_PER_DAY = 86_400_000;

/** A certificate for 127.0.0.1, unless it has a flaw. Without a CA, it is self-signed. */
export async function makeCertificate(ca: Certificate | null, flaw?: 'expired' | 'another host'): Promise<Certificate> {
  return signCertificate(ca, {
    commonName: 'hycloud',
    altNames: [{ type: 7, ip: flaw === 'another host' ? '192.0.2.1' : '127.0.0.1' }],
    notBeforeDate: new Date(Date.now() - 30 * MS_PER_DAY),
    notAfterDate: new Date(Date.now() + (flaw === 'expired' ? -1 : 30) * MS_PER_DAY),
  });
}

/** Writes the CA to a file. Returns the variable that makes the program trust the CA, besides those that Node.js knows. */
export async function trustCa({ cert }: Certificate, file: string): Promise<Record<string, string>> {
  await writeFile(file, cert);
  return { NODE_EXTRA_CA_CERTS: file };
}
