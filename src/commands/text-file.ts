/** Text files as people's editors write them. */

/** Without a byte order mark. null: it is in UTF-16, as Windows' PowerShell and Notepad write it. */
export function decodeText(bytes: Buffer): string | null {
  const isUtf16 = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
  if (isUtf16 || bytes.subarray(0, 4).includes(0)) return null;
  return bytes.toString('utf8').replace(/^\uFEFF/, '');
}

/** Line and column where JSON.parse fails, from 1. Quotes nothing of the text, which may hold a secret. */
export function jsonErrorPlace(text: string): string {
  const before = text.slice(0, jsonErrorOffset(text)).split('\n');
  return `line ${before.length}, column ${(before.at(-1) ?? '').length + 1}`;
}

function jsonErrorOffset(text: string): number {
  const message = jsonError(text);
  const position = /at position (\d+)/.exec(message)?.[1];
  if (position !== undefined) return Number(position);
  if (!message.startsWith(UNEXPECTED)) return text.length;
  // Node.js names no position here. The shortest beginning of the text that fails in this way ends with what is wrong.
  let [low, high] = [0, text.length];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (jsonError(text.slice(0, middle)).startsWith(UNEXPECTED)) high = middle;
    else low = middle;
  }
  return low;
}

const UNEXPECTED = 'Unexpected token';

function jsonError(text: string): string {
  try {
    JSON.parse(text);
    return '';
  } catch (error) {
    return error instanceof Error ? error.message : '';
  }
}
