/** Decimals as PostgreSQL writes them, added up without a double coming near them. */
const PLACES = 12;
const SCALE = 10n ** BigInt(PLACES);

/** A decimal with at most twelve places, in units of 10⁻¹². */
export function parseDecimal(text: string): bigint {
  const [, sign = '', whole = '0', fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text) ?? [];
  const value = BigInt(whole) * SCALE + BigInt(fraction.slice(0, PLACES).padEnd(PLACES, '0'));
  return sign === '-' ? -value : value;
}

/** Rounded half up to `places`. */
export function formatDecimal(value: bigint, places: number): string {
  const unit = 10n ** BigInt(PLACES - places);
  const magnitude = value < 0n ? -value : value;
  const rounded = (magnitude + unit / 2n) / unit;
  const digits = rounded.toString().padStart(places + 1, '0');
  const sign = value < 0n && rounded > 0n ? '-' : '';
  return `${sign}${digits.slice(0, digits.length - places)}${places > 0 ? `.${digits.slice(-places)}` : ''}`;
}

/** The sum of those that are there; null: none is. */
export function sumDecimals(texts: readonly (string | null)[]): bigint | null {
  const known = texts.filter((text) => text !== null);
  return known.length === 0 ? null : known.reduce((sum, text) => sum + parseDecimal(text), 0n);
}

/** As PostgreSQL would write it, without zeros at the end. */
export function exactDecimal(value: bigint): string {
  return formatDecimal(value, PLACES).replace(/\.?0+$/, '');
}
