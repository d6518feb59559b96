/** Opens an embedded folder that belongs to another user: root starts a process that becomes that user first. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import type { SystemAccount } from './account.ts';
import { findBinaries, type Binaries } from './binaries.ts';
import { makeTemplate, type ClusterOptions } from './cluster.ts';
import { EmbeddedPostgresError } from './error.ts';
import { exists } from './files.ts';

/** The one message to the process. When its channel is disconnected, the process closes the folder and ends. */
export interface Order {
  folder: string;
  owner: SystemAccount;
  binaries: Binaries;
  /** a new cluster to copy, if the folder has none */
  template: string | undefined;
}

/** The one answer of the process: the server, or why it cannot be opened. */
export type Reply = { port: number; password: string } | Failure;

export interface Failure {
  kind: 'config' | 'database';
  message: string;
  remedy: string | null;
}

/** `.ts` where the sources run, as in tests; else `.js`. */
const EXTENSION = extname(import.meta.filename);

interface Opened {
  port: number;
  password: string;
  /** @throws EmbeddedPostgresError if the process could not stop the server */
  close: () => Promise<void>;
}

/** @throws EmbeddedPostgresError */
export async function openAsOwner(
  folder: string,
  owner: SystemAccount,
  { cacheFolder, signal }: ClusterOptions,
): Promise<Opened> {
  const binaries = await findBinaries(owner, { cacheFolder });
  const order = { folder: resolve(folder), owner, binaries };
  if (await exists(join(folder, 'postgresql'))) return startProcess({ ...order, template: undefined }, signal);
  // Root writes only to folders of its own, never to a folder that the owner controls.
  const templateFolder = await mkdtemp(join(tmpdir(), 'tasmart-new-'));
  try {
    await chmod(templateFolder, 0o711);
    const template = await makeTemplate(templateFolder, owner, binaries, signal);
    return await startProcess({ ...order, template }, signal);
  } finally {
    await rm(templateFolder, { recursive: true, force: true });
  }
}

/** Starts the process, and waits until it has opened the folder. @throws EmbeddedPostgresError; the reason of the signal */
async function startProcess(order: Order, signal: AbortSignal | undefined): Promise<Opened> {
  // The process loads its code as root and then changes its user. `env` holds no secret. `detached`: Ctrl-C does not reach it.
  const child = fork(join(import.meta.dirname, `as-owner${EXTENSION}`), {
    execArgv: EXTENSION === '.ts' ? ['--import', 'tsx'] : [],
    cwd: import.meta.dirname,
    env: { PATH: '/usr/bin:/bin' },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    detached: true,
  });
  const exit = once(child, 'exit');
  const stderr = child.stderr ? text(child.stderr) : Promise.resolve('');
  const endProcess = async () => {
    if (child.connected) child.disconnect();
    const [status] = (await exit) as [number | null];
    return status;
  };
  const failure = async (what: string) => {
    const reason = (await stderr).trim() || 'the process ended';
    return new EmbeddedPostgresError('database', `in ${order.folder} ${what} as uid ${order.owner.uid}: ${reason}`, {
      remedy: 'run tasmart as the owner of that folder',
    });
  };
  const close = async () => {
    if ((await endProcess()) !== 0) throw await failure('cannot be stopped');
  };
  const stop = () => void endProcess();
  signal?.addEventListener('abort', stop);
  try {
    signal?.throwIfAborted();
    child.send(order);
    const answer = once(child, 'message') as Promise<unknown[]>;
    const [message] = await Promise.race([answer, exit.then(() => [])]);
    signal?.throwIfAborted();
    const reply = parseReply(message);
    if (reply && 'port' in reply) return { ...reply, close };
    throw reply ? EmbeddedPostgresError.fromReply(reply) : await failure('cannot be opened');
  } catch (error) {
    await endProcess();
    throw error;
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

/** Checks the answer: it comes from a process of the owner, which root must not trust. Null: it is not a valid answer. */
function parseReply(answer: unknown): Reply | null {
  if (typeof answer !== 'object' || answer === null) return null;
  const { port, password, kind, message, remedy } = answer as Partial<Record<string, unknown>>;
  if (Number.isInteger(port) && typeof password === 'string') return { port: Number(port), password };
  if (typeof message !== 'string') return null;
  return { kind: kind === 'config' ? kind : 'database', message, remedy: typeof remedy === 'string' ? remedy : null };
}
