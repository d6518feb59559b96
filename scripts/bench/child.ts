/** Runs a program and measures its CPU time and memory. */
import { spawn } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { text } from 'node:stream/consumers';

/** The resources that a process used. */
export interface Cost {
  /** from the start to the end of the process */
  wallMs: number;
  /** user and system, all its threads */
  cpuMs: number;
  peakMb: number;
}

export interface RunOptions {
  env?: Record<string, string>;
  /** the process is killed after this time; default: a minute */
  timeoutMs?: number;
}

export interface RunResult {
  wallMs: number;
  stdout: string;
}

/** Runs node with these arguments. `keepStdout`: returns what it prints. @throws Error if the exit status is not 0 */
export async function runNode(
  args: readonly string[],
  signal: AbortSignal,
  { env = {}, timeoutMs = 60_000, keepStdout = false }: RunOptions & { keepStdout?: boolean } = {},
): Promise<RunResult> {
  signal.throwIfAborted();
  const startMs = performance.now();
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...env },
    stdio: ['ignore', keepStdout ? 'pipe' : 'ignore', 'pipe'],
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
    signal,
  });
  const stdout = child.stdout ? text(child.stdout) : Promise.resolve('');
  const stderr = child.stderr ? text(child.stderr) : Promise.resolve('');
  const [ending, wallMs] = await new Promise<[number | string | null, number]>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (status, killedBy) => resolve([status ?? killedBy, performance.now() - startMs]));
  });
  if (ending !== 0) throw new Error(`${basename(args[0] ?? '')} ended with ${ending ?? 'nothing'}: ${await stderr}`);
  return { wallMs, stdout: await stdout };
}

/**
 * Code for the child: writes its resources to the file BENCH_COST_FILE when it ends. On Linux, peak memory is VmHWM, which
 * starts at 0 after exec. Elsewhere it is maxRSS, which also counts memory from before exec.
 */
export const PROBE = `
const { readFileSync, writeFileSync } = require('node:fs');
process.on('exit', () => {
  const { user, system } = process.cpuUsage();
  let peakKb = process.resourceUsage().maxRSS;
  try { peakKb = Number(/VmHWM:\\s*(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]); } catch {}
  writeFileSync(process.env.BENCH_COST_FILE, JSON.stringify({ cpuMs: (user + system) / 1000, peakMb: peakKb / 1024 }));
});
`;

/** Like `runNode`, but returns the resources used. `folder` must hold PROBE as probe.cjs: stage.ts writes it. */
export async function runProbed(
  args: readonly string[],
  signal: AbortSignal,
  folder: string,
  { env = {}, timeoutMs }: RunOptions = {},
): Promise<Cost> {
  const costFile = join(folder, 'cost.json');
  await rm(costFile, { force: true });
  const probeEnv = { ...env, BENCH_COST_FILE: costFile, NODE_OPTIONS: `--require=${join(folder, 'probe.cjs')}` };
  const { wallMs } = await runNode(args, signal, { env: probeEnv, ...(timeoutMs !== undefined && { timeoutMs }) });
  return { wallMs, ...(JSON.parse(await readFile(costFile, 'utf8')) as Omit<Cost, 'wallMs'>) };
}
