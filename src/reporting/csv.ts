import { stringify } from 'csv-stringify/sync';
import { spelledOut } from '../domain/text.ts';

export type CsvValue = string | number | boolean | null;

/**
 * One line per row, RFC 4180; `columns` null: a continuation, without a heading. Text that a spreadsheet would run as a
 * formula is defused with a leading quote, what would act on a terminal is spelled out; numbers stay numbers. https://owasp.org/www-community/attacks/CSV_Injection
 */
export function formatCsv(columns: readonly string[] | null, rows: readonly (readonly CsvValue[])[]): string {
  const body = rows.map((row) => row.map((value) => (typeof value === 'string' ? defused(value) : value)));
  return stringify([...(columns ? [[...columns]] : []), ...body], { cast: { boolean: String } });
}

function defused(text: string): string {
  const shown = text.replace(/[^\t\r\n]+/g, spelledOut);
  return /^[=+\-@\t\r\n＝＋－＠]/.test(shown) ? `'${shown}` : shown;
}
