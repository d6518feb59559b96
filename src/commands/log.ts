import pino, { type Logger } from 'pino';
import { spelledOut } from '../domain/text.ts';
import type { GlobalOptions } from './context.ts';

export function isForPeople({ logFormat }: GlobalOptions): boolean {
  return (logFormat ?? (process.stderr.isTTY ? 'pretty' : 'json')) === 'pretty';
}

/**
 * Logs go to stderr, at once: one-line JSON, or on a terminal lines for people. There only what needs attention is
 * shown unless more is asked for, since the answer stands on stdout.
 */
export async function createLog(globals: GlobalOptions): Promise<Logger> {
  const pretty = isForPeople(globals);
  const options = {
    level: globals.logLevel ?? (pretty ? 'warn' : 'info'),
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  // Not pino's own destination: on a full disk it tries for ever. A log that is lost costs the log, not the run.
  if (!pretty) return pino(options, { write: (line) => process.stderr.write(line) });
  const { default: prettyStream } = await import('pino-pretty');
  const colorize = process.stderr.isTTY && !process.env['NO_COLOR'];
  return pino(
    options,
    prettyStream({
      destination: process.stderr,
      colorize,
      translateTime: 'SYS:HH:MM:ss',
      singleLine: true,
      messageFormat: ({ msg }) => (typeof msg === 'string' ? spelledOut(msg) : ''),
    }),
  );
}
