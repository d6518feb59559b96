/** Runs the built program, for the demo and the picture. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
/** Variables that name the user's own account, database or monitor. */
const USER_SETTING = /^(API_KEY|REQUESTER_ID|DATABASE_URL|DB_|HEALTHCHECK_URL)/;

/**
 * Runs a command in a folder, and shows its output. The program gets these settings in place of the shell's.
 *
 * @throws Error if its exit status is not 0
 */
export async function runTasmart(args: readonly string[], cwd: string, settings: Record<string, string>) {
  console.log(`$ npx tasmart ${args.join(' ')}`);
  const inherited = Object.entries(process.env).filter(([name]) => !USER_SETTING.test(name));
  const env = { ...Object.fromEntries(inherited), ...settings };
  const logOptions = ['--log-level', 'warn', '--log-format', 'pretty'];
  const child = spawn(process.execPath, [CLI, ...logOptions, ...args], { env, cwd, stdio: 'inherit' });
  const [status] = (await once(child, 'exit')) as [number | null];
  if (status !== 0) throw new Error(`tasmart ${args.join(' ')} ended with status ${status ?? 'none'}`);
}
