/** The database's password: as configured, or what a command prints (tokens of RDS IAM, Secrets Manager). */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { KnownError } from '../domain/errors.ts';

interface PasswordSettings {
  readonly password: string | null;
  readonly passwordCommand?: string | null;
}

const LIMIT_MS = 30_000;
const MAX_LENGTH = 10_000;

/** @throws KnownError exit 78 */
export async function passwordOf(
  { password, passwordCommand }: PasswordSettings,
  giveUp: AbortSignal,
): Promise<string | null> {
  if (!passwordCommand) return password;
  const printed = await run(passwordCommand, giveUp);
  const found = printed.replace(/\r?\n$/, '');
  if (found === '') throw failure('printed nothing');
  if (found.includes('\n')) throw failure('printed more than one line');
  return found;
}

/** The command's stderr is shown. Its stdout is a secret and is never shown. */
async function run(command: string, giveUp: AbortSignal): Promise<string> {
  const limit = AbortSignal.timeout(LIMIT_MS);
  const child = spawn(command, {
    shell: true,
    stdio: ['ignore', 'pipe', 'inherit'],
    signal: AbortSignal.any([giveUp, limit]),
  });
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    if (printed.length <= MAX_LENGTH) printed += chunk;
  });
  try {
    const [status, signal] = (await once(child, 'close')) as [number | null, string | null];
    if (status !== 0) throw failure(`ended with ${status === null ? (signal ?? '') : `status ${status}`}`);
  } catch (error) {
    child.stdout.destroy();
    if (error instanceof KnownError) throw error;
    giveUp.throwIfAborted();
    throw failure(limit.aborted ? `did not end within ${LIMIT_MS / 1000} s` : 'cannot be run');
  }
  if (printed.length > MAX_LENGTH) throw failure('printed more than a password');
  return printed;
}

function failure(what: string): KnownError {
  return new KnownError('config', `DB_PASS_COMMAND ${what}`, {
    remedy: 'run the command by hand, as the user and with the environment that tasmart has',
  });
}
