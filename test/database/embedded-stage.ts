/** What the tests of the embedded server share: a folder of their own, and processes that open embedded folders in it. */
import { spawn, type ChildProcess, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { expect } from 'vitest';
import { openEmbedded, type EmbeddedServer } from '../../src/database/embedded.ts';
import { runningServer } from '../../src/database/embedded/postmaster-pid.ts';
import { REPOSITORY } from '../support/build.ts';
import { withSession } from '../support/template.ts';

export const NOBODY = { uid: 65534, gid: 65534 };
export const isRoot = userInfo().uid === 0;

export type EmbeddedChild = ChildProcessByStdio<Writable, Readable, null>;

export interface EmbeddedStage {
  root: string;
  /** where the program keeps a copy of the server's binaries */
  cacheFolder: string;
  open: (where: string, signal?: AbortSignal) => Promise<EmbeddedServer>;
  /** Starts a process that opens the folder, prints the server's coordinates, and closes it when its standard input ends. */
  openInChild: (where: string, options?: { cwd?: string; account?: object }) => EmbeddedChild;
  remove: () => Promise<void>;
}

export async function setEmbeddedStage(): Promise<EmbeddedStage> {
  const root = await mkdtemp(join(tmpdir(), 'tasmart-embedded-'));
  await chmod(root, 0o755);
  const cacheFolder = join(root, 'cache');
  return {
    root,
    cacheFolder,
    open: (where, signal) => openEmbedded(where, { cacheFolder, ...(signal && { signal }) }),
    openInChild(where, { cwd = REPOSITORY, account = {} } = {}) {
      const script = `
        import { openEmbedded } from ${JSON.stringify(`${cwd}/src/database/embedded.ts`)};
        const server = await openEmbedded(${JSON.stringify(where)}, ${JSON.stringify({ cacheFolder })});
        console.log(JSON.stringify(server));
        for await (const _ of process.stdin);
        await server.close();`;
      const args = ['--import', import.meta.resolve('tsx'), '--input-type=module', '--eval', script];
      return spawn(process.execPath, args, { cwd, detached: true, stdio: ['pipe', 'pipe', 'inherit'], ...account });
    },
    remove: () => rm(root, { recursive: true }),
  };
}

export const dataFolderOf = (where: string) => join(where, 'postgresql', 'data');

/** The rows of a query, each as a list of values. */
export async function query(server: Omit<EmbeddedServer, 'close'>, sql: string): Promise<unknown[][]> {
  return withSession(server, server.database, async (client) => {
    return (await client.query<unknown[]>({ text: sql, rowMode: 'array' })).rows;
  });
}

export async function expectNoServer(where: string): Promise<void> {
  expect(await runningServer(dataFolderOf(where))).toBeNull();
}

/** Waits for the coordinates that a child prints. @throws Error if it ends before */
export async function readCoordinates(child: EmbeddedChild): Promise<Omit<EmbeddedServer, 'close'>> {
  const [line] = (await Promise.race([
    once(createInterface(child.stdout), 'line'),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`the child ended with ${String(code)}`))),
  ])) as [string];
  return JSON.parse(line) as Omit<EmbeddedServer, 'close'>;
}

export async function closeChild(child: EmbeddedChild): Promise<void> {
  const ended = once(child, 'exit');
  child.stdin.end();
  expect(await ended).toEqual([0, null]);
}

/** Kills a child and the processes that it started. */
export async function killGroup(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  process.kill(-(child.pid ?? NaN), 'SIGKILL');
  await ended;
}
