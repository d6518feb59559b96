/** Writes CSV that is safe to open in a spreadsheet. */
import { stringify } from 'csv-stringify/sync';
import { escapeHostile } from '../domain/text.ts';

export type CsvValue = string | number | boolean | null;

/**
 * CSV by RFC 4180. `columns` null: no heading, because the rows continue earlier ones. Texts are quoted, unless they look like
 * a number or are true or false. The page's CSV guards the same formulas: report/page/csv.ts.
 *
 * A text that a spreadsheet would run as a formula gets a leading single quote, the guard. A cell may also begin after a
 * semicolon, a tab or a line break: spreadsheets of some locales separate by them. Control characters are spelled out.
 *
 * @see https://owasp.org/www-community/attacks/CSV_Injection
 */
export function formatCsv(columns: readonly string[] | null, rows: readonly (readonly CsvValue[])[]): string {
  const body = rows.map((row) => row.map((value) => (typeof value === 'string' ? guardFormulas(value) : value)));
  const heading = columns ? stringify([[...columns]]) : '';
  return heading + stringify(body, { cast: { boolean: String }, quoted_match: TEXT });
}

/** Matches a field to quote: not a number, true or false. */
const TEXT = /^(?!true$|false$).*[^-.\d]/s;

/** Matches before each character that would begin a formula. `GUARD` must match the same places. */
const FORMULA = /^(?=[=+\-@\t\r\n＝＋－＠])|(?<=[;\t\r\n][\s"]*)(?=[=+\-@＝＋－＠])/g;

/** Removes the guards of `formatCsv`. A text that had such a single quote before loses it; spelled-out characters stay. */
export function withoutGuards(text: string): string {
  return text.replace(GUARD, '');
}

const GUARD = /(?<=^|[;\t\r\n][\s"]*)'(?=[=+\-@\t\r\n＝＋－＠])/g;

/** The text with its control characters spelled out, and a guard before each formula. */
function guardFormulas(text: string): string {
  return text.replace(/[^\t\r\n]+/g, escapeHostile).replace(FORMULA, "'");
}
