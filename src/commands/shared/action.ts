/** Loads the file of a command and runs it. SIGINT and SIGTERM ask the command to stop. */
import type { Command } from 'commander';
import type { CommandContext, GlobalOptions } from './context.ts';
import { SIGNAL_STATUS, stopStatus } from './exit-status.ts';
import { requireOptions } from './options.ts';

/** A command's module; loaded only when the command runs. */
interface CommandModule<Options> {
  /** Returns the exit status. */
  run: (options: Options, context: CommandContext) => Promise<number>;
}

/** How long a command may take to end cleanly. Also in test/support/cli.ts. */
const CLEAN_STOP_MS = 1000;
/** Aborted at the first signal, with the signal's name as its reason. */
export const stop = new AbortController();
/** Aborted when the clean end has taken too long. */
const giveUp = new AbortController();

/** Makes the function that commander calls to run a command. After a signal, the exit status is the signal's. */
export function createAction<Options>(load: () => Promise<CommandModule<Options>>) {
  return async (...args: unknown[]): Promise<void> => {
    const command = args.at(-1) as Command; // commander's last argument, after those of the command line
    requireOptions(command);
    process.on('SIGINT', stopCommand).on('SIGTERM', stopCommand);
    const { run } = await loadCommand(load);
    const globals = command.optsWithGlobals<GlobalOptions>();
    const context = { globals, args: command.args, signal: stop.signal, giveUp: giveUp.signal };
    const status = await run(command.opts() as Options, context);
    process.exitCode = stopStatus(stop.signal) ?? status;
  };
}

/** At the first signal, the command ends cleanly. If it takes too long, it gives up. A second signal exits at once. */
function stopCommand(signal: keyof typeof SIGNAL_STATUS): void {
  if (stop.signal.aborted) process.exit(SIGNAL_STATUS[signal]);
  stop.abort(signal);
  setTimeout(() => giveUp.abort(signal), CLEAN_STOP_MS).unref();
}

/** A file of tasmart is missing, unreadable or damaged. `cause` says why. */
export class LoadError extends Error {
  override readonly name = 'LoadError';
}

/** @throws LoadError */
async function loadCommand<Options>(load: () => Promise<CommandModule<Options>>): Promise<CommandModule<Options>> {
  try {
    const loaded = await load();
    // Node.js loads an empty file without an error.
    if (!('run' in loaded)) throw new Error('the file of the command is empty');
    return loaded;
  } catch (cause) {
    throw new LoadError('the command cannot be loaded', { cause });
  }
}
