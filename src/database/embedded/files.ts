/** Files and folders of an embedded database. */
import { constants } from 'node:fs';
import { open, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { platform } from 'node:os';
import { codeOf, EmbeddedPostgresError } from './error.ts';

/** Do not follow a link, and do not wait for the other end of a pipe. Windows has neither flag. */
const NO_LINK_OR_PIPE = platform() === 'win32' ? 0 : constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** The errors of `open` for a link, a socket, a folder, and a file in the place of a folder. */
const NOT_PLAIN = ['ELOOP', 'ENXIO', 'EISDIR', 'ENOTDIR'];

/** The files that `readPlainFile` reads are shorter. It ignores the rest of a longer one. */
const MAX_BYTES = 10_000;

/** Also true for a path that we may not look at: opening it then says why. */
export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: unknown) => !['ENOENT', 'ENOTDIR'].includes(codeOf(error) ?? ''),
  );
}

/** Reads the text of a small file of ours. @throws EmbeddedPostgresError for a link, or anything else that is not a plain file */
export async function readPlainFile(path: string): Promise<string> {
  const file = await openPlainFile(path, constants.O_RDONLY);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_BYTES), 0, MAX_BYTES, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}

/** @throws EmbeddedPostgresError for a link, or anything else that is not a plain file */
export async function openPlainFile(path: string, flags: number): Promise<FileHandle> {
  const file = await open(path, flags | NO_LINK_OR_PIPE, 0o600).catch((cause: unknown) => {
    throw NOT_PLAIN.includes(codeOf(cause) ?? '') ? notPlain(path, cause) : cause;
  });
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw notPlain(path);
}

function notPlain(path: string, cause?: unknown): EmbeddedPostgresError {
  const remedy = 'remove it and put back what belongs there, or choose another folder';
  return new EmbeddedPostgresError('config', `cannot be used: ${path} is not a plain file`, { remedy, cause });
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
