/** Finds what the terminal of a stream can show. */
import type { Environment } from '../../config/environment.ts';
import type { Screen } from '../../reporting/screen.ts';
import { UNKNOWN_WIDTH } from '../../reporting/table.ts';

/** A file or pipe gets no colours, but all characters. The variable COLUMNS is the width if the stream has none. */
export function screenOf(
  stream: { isTTY?: boolean; columns?: number },
  env: Environment,
  platform: NodeJS.Platform = process.platform,
): Screen {
  const isTerminal = stream.isTTY ?? false;
  const widths = [stream.columns, Number(env['COLUMNS'])];
  const width = widths.find((columns) => columns !== undefined && columns > 0) ?? UNKNOWN_WIDTH;
  return {
    width,
    textWidth: isTerminal ? width : Infinity,
    hasColours: isTerminal && !env['NO_COLOR'] && env['TERM'] !== 'dumb',
    isUnicode: !isTerminal || platform === 'win32' || isUtf8(env),
    drawsBlocks: drawsBlocks(env, isTerminal),
  };
}

/**
 * Whether the terminal can show block characters (▁▂▃▄▅▆▇█): it needs a UTF-8 locale and a font that has them. The font of
 * the Linux console does not.
 */
export function drawsBlocks(env: Environment, isTerminal: boolean): boolean {
  return isTerminal && isUtf8(env) && !['dumb', 'linux'].includes(env['TERM'] ?? '');
}

/** The first of these variables that is set decides (https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/V1_chap08.html#tag_08_02). */
function isUtf8(env: Environment): boolean {
  const locale = [env['LC_ALL'], env['LC_CTYPE'], env['LANG']].find((value) => value !== undefined && value !== '');
  return /utf-?8/i.test(locale ?? '');
}
