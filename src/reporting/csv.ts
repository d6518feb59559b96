import { stringify } from 'csv-stringify/sync';
import { spelledOut } from '../domain/text.ts';

export type CsvValue = string | number | boolean | null;

/**
 * One line per row, RFC 4180; `columns` null: a continuation, without a heading. Every text is quoted, numbers are not.
 * Text that a spreadsheet would run as a formula is defused with a leading quote. An Italian one takes no comma for a
 * separator: so a new cell begins behind a semicolon, a tab or the end of a line too. What would act on a terminal is
 * spelled out.
 *
 * @see https://owasp.org/www-community/attacks/CSV_Injection
 */
export function formatCsv(columns: readonly string[] | null, rows: readonly (readonly CsvValue[])[]): string {
  const body = rows.map((row) => row.map((value) => (typeof value === 'string' ? defused(value) : value)));
  const heading = columns ? stringify([[...columns]]) : '';
  return heading + stringify(body, { cast: { boolean: String }, quoted_match: TEXT });
}

/** Neither a number nor true or false. */
const TEXT = /^(?!true$|false$).*[^-.\d]/s;

const FORMULA = /^(?=[=+\-@\t\r\n＝＋－＠])|(?<=[;\t\r\n][\s"]*)(?=[=+\-@＝＋－＠])/g;

/** Reads a cell that `formatCsv` has written: takes the quotes away that keep a spreadsheet from running it. */
export function withoutDefusing(text: string): string {
  return text.replace(DEFUSED, '');
}

const DEFUSED = /(?<=^|[;\t\r\n][\s"]*)'(?=[=+\-@\t\r\n＝＋－＠])/g;

function defused(text: string): string {
  return text.replace(/[^\t\r\n]+/g, spelledOut).replace(FORMULA, "'");
}
