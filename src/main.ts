/** Runs the command that the arguments name, and turns an error into an exit status. Work begins only in `main`. */
import { CommanderError } from 'commander';
import { LoadError, stop } from './commands/shared/action.ts';
import type { GlobalOptions } from './commands/shared/context.ts';
import { stopStatus } from './commands/shared/exit-status.ts';
import { createLog, isForPeople, stderrScreen } from './commands/shared/log.ts';
import { EXIT_STATUS, KnownError } from './domain/errors.ts';
import { escapeHostile } from './domain/text.ts';
import { program } from './program.ts';
import { adaptToScreen } from './reporting/screen.ts';

/** Time for open handles to close by themselves. */
const EXIT_AFTER_MS = 1000;

/**
 * Runs the command that the arguments name, and sets the exit status.
 *
 * @throws if a file of tasmart cannot be loaded: cli.ts prints it
 */
export async function main(): Promise<void> {
  process.stderr.on('error', () => undefined); // a log that cannot be written does not fail the command
  const outputErrors = collectOutputErrors();
  // Node would print an uncaught error with all its properties. Those of an axios error hold the key.
  process.on('uncaughtException', (error) => void exitWith(error));
  process.once('beforeExit', reportUnfinished);
  try {
    await program.parseAsync();
    // Wait until stdout has taken everything, or has failed.
    await new Promise((resolve) => process.stdout.write('', resolve));
    if (outputErrors[0]) {
      const remedy = 'make room for it; what was to be stored is stored';
      throw new KnownError('defect', `the output could not be written: ${outputErrors[0].message}`, { remedy });
    }
  } catch (error) {
    process.exitCode = await reportError(error);
  } finally {
    process.off('beforeExit', reportUnfinished);
    exitSoon();
  }
}

/** Errors of stdout. A reader that closes our output early (`| head`) is not one. */
function collectOutputErrors(): readonly Error[] {
  const errors: Error[] = [];
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') errors.push(error);
  });
  return errors;
}

async function exitWith(error: Error): Promise<never> {
  try {
    process.exit(await reportError(error));
  } catch {
    process.stderr.write(`tasmart: a defect of tasmart: ${String(error)}\n`);
    process.exit(EXIT_STATUS.defect);
  }
}

/** If nothing is left to wait for, Node.js exits with 0 although the command has not finished. */
function reportUnfinished(): void {
  const error = new Error('nothing is left to wait for, but the command has not finished');
  void reportError(error).then((status) => (process.exitCode = status));
}

/** Ends the process although something is still open, such as a tunnel that a proxy never answers. Waits only for the log. */
function exitSoon(): void {
  setTimeout(() => {
    if (process.stderr.writableLength > 0) exitSoon();
    else process.exit();
  }, EXIT_AFTER_MS).unref();
}

/**
 * Prints or logs the error, and returns the exit status. The stack of a defect is logged at debug level.
 *
 * @throws why a file of tasmart cannot be loaded: cli.ts prints it
 */
async function reportError(error: unknown): Promise<number> {
  if (error instanceof LoadError) throw error.cause;
  if (isMissingModule(error)) throw error;
  // Commander has printed the message, or the help.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_STATUS.usage;
  const globals: GlobalOptions = program.opts();
  const log = await createLog(globals);
  const interrupted = stopStatus(stop.signal);
  if (interrupted !== null) {
    const reason = error instanceof Error ? error.message : undefined;
    log.warn({ reason }, `interrupted by ${String(stop.signal.reason)}: what was stored stays, the next run goes on`);
    return interrupted;
  }
  if (error instanceof KnownError) {
    const { kind, message, remedy } = error;
    if (isForPeople(globals)) process.stderr.write(adaptToScreen(errorText(error), stderrScreen()));
    else log.error({ kind, remedy: remedy ?? undefined }, message);
    return EXIT_STATUS[kind];
  }
  const defect = error instanceof Error ? error : new Error(String(error));
  log.fatal(`a defect of tasmart: ${defect.name}: ${defect.message} (--log-level debug shows where)`);
  log.debug({ stack: defect.stack });
  return EXIT_STATUS.defect;
}

function errorText({ message, remedy }: KnownError): string {
  const text = `tasmart: ${message}${remedy === null ? '' : `\n  → ${remedy}`}\n`;
  return text.replace(/[^\n]+/g, escapeHostile); // keeps the line breaks
}

function isMissingModule(error: unknown): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND';
}
