/** Replaces a file: whoever opens it finds the old one or the new one, whole. */
import { randomBytes } from 'node:crypto';
import { open, rename, rm, stat } from 'node:fs/promises';
import { resolve } from 'node:path';

/**
 * Writes beside the file under a name that nobody can guess and follows no link, so nothing planted there is written to.
 * A link in the file's own place is replaced, not followed. `mode` holds whatever the umask is; without one, the umask
 * decides. A device is refused: as root, /dev/null would become a file. After a failure nothing is left behind.
 *
 * @throws Node's error
 */
export async function replaceFile(file: string, text: string, mode?: number): Promise<void> {
  if (await isDevice(file)) throw Object.assign(new Error('a device is not replaced'), { code: 'EINVAL' });
  // It ends in neither .prom nor .html: a collector would read it too.
  const draft = `${file}.${randomBytes(8).toString('hex')}`;
  const handle = await open(draft, 'wx', mode);
  try {
    try {
      if (mode !== undefined) await handle.chmod(mode);
      await handle.writeFile(text);
    } finally {
      await handle.close();
    }
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw error;
  }
}

/** /dev/stdout is a link, which may lead to a plain file. */
async function isDevice(file: string): Promise<boolean> {
  if (resolve(file).startsWith('/dev/')) return true;
  const there = await stat(file).catch(() => null);
  return there !== null && (there.isCharacterDevice() || there.isBlockDevice());
}
