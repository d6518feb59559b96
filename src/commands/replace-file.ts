/** Writes a file so that its readers find the old content or the new one, whole. */
import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';

/**
 * The draft stands beside the file under a name that nobody can guess, and is never one that is there already: in a
 * folder that others may write, it cannot be a link that they planted. `mode` counts whatever the umask is.
 *
 * @throws Error of the system call that failed
 */
export async function replaceFile(path: string, text: string, mode?: number): Promise<void> {
  const draft = `${path}.${randomBytes(8).toString('hex')}`;
  const file = await open(draft, 'wx', mode === undefined ? 0o666 : 0o600);
  try {
    try {
      await file.writeFile(text);
      if (mode !== undefined) await file.chmod(mode);
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw error;
  }
}
