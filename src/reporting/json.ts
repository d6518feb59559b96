/** Writes JSON that is safe to print. */

/** Control characters for terminals that JSON.stringify does not escape. They occur only inside texts. */
const HOSTILE = /[\x7f-\x9f\p{Cf}\u2028\u2029]/gu;

/** Indented JSON. Control characters are escaped. */
export function formatJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2).replace(HOSTILE, unicodeEscapes)}\n`;
}

/** `\u` and four digits. A character beyond U+FFFF becomes two escapes. */
function unicodeEscapes(character: string): string {
  return character.replace(/[^]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
