/** Errors of the embedded PostgreSQL. */
import { KnownError } from '../../domain/errors.ts';

/** The embedded PostgreSQL cannot be used. `config`: only the user can solve it. `database`: another run may succeed. */
export class EmbeddedPostgresError extends KnownError {
  override readonly name = 'EmbeddedPostgresError';

  constructor(kind: 'config' | 'database', message: string, options: { remedy?: string; cause?: unknown } = {}) {
    super(kind, `the embedded PostgreSQL ${message}`, options);
  }

  /** The error that the process in as-owner.ts has reported. */
  static fromReply({ kind, message, remedy }: { kind: 'config' | 'database'; message: string; remedy: string | null }) {
    const text = message.replace(/^the embedded PostgreSQL /, '');
    return new EmbeddedPostgresError(kind, text, remedy === null ? {} : { remedy });
  }
}

/** The code of a failed system call (`ENOENT`) or of a PostgreSQL error (`57P03`), if the error has one. */
export function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}
