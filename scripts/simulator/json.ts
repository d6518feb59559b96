import { stringify } from 'lossless-json';

export type Json =
  null | boolean | number | bigint | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/** JSON text with every digit of an int64. */
export function toJson(value: Json): string {
  try {
    return JSON.stringify(value);
  } catch {
    // It is four times as fast, but refuses bigints; only counters beyond 2^53 are served as such.
    return stringify(value) ?? 'null';
  }
}
