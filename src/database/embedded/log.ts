/** The embedded server's own log. */
import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { openPlainFile } from './files.ts';

const LIMIT_BYTES = 1_000_000;
const TAIL_BYTES = 2_000;

/** For reading and appending; a log that has grown too long is begun anew. */
export async function openLog(path: string): Promise<FileHandle> {
  const log = await openPlainFile(path, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT);
  const { size } = await log.stat();
  if (size > LIMIT_BYTES) await log.truncate();
  return log;
}

export async function logTail(log: FileHandle, startBytes: number): Promise<string> {
  const { size } = await log.stat();
  const from = Math.max(startBytes, size - TAIL_BYTES);
  const { buffer, bytesRead } = await log.read(Buffer.alloc(TAIL_BYTES), 0, TAIL_BYTES, from);
  return buffer.toString('utf8', 0, bytesRead);
}
