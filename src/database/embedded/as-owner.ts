/** A program that root starts: changes to the owner of an embedded folder, and keeps the folder open until disconnected. */
import { once } from 'node:events';
import { userInfo } from 'node:os';
import { KnownError } from '../../domain/errors.ts';
import { openEmbedded } from '../embedded.ts';
import type { SystemAccount } from './account.ts';
import type { Failure, Order, Reply } from './owner.ts';

const disconnected = new AbortController();
process.once('disconnect', () => disconnected.abort());
// Ignore signals: the parent gets them too, and needs the server until it disconnects.
process.on('SIGINT', () => undefined).on('SIGTERM', () => undefined);
process.once('message', (order: Order) => void serve(order).finally(() => process.exit()));

async function serve({ folder, owner, binaries, template }: Order): Promise<void> {
  try {
    changeUser(owner);
    process.chdir('/');
    const server = await openEmbedded(folder, {
      binaries,
      ...(template !== undefined && { template }),
      signal: disconnected.signal,
    });
    reply({ port: server.port, password: server.password });
    if (process.connected) await once(process, 'disconnect');
    await server.close();
  } catch (error) {
    reply(describe(error));
    // After the disconnect, report by stderr and the exit status: see `close` in owner.ts.
    process.stderr.write(describe(error).message);
    process.exitCode = 1;
  }
}

function describe(error: unknown): Failure {
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof KnownError)) return { kind: 'database', message, remedy: null };
  return { kind: error.kind === 'config' ? 'config' : 'database', message, remedy: error.remedy };
}

/**
 * Changes the real, effective and saved ids, and drops all other groups. Cannot be undone. `gid` is the folder's group. If it
 * is root's, uses the number of the user instead.
 */
function changeUser({ uid, gid }: SystemAccount): void {
  const { setgroups, setgid, setuid } = process;
  if (!setgroups || !setgid || !setuid) throw new Error('this system has no users');
  const group = primaryGroup(uid) ?? (gid === 0 ? uid : gid);
  setgroups([group]);
  setgid(group);
  setuid(uid);
}

/** The user's group in the system's list of users. Null: the user is not in the list, as in a container. */
function primaryGroup(uid: number): number | null {
  process.seteuid?.(uid); // userInfo() describes the effective user
  try {
    return userInfo().gid;
  } catch {
    return null;
  } finally {
    process.seteuid?.(0);
  }
}

function reply(message: Reply): void {
  if (process.connected) process.send?.(message);
}
