/** Reads the environment variables: HyCloud's credentials, the database, the healthcheck. */
import { isIP } from 'node:net';
import type { DatabaseSettings, ServerSettings, SslMode } from '../domain/database-settings.ts';
import type { HyCloudConfig, Problem, Section } from './config.ts';

/** Variables of the process and of the env file. If both have one, the process's counts. */
export type Environment = Readonly<Record<string, string | undefined>>;

type Report = (key: string, message: string) => void;

const PRODUCTION = 'https://cloud.imi-hydronic.com/api/v1/';
const SSL_MODES: readonly string[] = ['disable', 'require', 'verify-ca', 'verify-full'] satisfies SslMode[];
/** A header value: visible ASCII. Anything else would make axios throw with the key in its message. */
const HEADER_VALUE = /^[\x21-\x7e]+$/;

/** `API_KEY` for the unnamed account, `API_KEY_<ACCOUNT>` for a named one. */
export function accountVariable(variable: string, account: string): string {
  if (account === '') return variable;
  return `${variable}_${account.toUpperCase().replace(/[^A-Z0-9]/gu, '_')}`;
}

/** The requester id and the base URL of a named account fall back to the variables without its name. */
export function parseHyCloud(account: string, env: Environment, problems: Problem[]): HyCloudConfig {
  const report = createProblemReporter(problems, 'hycloud');
  /** The name of the account's variable if it is set, else the plain name. */
  const nameWithFallback = (variable: string): string => {
    const accountKey = accountVariable(variable, account);
    return readVariable(env, accountKey) === undefined ? variable : accountKey;
  };
  const readSecret = (key: string): string => {
    const value = readVariable(env, key);
    if (!value) report(key, 'is not set: HyCloud refuses every call without it');
    else if (!HEADER_VALUE.test(value)) report(key, 'holds characters that cannot stand in an HTTP header');
    return value ?? '';
  };
  const urlKey = nameWithFallback('HYCLOUD_BASE_URL');
  const variables = { apiKey: accountVariable('API_KEY', account), requesterId: nameWithFallback('REQUESTER_ID') };
  return {
    apiKey: readSecret(variables.apiKey),
    requesterId: readSecret(variables.requesterId),
    variables,
    baseUrl: parseBaseUrl(readVariable(env, urlKey) ?? PRODUCTION, (message) => report(urlKey, message)),
  };
}

function parseBaseUrl(text: string, report: (message: string) => void): string {
  const url = parseUrl(text);
  if (!url || !['http:', 'https:'].includes(url.protocol)) {
    report(`is not a URL such as ${PRODUCTION}`);
    return PRODUCTION;
  }
  const path = url.pathname.endsWith('/') ? url.pathname : `${url.pathname}/`;
  if (url.username || url.password) {
    report('must not hold a user or password');
  } else if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    report('must be https: plain http would send the key in clear (only loopback may use it)');
  } else if (!path.endsWith('/api/v1/')) {
    report(`must end in /api/v1, as ${PRODUCTION} does (its path is "${url.pathname}")`);
  }
  return `${url.origin}${path}`;
}

export function parseHealthcheck(env: Environment, problems: Problem[]): string | null {
  const text = readVariable(env, 'HEALTHCHECK_URL');
  if (!text) return null;
  const url = parseUrl(text);
  const isUrl = ['http:', 'https:'].includes(url?.protocol ?? '');
  if (isUrl && !url?.username && !url?.password) return text;
  const message = isUrl ? 'must not hold a user or password' : 'is not an http or https URL';
  problems.push({ key: 'HEALTHCHECK_URL', message, section: null });
  return null;
}

export function parseDatabase(env: Environment, problems: Problem[]): DatabaseSettings {
  const report = createProblemReporter(problems, 'database');
  const url = readVariable(env, 'DATABASE_URL');
  const parts = ['DB_HOST', 'DB_PORT', 'DB_USER', 'DB_DATABASE'].filter((key) => readVariable(env, key));
  if (url && parts.length > 0) {
    report('DATABASE_URL', `and ${parts.join(', ')} are both set: keep one way of naming the database`);
  }
  if (!url) return parseParts(env, report);
  if (!url.startsWith('embedded:')) return parseDatabaseUrl(url, env, report);
  const folder = url.slice('embedded:'.length);
  if (!folder) report('DATABASE_URL', 'names no folder: write embedded:./data');
  return { embeddedFolder: folder };
}

