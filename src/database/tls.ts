/** TLS options for the database, by libpq's modes. */
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type ConnectionOptions as TlsOptions } from 'node:tls';
import { KnownError } from '../domain/errors.ts';
import type { ServerSettings } from '../domain/database-settings.ts';

/**
 * False: no TLS, as for a unix socket. `require` encrypts, and checks the certificate only if a CA is configured. `verify-ca`
 * checks the chain, `verify-full` also the name.
 *
 * @see https://www.postgresql.org/docs/current/libpq-ssl.html
 * @throws KnownError exit 78
 */
export async function tlsOptions(settings: ServerSettings): Promise<TlsOptions | false> {
  const { host, sslMode, sslCaFile } = settings;
  if (sslMode === 'disable' || host.startsWith('/')) return false;
  const client = await clientCertificate(settings);
  if (sslMode === 'require' && sslCaFile === null) return { ...client, rejectUnauthorized: false };
  const ca = sslCaFile === null ? {} : { ca: await readCa(sslCaFile) };
  // Without rejectUnauthorized, NODE_TLS_REJECT_UNAUTHORIZED=0 would switch the check of the certificate off.
  const verified = { ...client, ...ca, rejectUnauthorized: true };
  return sslMode === 'verify-full' ? verified : { ...verified, checkServerIdentity: () => undefined };
}

async function readCa(file: string): Promise<string> {
  const remedy = 'name the file with the CA certificates (for RDS: its CA bundle), in PEM';
  const text = await readSetting('DB_SSL_CA', file, remedy);
  if (isCertificate(text)) return text;
  throw new KnownError('config', `DB_SSL_CA: ${file} ${describeContent(text)}`, { remedy });
}

/** Node.js ignores a CA that it cannot parse, and then trusts no certificate. */
function isCertificate(text: string): boolean {
  try {
    return new X509Certificate(text).raw.length > 0;
  } catch {
    return false;
  }
}

function describeContent(text: string): string {
  if (text.trim() === '') return 'is empty';
  if (/^\s*(<!doctype|<html|<\?xml|<error)/i.test(text)) return 'holds a web page: the download failed';
  return text.includes('BEGIN CERTIFICATE') ? 'holds a damaged certificate' : 'holds no certificate';
}

async function clientCertificate({
  sslCertFile,
  sslKeyFile,
}: ServerSettings): Promise<{ cert?: string; key?: string }> {
  if (!sslCertFile || !sslKeyFile) return {};
  const remedy = 'name the files with the client certificate and its private key without a passphrase, in PEM';
  const cert = await readSetting('DB_SSL_CERT', sslCertFile, remedy);
  const key = await readSetting('DB_SSL_KEY', sslKeyFile, remedy);
  try {
    createSecureContext({ cert, key });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new KnownError('config', `DB_SSL_CERT and DB_SSL_KEY cannot be used: ${reason}`, { remedy, cause });
  }
  return { cert, key };
}

/** Reads the file that the setting `key` names. */
async function readSetting(key: string, file: string, remedy: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new KnownError('config', `${key}: ${file} cannot be read`, { remedy, cause });
  }
}
