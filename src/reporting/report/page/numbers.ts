/** Numbers in texts, in Node and in the browser. */

/** Thousands separated by a space, which means the same in every country: `12 345.6`. */
export function grouped(decimal: string): string {
  const [whole = '', fraction] = decimal.split('.');
  const apart = whole.replace(/\B(?=(\d{3})+$)/g, '\u202f');
  return fraction === undefined ? apart : `${apart}.${fraction}`;
}