function parseParts(env: Environment, report: Report): DatabaseSettings {
  const readRequired = (key: string): string => {
    const value = readVariable(env, key);
    if (!value) report(key, 'is not set (or set DATABASE_URL)');
    return value ?? '';
  };
  const host = readRequired('DB_HOST');
  // An error message quotes the host. A URL here would put its password into the log.
  if (/:\/\/|@/.test(host)) report('DB_HOST', 'is not a host name or address: a URL belongs in DATABASE_URL');
  return {
    host,
    port: parsePort(readVariable(env, 'DB_PORT') ?? '5432', 'DB_PORT', report),
    user: readRequired('DB_USER'),
    ...parsePassword(env, null, report),
    database: readRequired('DB_DATABASE'),
    sslMode: parseSslMode(readVariable(env, 'DB_SSLMODE'), host, 'DB_SSLMODE', report),
    sslCaFile: readVariable(env, 'DB_SSL_CA') ?? null,
    ...parseClientCertificate(env, new URLSearchParams(), report),
  };
}

const URL_PARAMETERS = ['host', 'sslmode', 'sslrootcert', 'sslcert', 'sslkey'];

/** libpq accepts user@ without a host, with the socket's folder in ?host=. `new URL` does not, so insert this host. */
const NO_HOST = 'no-host.invalid';

