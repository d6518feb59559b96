import stringWidth from 'fast-string-width';

/**
 * Whether block characters (▁▂▃▄▅▆▇█) come out as such: a terminal, whose locale is UTF-8 by the variable that counts
 * (https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/V1_chap08.html#tag_08_02), and whose font has them. That of
 * Linux's own console has not.
 */
export function drawsBlocks(env: Readonly<Record<string, string | undefined>>, isTerminal: boolean): boolean {
  const locale = [env['LC_ALL'], env['LC_CTYPE'], env['LANG']].find((value) => value !== undefined && value !== '');
  return isTerminal && /utf-?8/i.test(locale ?? '') && !['dumb', 'linux'].includes(env['TERM'] ?? '');
}

/** How many lines of it a terminal so wide would break. One that does not tell its width is taken to be wide enough. */
export function brokenLines(text: string, columns: number | undefined): number {
  return columns ? text.split('\n').filter((line) => stringWidth(line) > columns).length : 0;
}
