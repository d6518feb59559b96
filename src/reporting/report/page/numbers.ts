/** The one notation of numbers, of the page and of what writes it. */

/** Thousands apart, by a space that takes no sides on commas: `12 345.6`. */
export function grouped(decimal: string): string {
  const [whole = '', fraction] = decimal.split('.');
  const apart = whole.replace(/\B(?=(\d{3})+$)/g, '\u202f');
  return fraction === undefined ? apart : `${apart}.${fraction}`;
}
