/** Starts and stops an embedded server. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { FileHandle } from 'node:fs/promises';
import { createServer } from 'node:net';
import { platform } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from './cluster.ts';
import { EmbeddedPostgresError } from './error.ts';
import { logTail, openLog } from './log.ts';
import { POLL_MS, runningServer } from './postmaster-pid.ts';
import { dataArgument, runTool, spawnOptions, toolError } from './tool.ts';

const START_ATTEMPTS = 4;

/**
 * Starts the server of a cluster and waits until it accepts connections, or until the limit: the caller must check. If another
 * process starts it at the same time, one of the two servers ends. It does not matter which.
 */
export async function startServer(cluster: Cluster, limit: AbortSignal): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const failure = await tryStart(cluster, limit);
    if (failure === null || (await runningServer(cluster.dataFolder))) return;
    if (attempt === START_ATTEMPTS) throw failure;
    // Another process may have taken the port, or the last processes of a killed server are still ending.
    await sleep(100 * attempt);
  }
}

/**
 * One attempt. Null: it did not fail. The server accepts connections, `limit` has aborted, or the program ended with status 0:
 * pg_ctl has started the server, or another process has stopped it.
 */
async function tryStart(cluster: Cluster, limit: AbortSignal): Promise<EmbeddedPostgresError | null> {
  const port = await freePort();
  const log = await openLog(cluster.logFile);
  try {
    const { size: logStartBytes } = await log.stat();
    const { executable, args } = startCommand(cluster, port);
    const exit = spawnServer(executable, args, cluster, log);
    for (;;) {
      if (exit.error) throw toolError(executable, exit.error);
      if (exit.status === 0 || limit.aborted) return null;
      if (exit.status !== undefined) return startError(cluster, exit.status, await logTail(log, logStartBytes));
      const server = await runningServer(cluster.dataFolder);
      if (server?.port === port && server.state === 'ready') return null;
      await sleep(POLL_MS);
    }
  } finally {
    await log.close();
  }
}

/**
 * Starts the server. The returned object gets `status` when the server ends, or `error` if it cannot be started. `detached`:
 * Ctrl-C in our terminal does not reach the server.
 */
function spawnServer(executable: string, args: string[], cluster: Cluster, log: FileHandle) {
  const exit: { error?: unknown; status?: number | string } = {};
  try {
    spawn(executable, args, { ...spawnOptions(cluster), stdio: ['ignore', log.fd, log.fd], detached: true })
      .once('error', (error) => (exit.error = error))
      .once('exit', (code, signal) => (exit.status = code ?? signal ?? 'unknown'))
      .unref();
  } catch (error) {
    exit.error = error; // some failures are thrown, and some emitted
  }
  return exit;
}

function startError({ dataFolder, logFile }: Cluster, status: number | string, logTail: string): EmbeddedPostgresError {
  return new EmbeddedPostgresError('database', `in ${dataFolder} does not start (${status}): ${logTail.trim()}`, {
    remedy: `its log is ${logFile}`,
  });
}

/** On Windows only pg_ctl can start a server for an administrator: it drops the rights first. */
function startCommand(cluster: Cluster, port: number): { executable: string; args: string[] } {
  const { postgres, pgCtl } = cluster.binaries;
  const data = ['-D', dataArgument(cluster)];
  return platform() === 'win32'
    ? { executable: pgCtl, args: ['start', ...data, '-o', `-p ${port}`] }
    : { executable: postgres, args: [...data, '-p', `${port}`] };
}

/** `smart` admits no new sessions and lets the others finish; `fast` ends them. Does not wait for the server's end. */
export async function stopServer(cluster: Cluster, mode: 'smart' | 'fast'): Promise<void> {
  try {
    await runTool(cluster, cluster.binaries.pgCtl, ['stop', '--no-wait', '--mode', mode]);
  } catch (error) {
    if (await runningServer(cluster.dataFolder)) throw error; // otherwise the server has ended already
  }
}

/** Returns false if the server still runs after `limitMs`. */
export async function waitUntilGone(cluster: Cluster, limitMs: number): Promise<boolean> {
  return waitUntil(limitMs, async () => (await runningServer(cluster.dataFolder)) === null);
}

/** Waits until the server admits no new sessions, for at most `limitMs`. */
export async function waitUntilClosed(cluster: Cluster, limitMs: number): Promise<void> {
  await waitUntil(limitMs, async () => (await runningServer(cluster.dataFolder))?.state !== 'ready');
}

async function waitUntil(limitMs: number, isTrue: () => Promise<boolean>): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < limitMs; waitedMs += POLL_MS) {
    if (await isTrue()) return true;
    await sleep(POLL_MS);
  }
  return false;
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  return typeof address === 'object' && address ? address.port : 0;
}
