/** Chooses the account of the embedded server when tasmart runs as root: PostgreSQL refuses to run as root. */
import { lstat, readlink } from 'node:fs/promises';
import { platform, userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** A user of this machine, by number. */
export interface Account {
  uid: number;
  gid: number;
}

/** "nobody": initdb needs an account that has a name. macOS numbers it -2. */
export const NOBODY: Account = platform() === 'darwin' ? { uid: -2, gid: -2 } : { uid: 65534, gid: 65534 };

/**
 * Owns the data of clusters that root makes, and nothing else: distributions leave 65520 to 65533 unused.
 *
 * @see https://systemd.io/UIDS-GIDS/
 */
export const DEDICATED: Account = platform() === 'darwin' ? NOBODY : { uid: 65527, gid: 65527 };

const MAX_LINKS = 40;

export function isRoot(): boolean {
  try {
    return userInfo().uid === 0;
  } catch {
    return false; // a uid without a name, as in `docker run --user 12345`
  }
}

/**
 * The user who controls where `path` leads: the owner of the first folder or link on the way that does not belong to root.
 * Null: only root does, or the path does not exist yet.
 */
export async function ownerOnTheWay(path: string): Promise<Account | null> {
  const names = path.split('/');
  let at = '/';
  for (let links = 0; names.length > 0 && links < MAX_LINKS;) {
    const next = join(at, names.shift() ?? '');
    const entry = await lstat(next).catch(() => null);
    if (!entry) return null;
    if (entry.uid !== 0) return { uid: entry.uid, gid: entry.gid };
    if (!entry.isSymbolicLink()) {
      at = next;
      continue;
    }
    links++;
    const target = await readlink(next);
    if (isAbsolute(target)) at = '/';
    names.unshift(...target.split('/'));
  }
  return null;
}

/** The owner of a data folder in a folder of root's. Null: the server runs as the current user. */
export async function serverAccount(dataFolder: string): Promise<Account | null> {
  if (!isRoot()) return null;
  const owner = await lstat(dataFolder).catch(() => null);
  return owner && owner.uid !== 0 ? { uid: owner.uid, gid: owner.gid } : DEDICATED;
}
