/** What the terminal behind a stream can show. */
import type { Screen } from '../reporting/screen.ts';
import { UNKNOWN_WIDTH } from '../reporting/table.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** What is no terminal gets no colour, but every letter: its reader is not known. COLUMNS tells a width where the stream does not. */
export function screenOf(
  stream: { isTTY?: boolean; columns?: number },
  env: Environment,
  platform: NodeJS.Platform = process.platform,
): Screen {
  const isTerminal = stream.isTTY ?? false;
  const told = [stream.columns, Number(env['COLUMNS'])].find((columns) => columns !== undefined && columns > 0);
  const width = told ?? UNKNOWN_WIDTH;
  return {
    width,
    textWidth: isTerminal ? width : Infinity,
    hasColours: isTerminal && !env['NO_COLOR'] && env['TERM'] !== 'dumb',
    isUnicode: !isTerminal || platform === 'win32' || isUtf8(env),
    drawsBlocks: drawsBlocks(env, isTerminal),
  };
}

/**
 * Whether block characters (▁▂▃▄▅▆▇█) come out as such: a terminal, whose locale is UTF-8, and whose font has them. That
 * of Linux's own console has not.
 */
export function drawsBlocks(env: Environment, isTerminal: boolean): boolean {
  return isTerminal && isUtf8(env) && !['dumb', 'linux'].includes(env['TERM'] ?? '');
}

/** By the variable that counts (https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/V1_chap08.html#tag_08_02). */
function isUtf8(env: Environment): boolean {
  const locale = [env['LC_ALL'], env['LC_CTYPE'], env['LANG']].find((value) => value !== undefined && value !== '');
  return /utf-?8/i.test(locale ?? '');
}
