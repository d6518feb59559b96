/** Runs tasmart as an AWS Lambda function. */
import { once } from 'node:events';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { Worker } from 'node:worker_threads';
import { EXIT_STATUS } from '../src/domain/errors.ts';

interface Event {
  /** another command than a poll, such as `["migrate"]` or `["check"]` from inside the database's network */
  args?: readonly string[];
}

interface Context {
  getRemainingTimeInMillis: () => number;
}

interface Answer {
  /** exit status of the command */
  status: number;
  /** of a poll: its counts and failures; absent if another run was in progress */
  run?: Record<string, unknown>;
  failures?: unknown[];
  /** of another command: what it printed */
  output?: string;
}

interface CliResult {
  status: number;
  stdout: string;
  stderr: string;
}

/** Success, and failures that the next run repairs. Any other status fails the invocation: CloudWatch counts it as an error. */
const HARMLESS_STATUSES: readonly number[] = [0, EXIT_STATUS.partial, EXIT_STATUS.locked];
/** The command of an event without arguments. Only the output of this very list is parsed. */
const POLL = ['poll', '--format', 'json'];
/** The program is ended this long before the function's time limit, so that the handler can still report it. */
const SPARE_MS = 1000;
/** The folder with TASMART_CONFIG's text as config.json. All invocations in this process use the same folder. */
let configFolder: string | undefined;

/**
 * Handler for AWS Lambda: runs the program once, in a thread of its own, as cron would. When the thread ends, nothing is left
 * that Lambda could freeze between two events.
 *
 * Secrets come from the environment; config.json lies beside package.json, or its text is in TASMART_CONFIG.
 *
 * @throws Error if the exit status is not in HARMLESS_STATUSES, or the event has arguments that it must not use
 */
export async function handler(event: Event | null, context?: Context): Promise<Answer> {
  const args = argsOf(event);
  const isPoll = args === POLL;
  const { status, stdout, stderr } = await runCli([...(await configOption()), ...args], context);
  if (!HARMLESS_STATUSES.includes(status)) {
    const reason = [lastProblem(stderr), isPoll ? '' : stdout].filter(Boolean).join('\n');
    throw new Error(`tasmart ${args.join(' ')} ended with status ${status}: ${reason}`);
  }
  if (!isPoll) return { status, output: stdout };
  // Omit the readings: they are in the database, and an answer may hold 6 MB at most.
  const { run, failures } = JSON.parse(stdout || '{}') as Partial<Answer>;
  return { status, ...(run && { run }), ...(failures && { failures }) };
}

/** Options that name files. An event must not use them: its sender may not be allowed to read or write these files. */
const FILE_OPTION = /^--(config|env-file|out|[\w-]+-file)(=|$)/;

/** The program's arguments; POLL if the event has none. @throws Error if they may name files */
function argsOf(event: { args?: unknown } | null): readonly string[] {
  const args = event?.args ?? POLL;
  const isList = Array.isArray(args) && args.every((arg) => typeof arg === 'string');
  if (!isList) throw new Error('the event\'s "args" must be a list of texts, such as {"args": ["migrate"]}');
  // Not only the first argument: global options may come before the command.
  const isLink = args.includes('link');
  const isRefused = (arg: string) => arg === 'init' || FILE_OPTION.test(arg) || (isLink && /^--from(=|$)/.test(arg));
  const refusedArg = args.find(isRefused);
  if (refusedArg === undefined) return args;
  const option = refusedArg.replace(/=.*/s, '');
  throw new Error(`an event must not name files: ${option} is refused (TASMART_CONFIG holds the configuration)`);
}

/**
 * The option that names the configuration: TASMART_CONFIG's text, written to a file. Empty without TASMART_CONFIG: the program
 * then finds config.json beside package.json.
 */
async function configOption(): Promise<string[]> {
  const config = process.env['TASMART_CONFIG']?.trim();
  if (!config) return [];
  // Lambda allows writing only to /tmp. A new folder, so that no file can have been put there before.
  configFolder ??= await mkdtemp(join(tmpdir(), 'tasmart-'));
  const file = join(configFolder, 'config.json');
  await writeFile(file, config);
  return ['--config', file];
}

/** Runs the program in a thread. @throws Error if the function's time limit comes first */
async function runCli(args: readonly string[], context: Context | undefined): Promise<CliResult> {
  const worker = new Worker(join(import.meta.dirname, 'cli.js'), {
    argv: ['--log-format', 'json', ...args],
    execArgv: [], // without those of the Lambda runtime
    stdout: true,
    stderr: true,
  });
  worker.stderr.on('data', (chunk: Uint8Array) => process.stderr.write(chunk));
  const outOfTime = new AbortController();
  outOfTime.signal.addEventListener('abort', () => void worker.terminate());
  const limitMs = context ? Math.max(0, context.getRemainingTimeInMillis() - SPARE_MS) : null;
  const timer = limitMs === null ? undefined : setTimeout(() => outOfTime.abort(), limitMs);
  try {
    const exit = once(worker, 'exit') as Promise<[number]>;
    const [[status], stdout, stderr] = await Promise.all([exit, text(worker.stdout), text(worker.stderr)]);
    if (outOfTime.signal.aborted) {
      throw new Error("the function's time limit came before the end: set it above run_deadline_seconds");
    }
    return { status, stdout, stderr };
  } finally {
    clearTimeout(timer);
  }
}

/** The last error of the log, or else its last warning. A wrong command line is not logged: then all of stderr. */
function lastProblem(stderr: string): string {
  const entries = stderr.split('\n').flatMap(parseEntry);
  const lastWith = (wanted: string) => entries.findLast(({ level }) => level === wanted);
  const problem = lastWith('fatal') ?? lastWith('error') ?? lastWith('warn');
  return problem ? [problem.msg, problem.remedy].filter(Boolean).join(' → ') : stderr.trim();
}

/** The entry of a log line, in a list; empty for any other line. */
function parseEntry(line: string): { level?: string; msg?: string; remedy?: string }[] {
  try {
    return line.startsWith('{') ? [JSON.parse(line) as object] : [];
  } catch {
    return [];
  }
}
