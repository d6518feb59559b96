/** Replaces a file atomically: a reader gets the old content or the new one. */
import { randomBytes } from 'node:crypto';
import { open, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { resolve } from 'node:path';

/**
 * Writes a draft, a new file with a random name in the same folder, then renames it. Follows no link; a link at the file's
 * place is replaced. A folder or a device is refused: as root, /dev/null would become a file. `mode` overrides the
 * umask; without `mode`, the umask decides. After a failure, the draft is deleted.
 *
 * @throws Node's error; EINVAL: a folder or a device
 */
export async function replaceFile(
  file: string,
  content: string | readonly (string | Buffer)[],
  mode?: number,
): Promise<void> {
  const { draft, handle } = await createDraft(file, mode);
  try {
    try {
      if (mode !== undefined) await handle.chmod(mode);
      for (const part of [content].flat()) await handle.writeFile(part);
    } finally {
      await handle.close();
    }
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw error;
  }
}

/** Tries whether `replaceFile` can create its draft, long before the content is ready. @throws as `replaceFile` */
export async function tryToReplace(file: string): Promise<void> {
  const { draft, handle } = await createDraft(file);
  await handle.close();
  await rm(draft);
}

async function createDraft(file: string, mode?: number): Promise<{ draft: string; handle: FileHandle }> {
  if (!(await isReplaceable(file)))
    throw Object.assign(new Error('a folder or a device is not replaced'), { code: 'EINVAL' });
  // Must not end in .prom or .html: a collector would read the unfinished file.
  const draft = `${file}.${randomBytes(8).toString('hex')}`;
  return { draft, handle: await open(draft, 'wx', mode) };
}

/** In /dev, also a link is refused: /dev/stdout may lead to a plain file. /dev/shm holds plain files. */
async function isReplaceable(file: string): Promise<boolean> {
  const path = resolve(file);
  if (path.startsWith('/dev/') && !path.startsWith('/dev/shm/')) return false;
  const info = await stat(file).catch(() => null);
  return info === null || !(info.isDirectory() || info.isCharacterDevice() || info.isBlockDevice());
}
