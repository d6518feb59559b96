/** Files and folders of an embedded database. */
import { constants } from 'node:fs';
import { open, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { platform } from 'node:os';

/** Do not follow a link, and do not wait for the other end of a pipe. Windows has neither flag. */
const NO_LINK_OR_PIPE = platform() === 'win32' ? 0 : constants.O_NOFOLLOW | constants.O_NONBLOCK;

const MAX_BYTES = 10_000;

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Reads the text of a small file of ours. @throws Error for a link, or anything else that is not a plain file */
export async function readPlainFile(path: string): Promise<string> {
  const file = await openPlainFile(path, constants.O_RDONLY);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_BYTES), 0, MAX_BYTES, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}

/** @throws Error for a link, or anything else that is not a plain file */
export async function openPlainFile(path: string, flags: number): Promise<FileHandle> {
  const file = await open(path, flags | NO_LINK_OR_PIPE, 0o600);
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw new Error(`${path} is not a plain file`);
}

/** Moves a finished folder to its place, atomically. If another process was first, deletes ours and keeps the other. */
export async function renameUnlessThere(staging: string, place: string): Promise<void> {
  try {
    await rename(staging, place);
  } catch (error) {
    if (!(await exists(place))) throw error;
    await rm(staging, { recursive: true, force: true });
  }
}
