/** Exit status per kind of known error, from sysexits.h where it has a code. The one table. */
export const EXIT_STATUS = {
  defect: 1,
  check: 1,
  partial: 2,
  usage: 64,
  hycloud: 69,
  database: 74,
  locked: 75,
  credentials: 77,
  config: 78,
} as const;

export type ErrorKind = keyof typeof EXIT_STATUS;

/**
 * An error that is understood: the message says what failed and on what, the remedy what to do about it.
 * Neither ever holds a secret. It prints as one line and decides the exit status.
 */
export class KnownError extends Error {
  override readonly name: string = 'KnownError';
  readonly kind: ErrorKind;
  readonly remedy: string | null;

  constructor(kind: ErrorKind, message: string, options: { remedy?: string; cause?: unknown } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : {});
    this.kind = kind;
    this.remedy = options.remedy ?? null;
  }
}
