/** Writes CSV that is safe to open in a spreadsheet. */
import { stringify } from 'csv-stringify/sync';
import { escapeHostile } from '../domain/text.ts';
import { addGuards } from './report/page/csv-guard.ts';

export type CsvValue = string | number | boolean | null;

/**
 * CSV by RFC 4180. `columns` null: no heading, because the rows continue earlier ones. Texts are quoted, unless they look like
 * a number or are true or false. Formulas get a guard, and control characters are spelled out.
 */
export function formatCsv(columns: readonly string[] | null, rows: readonly (readonly CsvValue[])[]): string {
  const body = rows.map((row) => row.map((value) => (typeof value === 'string' ? safeText(value) : value)));
  const heading = columns ? stringify([[...columns]]) : '';
  return heading + stringify(body, { cast: { boolean: String }, quoted_match: TEXT });
}

/** Matches a field to quote: not a number, true or false. */
const TEXT = /^(?!true$|false$).*[^-.\d]/s;

function safeText(text: string): string {
  return addGuards(text.replace(/[^\t\r\n]+/g, escapeHostile));
}
