/** The errors of the database, with what to do about them. */
import { KnownError, type ErrorKind } from '../domain/errors.ts';

/** Does not name DB_SSLMODE: a weaker mode is no remedy for a certificate that is not trusted. */
const CA_REMEDY = 'check DB_SSL_CA (for RDS: its CA bundle)';
const NEXT_RUN = 'the next run will catch up';

/**
 * What to do, by the beginning of the SQLSTATE or of Node's error code. The first match counts: put a longer code before its
 * prefix. Without a kind: `database`.
 *
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const REMEDIES: readonly (readonly [code: string, remedy: string, kind?: ErrorKind])[] = [
  ['28', 'check DB_USER and DB_PASS (or DATABASE_URL), and pg_hba.conf', 'credentials'],
  ['42501', 'grant the role what "tasmart migrate --print-grants" prints', 'credentials'],
  ['42P01', 'run "tasmart migrate"', 'config'],
  ['42703', 'run "tasmart migrate"', 'config'],
  ['3D000', 'check DB_DATABASE (or DATABASE_URL), or create the database'],
  ['25006', `it is a read-only replica: use the writer endpoint; after a failover ${NEXT_RUN}`],
  ['53100', `its disk is full: give it more storage; ${NEXT_RUN}`],
  ['53300', `raise max_connections or close idle sessions; ${NEXT_RUN}`],
  ['53', `the server lacks resources; ${NEXT_RUN}`],
  ['57014', `a statement took too long: look for locks and load; ${NEXT_RUN}`],
  ['55P03', `another session locks the table: see pg_locks; ${NEXT_RUN}`],
  ['57P05', `the session was idle for too long: this program or machine was stopped; ${NEXT_RUN}`],
  ['57P', `the server is shutting down, starting or failing over; ${NEXT_RUN}`],
  ['ENOTFOUND', 'check DB_HOST (or DATABASE_URL): the name does not resolve'],
  ['EAI_AGAIN', `DNS does not answer; ${NEXT_RUN}`],
  ['ECONNREFUSED', `nothing listens there: check DB_HOST and DB_PORT, and the server; ${NEXT_RUN}`],
  ['ERR_TLS_CERT_ALTNAME', 'the certificate is for another name: check DB_HOST; it may be another server that answers'],
  ['CERT_HAS_EXPIRED', "renew the server's certificate, or set this machine's clock"],
  ['CERT_NOT_YET_VALID', "set this machine's clock: it is before the certificate's time"],
  ['CERT_', CA_REMEDY],
  ['INVALID_CA', CA_REMEDY],
  ['SELF_SIGNED_CERT', CA_REMEDY],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', CA_REMEDY],
  ['UNABLE_TO_', CA_REMEDY],
];

/** What to do where the words say more than the code. */
const REMEDIES_BY_WORDS: readonly (readonly [words: RegExp, remedy: string, kind?: ErrorKind])[] = [
  [
    /no pg_hba\.conf entry .*no encryption/,
    'the server may ask for TLS: set DB_SSLMODE=verify-full and DB_SSL_CA; else check pg_hba.conf',
    'credentials',
  ],
  [
    /^SASL: .*password must be/,
    'the server asks for a password: set DB_PASS, DB_PASS_FILE or DB_PASS_COMMAND (~/.pgpass is not read)',
    'credentials',
  ],
  [
    /^timeout expired$/,
    `nothing answers there: check DB_HOST and DB_PORT, and the firewall or security group; ${NEXT_RUN}`,
  ],
];

const TLS = /certificate|SSL|TLS/i;
const TLS_REMEDY = `${CA_REMEDY} and DB_SSLMODE`;

/** An error of PostgreSQL or of the connection. The message is the server's, which never holds a password. */
export class DatabaseError extends KnownError {
  override readonly name = 'DatabaseError';
  /** SQLSTATE or Node's code; empty if neither */
  readonly code: string;

  constructor(error: Error) {
    const code = codeOf(error);
    const fallback = TLS.test(`${code} ${error.message}`) ? TLS_REMEDY : `check the server; ${NEXT_RUN}`;
    const [, remedy = fallback, kind = 'database'] =
      REMEDIES_BY_WORDS.find(([words]) => words.test(error.message)) ??
      REMEDIES.find(([prefix]) => code.startsWith(prefix)) ??
      [];
    const suffix = code === '' ? '' : ` (${code})`;
    super(kind, `the database: ${error.message || code}${suffix}`, { remedy, cause: error });
    this.code = code;
  }
}

/** Another run holds the lock: exit 75. */
export class LockedError extends KnownError {
  override readonly name = 'LockedError';

  /**
   * @param what the run that was locked out, such as `poll of account "torino"`
   * @param holder the program that holds the lock, where and since when
   */
  constructor(what: string, holder: string) {
    super('locked', `another ${what} is under way: nothing was done; ${holder}`, {
      remedy: 'wait for it, or see tasmart_runs',
    });
  }
}

function codeOf(error: Error): string {
  const { code, errors } = error as { code?: unknown; errors?: unknown };
  if (typeof code === 'string') return code;
  // Node tries every address of a name, and throws the errors of all of them.
  const first: unknown = Array.isArray(errors) ? errors[0] : undefined;
  return first instanceof Error ? codeOf(first) : '';
}
