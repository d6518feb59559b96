/** The exit status of each kind of known error. Codes from 64 on are those of sysexits.h. */
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
 * An expected error. The message says what failed and on what; the remedy says what to do. Neither may hold a secret. `kind`
 * decides the exit status.
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
