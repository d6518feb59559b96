/** Text from HyCloud's users, made safe to print. */

/** Control and bidi characters: printed, they could rewrite the screen. */
const HOSTILE = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;

const MAX_LENGTH = 60;

/** Like `escapeHostile`, and cuts the result to `maxLength` characters. */
export function escapeAndCut(text: string, maxLength = MAX_LENGTH): string {
  // Enough for `maxLength` characters and one more, each of up to two code units.
  const shown = escapeHostile(text.slice(0, 2 * maxLength + 2));
  if (shown.length <= maxLength) return shown;
  const characters = Array.from(shown);
  return characters.length <= maxLength ? shown : `${characters.slice(0, maxLength - 1).join('')}…`;
}

/** Makes a text safe for one line of a terminal: a hostile character, such as ESC, becomes `\u{1b}`. */
export function escapeHostile(text: string): string {
  return text.replace(HOSTILE, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`);
}

/** `1 valve`, `7 valves`. */
export function count(amount: number, one: string, many = `${one}s`): string {
  return `${amount} ${amount === 1 ? one : many}`;
}

/** The text as one word of a POSIX shell. */
export function quoteForShell(text: string): string {
  return /^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