/** `postgresql://user:password@host:port/database?sslmode=…&sslrootcert=…`, as libpq reads it. */
function parseDatabaseUrl(text: string, env: Environment, report: Report): DatabaseSettings {
  const url = parseUrl(text.replace(/^(postgres(?:ql)?:\/\/[^/?#]*@)(?=\/)/, `$1${NO_HOST}`));
  if (!url || !['postgres:', 'postgresql:'].includes(url.protocol)) {
    report('DATABASE_URL', 'is neither postgresql://user:password@host:port/database nor embedded:<folder>');
  }
  const params = new URLSearchParams(url?.search);
  // Quote neither names nor values: they may be the rest of a password that contains a ?.
  if ([...params.keys()].some((name) => !URL_PARAMETERS.includes(name))) {
    report('DATABASE_URL', `has parameters other than ${URL_PARAMETERS.join(', ')}`);
  }
  const requirePart = (value: string, what: string): string => {
    if (url && !value) report('DATABASE_URL', `names no ${what}`);
    return value;
  };
  // `new URL` keeps the brackets of an IPv6 address. The folder of a socket is percent-encoded, or in ?host=.
  const urlHost = url?.hostname === NO_HOST ? '' : decodePart(url?.hostname ?? '');
  const host = params.get('host') ?? urlHost.replace(/^\[(.*)\]$/, '$1');
  const port = url?.port ?? '';
  return {
    host: requirePart(host, 'host'),
    port: parsePort(port === '' ? '5432' : port, 'DATABASE_URL', report),
    user: requirePart(decodePart(url?.username ?? ''), 'user'),
    ...parsePassword(env, url?.password ? decodePart(url.password) : null, report),
    database: requirePart(decodePart(url?.pathname.slice(1) ?? ''), 'database'),
    sslMode: params.has('sslmode')
      ? parseSslMode(params.get('sslmode'), host, 'DATABASE_URL', report)
      : parseSslMode(readVariable(env, 'DB_SSLMODE'), host, 'DB_SSLMODE', report),
    sslCaFile: params.get('sslrootcert') ?? readVariable(env, 'DB_SSL_CA') ?? null,
    ...parseClientCertificate(env, params, report),
  };
}

function parseClientCertificate(
  env: Environment,
  params: URLSearchParams,
  report: Report,
): Pick<ServerSettings, 'sslCertFile' | 'sslKeyFile'> {
  const sslCertFile = params.get('sslcert') ?? readVariable(env, 'DB_SSL_CERT') ?? null;
  const sslKeyFile = params.get('sslkey') ?? readVariable(env, 'DB_SSL_KEY') ?? null;
  const nameOf = (parameter: string, variable: string) =>
    params.has(parameter) ? `${parameter} in DATABASE_URL` : variable;
  if (sslCertFile !== null && sslKeyFile === null) {
    report('DB_SSL_KEY', `is not set, but ${nameOf('sslcert', 'DB_SSL_CERT')} is: name both`);
  }
  if (sslCertFile === null && sslKeyFile !== null) {
    report('DB_SSL_CERT', `is not set, but ${nameOf('sslkey', 'DB_SSL_KEY')} is: name both`);
  }
  return { sslCertFile, sslKeyFile };
}

/** Does not trim the password: blanks may be part of it. An empty DB_PASS counts as unset. */
function parsePassword(
  env: Environment,
  urlPassword: string | null,
  report: Report,
): Pick<ServerSettings, 'password' | 'passwordCommand'> {
  const variablePassword = env['DB_PASS'] === '' ? undefined : env['DB_PASS'];
  const password = urlPassword ?? variablePassword ?? null;
  const passwordCommand = readVariable(env, 'DB_PASS_COMMAND') ?? null;
  if (password !== null && passwordCommand !== null) {
    report(
      'DB_PASS_COMMAND',
      `and ${urlPassword === null ? 'DB_PASS' : 'a password in DATABASE_URL'} are both set: keep one`,
    );
  }
  return { password, passwordCommand };
}

/** Without a text: `disable` on this machine (a socket, or loopback), else `verify-full`. */
function parseSslMode(text: string | null | undefined, host: string, key: string, report: Report): SslMode {
  if (!text) return host.startsWith('/') || isLoopback(host) ? 'disable' : 'verify-full';
  if (!SSL_MODES.includes(text)) {
    report(key, `has an sslmode other than ${SSL_MODES.join(', ')}${quoteIfHarmless(text, HARMLESS_SSL_MODES)}`);
  }
  return text as SslMode;
}

function parsePort(text: string, key: string, report: Report): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port >= 1 && port <= 65535) return port;
  report(key, `has a port that is not between 1 and 65535${quoteIfHarmless(text, /^[-+.\dx]{1,8}$/)}`);
  return port;
}

/** Values that a wrong sslmode may have without being a secret: libpq's other modes, and a mode in capital letters. */
const HARMLESS_SSL_MODES = /^(prefer|allow|no-verify|disable|require|verify-ca|verify-full)$/i;

/** Quotes a wrong value only if it matches `harmless`: else it may be a secret in the wrong place. */
function quoteIfHarmless(text: string, harmless: RegExp): string {
  return harmless.test(text) ? ` (it is "${text}")` : '';
}

export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  if (isIP(bare) === 4) return bare.startsWith('127.');
  return bare === '::1' || bare === 'localhost';
}

/** The value of a variable without blanks at its ends. undefined: unset or empty */
export function readVariable(env: Environment, key: string): string | undefined {
  const value = env[key]?.trim();
  return value === '' ? undefined : value;
}

/** Decodes a part of a URL. Keeps a % that encodes nothing, as in a password that was not encoded: `new URL` encodes the rest. */
function decodePart(text: string): string {
  return text.replace(/(?:%[\da-f]{2})+/gi, (encoded) => {
    try {
      return decodeURIComponent(encoded);
    } catch {
      return encoded;
    }
  });
}

function parseUrl(text: string): URL | null {
  return URL.canParse(text) ? new URL(text) : null;
}

/** The returned function adds each problem once: several accounts may share a variable. */
function createProblemReporter(problems: Problem[], section: Section): Report {
  return (key, message) => {
    const isKnown = problems.some((problem) => problem.key === key && problem.message === message);
    if (!isKnown) problems.push({ key, message, section });
  };
}
