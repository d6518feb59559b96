/** The kWh that PostgreSQL returns as decimal text. */

export function parseDecimal(text: string | null): number | null {
  return text === null ? null : Number(text);
}

/** Ignores nulls; null if every value is null. Rounded to nine places, which removes the noise of adding doubles. */
export function sumDecimals(values: readonly (string | number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : Number(known.reduce<number>((sum, value) => sum + Number(value), 0).toFixed(9));
}

/** A number, or the text itself if a double would change the value. */
export function exactNumber(text: string | null): number | string | null {
  if (text === null) return null;
  const withoutZeros = text.includes('.') ? text.replace(/\.?0+$/, '') : text;
  return String(Number(text)) === withoutZeros ? Number(text) : text;
}
