/** The database's password: as configured, or what a command prints (tokens of RDS IAM, Secrets Manager). */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { platform } from 'node:os';
import { KnownError } from '../domain/errors.ts';
import type { ServerSettings } from '../domain/database-settings.ts';

const COMMAND_LIMIT_MS = 30_000;
const MAX_LENGTH = 10_000;

/** Windows has no process groups. */
const HAS_PROCESS_GROUPS = platform() !== 'win32';

/** The password to connect with. Null: none is configured. @throws KnownError exit 78; the reason of `giveUp` */
export async function passwordOf(
  { password, passwordCommand }: ServerSettings,
  giveUp: AbortSignal,
): Promise<string | null> {
  if (!passwordCommand) return password;
  const printed = await runCommand(passwordCommand, giveUp);
  const line = printed.replace(/\r?\n$/, '');
  if (line === '') throw failure('printed nothing');
  if (line.includes('\n')) throw failure('printed more than one line');
  return line;
}

/**
 * Returns what the command prints to stdout: a secret, which is never shown. Its stderr is shown. The command has a process
 * group of its own: on a timeout, the programs that it has started are killed too.
 */
async function runCommand(command: string, giveUp: AbortSignal): Promise<string> {
  giveUp.throwIfAborted();
  const child = spawn(command, { shell: true, stdio: ['ignore', 'pipe', 'inherit'], detached: HAS_PROCESS_GROUPS });
  const stopped = new AbortController();
  const stop = (reason: unknown) => {
    stopped.abort(reason);
    killGroup(child);
    child.stdout.destroy(); // a program that the command has started may live on, and keep the pipe open
  };
  const timer = setTimeout(() => stop(failure(`did not end within ${COMMAND_LIMIT_MS / 1000} s`)), COMMAND_LIMIT_MS);
  const cut = () => stop(giveUp.reason);
  giveUp.addEventListener('abort', cut);
  const kill = () => killGroup(child);
  process.once('exit', kill); // a second Ctrl-C does not wait for `giveUp`
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    printed += chunk;
    if (printed.length > MAX_LENGTH) stop(failure('printed more than a password'));
  });
  try {
    const [status, signal] = (await once(child, 'close')) as [number | null, string | null];
    stopped.signal.throwIfAborted();
    if (status !== 0) throw failure(`ended with ${status === null ? (signal ?? '') : `status ${status}`}`);
    return printed;
  } catch (error) {
    stopped.signal.throwIfAborted();
    throw error instanceof KnownError ? error : failure('cannot be run');
  } finally {
    clearTimeout(timer);
    giveUp.removeEventListener('abort', cut);
    process.off('exit', kill);
  }
}

function killGroup(child: ChildProcess): void {
  try {
    if (HAS_PROCESS_GROUPS && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    else child.kill();
  } catch {
    // The command has just ended.
  }
}

function failure(what: string): KnownError {
  return new KnownError('config', `DB_PASS_COMMAND ${what}`, {
    remedy: 'run the command by hand, as the user and with the environment that tasmart has',
  });
}
