/** The file of `tasmart link --from`: a valve and a register in each line. */
import { CsvError, parse } from 'csv-parse/sync';
import { KnownError } from '../../domain/errors.ts';
import { removeGuards } from '../../reporting/report/page/csv-guard.ts';

export interface LinkLine {
  /** from 1 */
  number: number;
  valve: string;
  register: string;
  /** why the line is not a link; null: nothing is wrong with its form */
  problem: string | null;
}

const VALVE_HEADINGS = ['valve', 'tasmart_id'];

const REMEDY = 'write a valve and a register in each line, such as 89abcdef,R-17';

/**
 * Columns are separated by comma, semicolon or tab, as spreadsheets of any locale write them. If the first line names the
 * columns `valve` (or `tasmart_id`) and `register`, other columns are ignored. So the CSV of `link --list` can be read,
 * also with the guards that reporting/csv.ts puts before formulas.
 *
 * @throws KnownError exit 78: the file is empty, or a quote in it is not closed
 */
export function parseLinks(text: string): LinkLine[] {
  const rows = parseRows(text);
  if (rows.length === 0)
    throw new KnownError('config', 'the file holds no link: nothing was changed', { remedy: REMEDY });

  const headings = rows[0]?.record.map((heading) => heading.toLowerCase()) ?? [];
  const valveColumn = headings.findIndex((heading) => VALVE_HEADINGS.includes(heading));
  const registerColumn = headings.indexOf('register');
  const hasHeading = valveColumn >= 0 && registerColumn >= 0;
  return (hasHeading ? rows.slice(1) : rows).map(({ record, info }) => {
    const [valve = '', register = ''] = hasHeading ? [record[valveColumn], record[registerColumn]] : record;
    const isPair = valve !== '' && register !== '' && (hasHeading || record.length === 2);
    const problem = isPair ? null : 'does not hold a valve and a register';
    return { number: info.lines, valve: removeGuards(valve), register: removeGuards(register), problem };
  });
}

interface CsvRow {
  record: string[];
  /** `lines`: the number of the line, from 1 */
  info: { lines: number };
}

function parseRows(text: string): CsvRow[] {
  try {
    // The type of csv-parse does not know what `info` adds.
    return parse(text, {
      bom: true,
      delimiter: [',', ';', '\t'],
      relax_column_count: true,
      relax_quotes: true,
      skip_empty_lines: true,
      trim: true,
      info: true,
    }) as unknown as CsvRow[];
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw new KnownError('config', `the file cannot be read as CSV: ${error.message}`, {
      remedy: REMEDY,
      cause: error,
    });
  }
}
