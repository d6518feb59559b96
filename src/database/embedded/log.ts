/** The embedded server's own log. */
import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { openPlainFile } from './files.ts';

const LIMIT_BYTES = 1_000_000;
const TAIL_BYTES = 2_000;

/** Opens the log for reading and appending. Empties it if it is longer than 1 MB. */
export async function openLog(path: string): Promise<FileHandle> {
  const log = await openPlainFile(path, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT);
  const { size } = await log.stat();
  if (size > LIMIT_BYTES) await log.truncate();
  return log;
}

/** The end of what was logged since `startBytes`: at most 2 kB, to quote in an error. */
export async function logTail(log: FileHandle, startBytes: number): Promise<string> {
  const { size } = await log.stat();
  const from = Math.max(startBytes, size - TAIL_BYTES);
  const { buffer, bytesRead } = await log.read(Buffer.alloc(TAIL_BYTES), 0, TAIL_BYTES, from);
  return buffer.toString('utf8', 0, bytesRead);
}
