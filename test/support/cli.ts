/** Runs the built program as a process of its own. */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { text } from 'node:stream/consumers';
import type { Readable, Writable } from 'node:stream';
import { once } from 'node:events';
import { CLI, REPOSITORY } from './build.ts';

export interface CliOptions {
  /** added to PATH, HOME and COLUMNS: nothing else is inherited */
  env?: Record<string, string>;
  cwd?: string;
  /** what standard input holds; empty by default, as under cron */
  stdin?: string;
  /** the program is killed (SIGKILL) after this time */
  timeoutMs?: number;
}

export interface CliResult {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  ms: number;
}

export interface RunningCli {
  child: ChildProcessByStdio<Writable, Readable, Readable>;
  /** resolves at the end of the program, however it ends */
  result: Promise<CliResult>;
}

/** Makes a minute of CLEAN_STOP_MS (src/commands/shared/action.ts), which is 1000 ms. */
const LONG_CLEAN_STOP = `
  const { setTimeout } = globalThis;
  globalThis.setTimeout = (act, ms, ...args) => setTimeout(act, ms === 1000 ? 60_000 : ms, ...args);`;

/**
 * After a signal, the program has a second for a clean stop. On a busy machine it may not run at all in that second. With
 * these variables it has a minute, for tests of what a clean stop leaves behind.
 */
export const PATIENT = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(LONG_CLEAN_STOP)}` };

/** Waits until the program has written these words to standard error. @throws Error if it ends before */
export async function untilSaid({ child }: RunningCli, words: string): Promise<void> {
  let written = '';
  await new Promise<void>((resolve, reject) => {
    child.stderr.on('data', (chunk: Buffer) => {
      written += chunk.toString();
      if (written.includes(words)) resolve();
    });
    child.once('exit', () => reject(new Error(`it ended without saying "${words}": ${written}`)));
  });
}

/** Runs the built program to its end. */
export async function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return startCli(args, options).result;
}

/** Starts the built program, for tests that signal it or read along. */
export function startCli(args: readonly string[], options: CliOptions = {}): RunningCli {
  const { env = {}, cwd = REPOSITORY, stdin = '', timeoutMs = 60_000 } = options;
  const startedMs = performance.now();
  const child = spawn(process.execPath, [CLI, ...args], {
    cwd,
    // Wide, so that tables keep their columns.
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], COLUMNS: '200', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  });
  child.stdin.on('error', () => undefined); // the program may end without reading
  child.stdin.end(stdin);
  return { child, result: collect(child, startedMs) };
}

async function collect(child: RunningCli['child'], startedMs: number): Promise<CliResult> {
  const [[code, signal], stdout, stderr] = await Promise.all([
    once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>,
    text(child.stdout),
    text(child.stderr),
  ]);
  return { code, signal, stdout, stderr, ms: performance.now() - startedMs };
}
