/** Chooses the account of the embedded server when tasmart runs as root: PostgreSQL refuses to run as root. */
import { lstat, readlink } from 'node:fs/promises';
import { platform, userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** A user of this machine, by number. Not an account of HyCloud. */
export interface SystemAccount {
  uid: number;
  gid: number;
}

/** "nobody": initdb needs an account that has a name. macOS numbers it -2. */
export const NOBODY: SystemAccount = platform() === 'darwin' ? { uid: -2, gid: -2 } : { uid: 65534, gid: 65534 };

/**
 * The account that owns the clusters that root creates, and nothing else: distributions leave 65520 to 65533 unused.
 *
 * @see https://systemd.io/UIDS-GIDS/
 */
export const DEDICATED: SystemAccount = platform() === 'darwin' ? NOBODY : { uid: 65527, gid: 65527 };

/** Symbolic links on one path, as in Linux. */
const MAX_LINKS = 40;

export function isRoot(): boolean {
  try {
    return userInfo().uid === 0;
  } catch {
    return false; // a uid without a name, as in `docker run --user 12345`
  }
}

/**
 * The user who controls where an absolute path leads: the owner of the first folder or link on the way that does not belong to
 * root. Null: only root controls it, as far as the path exists.
 */
export async function ownerOnTheWay(path: string): Promise<SystemAccount | null> {
  const names = path.split('/');
  let folder = '/';
  for (let links = 0; names.length > 0 && links < MAX_LINKS;) {
    const next = join(folder, names.shift() ?? '');
    const entry = await lstat(next).catch(() => null);
    if (!entry) return null;
    if (entry.uid !== 0) return { uid: entry.uid, gid: entry.gid };
    if (!entry.isSymbolicLink()) {
      folder = next;
      continue;
    }
    links++;
    const target = await readlink(next);
    if (isAbsolute(target)) folder = '/';
    names.unshift(...target.split('/'));
  }
  return null;
}

/** The account that the server of a data folder runs as. For root: the folder's owner, or DEDICATED. Null: the current user. */
export async function serverAccount(dataFolder: string): Promise<SystemAccount | null> {
  if (!isRoot()) return null;
  const owner = await lstat(dataFolder).catch(() => null);
  return owner && owner.uid !== 0 ? { uid: owner.uid, gid: owner.gid } : DEDICATED;
}
