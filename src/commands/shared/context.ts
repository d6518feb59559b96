/** Options that every command has. */
export interface GlobalOptions {
  /** undefined: config.json, if it is there */
  config?: string;
  /** undefined: .env, if it is there */
  envFile?: string;
  logLevel?: LogLevel;
  logFormat?: 'pretty' | 'json';
}

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export const OUTPUT_FORMATS = ['table', 'json', 'csv'] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

/** What a command gets from the command line. */
export interface CommandContext {
  globals: GlobalOptions;
  /** what follows the command's name, without options and their values */
  args: readonly string[];
  /** aborts at SIGINT and SIGTERM, with the signal's name as the reason; the exit status is then the signal's, whatever `run` returns */
  signal: AbortSignal;
  /** aborts some time after `signal` (see action.ts): then a command must give up whatever has not stopped yet */
  giveUp: AbortSignal;
}
