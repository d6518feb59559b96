/** Reads text files that people have written, and finds errors in their JSON. */
import { readFile } from 'node:fs/promises';
import { KnownError } from '../../domain/errors.ts';

/** @throws KnownError exit 78: the file cannot be read, or is in UTF-16; if it cannot be read, `cause` is Node's error */
export async function readTextFile(file: string, remedy: string): Promise<string> {
  const bytes = await readFile(file).catch((cause: unknown) => {
    const { code = '?' } = cause as NodeJS.ErrnoException;
    throw new KnownError('config', `${file} cannot be read (${code})`, { remedy, cause });
  });
  const text = decodeText(bytes);
  if (text === null) throw new KnownError('config', `${file} is in UTF-16`, { remedy: 'save it as UTF-8' });
  return text;
}

/** Decodes UTF-8 without its byte order mark. null: the text is in UTF-16, as Windows' PowerShell and Notepad write it. */
export function decodeText(bytes: Buffer): string | null {
  const hasUtf16Mark = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
  const hasZeroByte = bytes.subarray(0, 4).includes(0); // UTF-16 without the mark
  if (hasUtf16Mark || hasZeroByte) return null;
  return bytes.toString('utf8').replace(/^\uFEFF/, '');
}

/** Line and column where JSON.parse fails, from 1. Quotes nothing of the text, which may hold a secret. */
export function jsonErrorPlace(text: string): string {
  const before = text.slice(0, jsonErrorOffset(text)).split('\n');
  return `line ${before.length}, column ${(before.at(-1) ?? '').length + 1}`;
}

const UNEXPECTED = 'Unexpected token';

/** Some messages of JSON.parse report the position. If one does not, find the position by parsing parts of the text. */
function jsonErrorOffset(text: string): number {
  const message = jsonError(text);
  const position = /at position (\d+)/.exec(message)?.[1];
  if (position !== undefined) return Number(position);
  if (!message.startsWith(UNEXPECTED)) return text.length; // the text ends too early
  // The shortest beginning of the text that fails in this way ends with the unexpected token.
  let [low, high] = [0, text.length];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (jsonError(text.slice(0, middle)).startsWith(UNEXPECTED)) high = middle;
    else low = middle;
  }
  return low;
}

/** The message of JSON.parse; '': the text is valid. */
function jsonError(text: string): string {
  try {
    JSON.parse(text);
    return '';
  } catch (error) {
    return error instanceof Error ? error.message : '';
  }
}
