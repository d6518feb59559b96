/** Finds the server that runs in a data folder. */
import { rename, rm, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { platform } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EmbeddedPostgresError } from './error.ts';
import { readPlainFile } from './files.ts';

export interface RunningServer {
  /** 0 while the server starts: not known yet, so do not signal it */
  pid: number;
  /** 0 while the server starts: not known yet */
  port: number;
  state: 'starting' | 'ready' | 'stopping';
}

/** Time between two reads of the file. */
export const POLL_MS = 5;

/**
 * A server that starts or stops refuses connections for a moment, and may not have written all lines of its file. If that lasts
 * longer, there is no server.
 */
const FRESH_MS = 10_000;

/** A file that has not changed for this time was left by a killed server. */
const SETTLE_MS = 100;

/**
 * The server that runs in a data folder, according to postmaster.pid. Removes the file of a dead server:
 * its pid may by now be another program's (in a container it nearly always is), and PostgreSQL would refuse to start.
 *
 * @throws EmbeddedPostgresError if it is not a plain file: PostgreSQL would wait for the other end of a pipe
 * @see https://www.postgresql.org/docs/18/storage-file-layout.html
 */
export async function runningServer(dataFolder: string): Promise<RunningServer | null> {
  const file = join(dataFolder, 'postmaster.pid');
  const content = await readIfThere(file);
  if (content === null) return null;
  const server = parsePidFile(content);
  if (server && (await isServerOf(dataFolder, file, server))) return server;
  if (!server && (await isFresh(file))) return STARTING;
  // The server may have ended and removed its file, and the next one may have written its own: that file must stay.
  await sleep(SETTLE_MS);
  if ((await readIfThere(file)) !== content) return runningServer(dataFolder);
  await removeStale(file, content);
  return null;
}

async function readIfThere(file: string): Promise<string | null> {
  return readPlainFile(file).catch((error: unknown) => {
    if (error instanceof EmbeddedPostgresError) throw error;
    return null;
  });
}

/** The file is there, but its lines are not yet. */
const STARTING: RunningServer = { pid: 0, port: 0, state: 'starting' };

/** Null: the file has no pid or no port. The state is the eighth line. */
function parsePidFile(content: string): RunningServer | null {
  const [pid, , , port, , , , state] = content.split('\n');
  if (!isPositiveInteger(pid) || !isPositiveInteger(port)) return null;
  const word = state?.trim(); // padded with spaces
  return { pid: Number(pid), port: Number(port), state: word === 'ready' || word === 'stopping' ? word : 'starting' };
}

function isPositiveInteger(text = ''): boolean {
  return /^[1-9]\d{0,8}$/.test(text.trim());
}

/** Whether the server of the file still runs. Without /proc, a guess. */
async function isServerOf(dataFolder: string, file: string, { pid, port }: RunningServer): Promise<boolean> {
  if (platform() !== 'linux') return (await isFresh(file)) || (await answers(port));
  // A postmaster works in its data folder, and nothing else does.
  const [theirs, ours] = await Promise.all([stat(`/proc/${pid}/cwd`).catch(() => null), stat(dataFolder)]);
  return theirs?.ino === ours.ino && theirs.dev === ours.dev;
}

async function isFresh(file: string): Promise<boolean> {
  const written = await stat(file).catch(() => null);
  return written !== null && Date.now() - written.mtimeMs < FRESH_MS;
}

async function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}

/** Another process may have replaced the file since we read it: then it goes back where it was. */
async function removeStale(file: string, content: string): Promise<void> {
  const aside = `${file}.stale`;
  try {
    await rename(file, aside);
    if ((await readPlainFile(aside)) === content) await rm(aside);
    else await rename(aside, file);
  } catch {
    // Another process was first. Otherwise the start fails, and the server's log has the reason.
  }
}
