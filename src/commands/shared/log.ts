/** The log: on stderr, for people or for programs. */
import { readFile } from 'node:fs/promises';
import pino, { type Logger } from 'pino';
import { parseConfig } from '../../config/parse.ts';
import { escapeHostile } from '../../domain/text.ts';
import type { BarTerminal } from '../../reporting/progress.ts';
import { adaptToScreen, type Screen } from '../../reporting/screen.ts';
import type { GlobalOptions } from './context.ts';
import { screenOf } from './terminal.ts';

/** The screen on which logs and error messages are shown. */
export function stderrScreen(): Screen {
  return screenOf(process.stderr, process.env);
}

export function isForPeople({ logFormat }: GlobalOptions): boolean {
  return (logFormat ?? (process.stderr.isTTY ? 'pretty' : 'json')) === 'pretty';
}

/** Where a progress bar can be drawn. null: it is logged instead. */
export function progressTerminal(globals: GlobalOptions): BarTerminal | null {
  if (!process.stderr.isTTY || !isForPeople(globals) || process.env['TERM'] === 'dumb') return null;
  return { stream: process.stderr, drawsBlocks: stderrScreen().drawsBlocks };
}

/**
 * Logs to stderr without a buffer: as JSON lines, or for people as plain lines. For people the default level is `warn`:
 * the result is on stdout.
 */
export async function createLog(globals: GlobalOptions): Promise<Logger> {
  const pretty = isForPeople(globals);
  const options = {
    level: globals.logLevel ?? (pretty ? 'warn' : 'info'),
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  // Not pino's own destination: on a full disk it retries forever. A lost log line must not fail the run.
  if (!pretty) return pino(options, { write: (line) => process.stderr.write(line) });
  const { default: prettyStream } = await import('pino-pretty');
  const screen = stderrScreen();
  const timeZone = await configuredZone(globals);
  const clock = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium', timeZone });
  return pino(
    options,
    prettyStream({
      destination: process.stderr,
      colorize: screen.hasColours,
      translateTime: false,
      customPrettifiers: { time: (time) => `[${clock.format(new Date(time as string))}]` },
      singleLine: true,
      messageFormat: ({ msg }) => (typeof msg === 'string' ? adaptToScreen(escapeHostile(msg), screen) : ''),
    }),
  );
}

/** Reads the zone without checking the configuration: the check needs a log. Undefined: use this machine's zone. */
async function configuredZone({ config = 'config.json' }: GlobalOptions): Promise<string | undefined> {
  try {
    return parseConfig(JSON.parse(await readFile(config, 'utf8')), {}).config.timezone;
  } catch {
    return undefined;
  }
}
