/** The file of `tasmart link --from`: a valve and a register in each line. */
import { parse } from 'csv-parse/sync';

export interface LinkLine {
  /** from 1 */
  number: number;
  valve: string;
  register: string;
  /** why it is no link; null: it may be one */
  problem: string | null;
}

const VALVE_HEADINGS = ['valve', 'tasmart_id'];

/**
 * Comma, semicolon or tab between the two, as spreadsheets of any locale write them. A first line that names the columns
 * `valve` (or `tasmart_id`) and `register` says where they are among others, as in the output of `link --list`.
 */
export function parseLinks(text: string): LinkLine[] {
  const rows = parse(text, {
    bom: true,
    delimiter: [',', ';', '\t'],
    relax_column_count: true,
    relax_quotes: true,
    skip_empty_lines: true,
    trim: true,
    info: true,
  }) as unknown as { record: string[]; info: { lines: number } }[];
  const headings = rows[0]?.record.map((heading) => heading.toLowerCase()) ?? [];
  const [valveAt, registerAt] = [
    headings.findIndex((heading) => VALVE_HEADINGS.includes(heading)),
    headings.indexOf('register'),
  ];
  const hasHeading = valveAt >= 0 && registerAt >= 0;
  return (hasHeading ? rows.slice(1) : rows).map(({ record, info }) => {
    const [valve = '', register = ''] = hasHeading ? [record[valveAt], record[registerAt]] : record;
    const isPair = valve !== '' && register !== '' && (hasHeading || record.length === 2);
    return { number: info.lines, valve, register, problem: isPair ? null : 'does not hold a valve and a register' };
  });
}
