/** Numbers in texts. Runs in Node and in the browser. */

/** Separates thousands by a space, which means the same in every country: `12 345.6`. */
export function groupThousands(decimal: string | number): string {
  const [whole = '', fraction] = String(decimal).split('.');
  const groups = whole.replace(/\B(?=(\d{3})+$)/g, '\u202f');
  return fraction === undefined ? groups : `${groups}.${fraction}`;
}
