import { stat } from 'node:fs/promises';
import { platform, userInfo } from 'node:os';

/** Whom the server runs as, where that is not ourselves. PostgreSQL refuses to run as root. */
export interface Account {
  uid: number;
  gid: number;
}

/** "nobody": initdb wants an account that has a name. macOS numbers it -2. */
const NOBODY: Account = platform() === 'darwin' ? { uid: -2, gid: -2 } : { uid: 65534, gid: 65534 };

/**
 * Root hands the server to whoever owns the data, so that a folder made by an ordinary user stays usable for
 * that user after a run with sudo; new data belong to nobody. null: the server runs as ourselves.
 */
export async function serverAccount(dataFolder: string): Promise<Account | null> {
  if (!isRoot()) return null;
  const owner = await stat(dataFolder).catch(() => null);
  return owner && owner.uid !== 0 ? { uid: owner.uid, gid: owner.gid } : NOBODY;
}

function isRoot(): boolean {
  try {
    return userInfo().uid === 0;
  } catch {
    return false; // a uid without a name, as `docker run --user 12345` gives: certainly not root
  }
}
