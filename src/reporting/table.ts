import stringWidth from 'fast-string-width';

export interface Column {
  heading: string;
  align?: 'left' | 'right';
}

const GAP = '  ';
/** characters: few writes, little memory */
const PIECE_LENGTH = 65_536;

/** Columns side by side, their headings above, as wide as what is in them. Cells must be printable already. */
export interface Table {
  /** Makes room for a row. */
  fit: (row: readonly string[]) => void;
  /** The headings and these rows, which have been fitted; some lines at a time, each with its newline. */
  lines: (rows: Iterable<readonly string[]>) => Generator<string, void, undefined>;
}

export function createTable(columns: readonly Column[]): Table {
  const widths = columns.map(({ heading }) => width(heading));
  const formatLine = (cells: readonly string[]): string =>
    `${columns
      .map(({ align }, at) => padded(cells[at] ?? '', widths[at] ?? 0, align))
      .join(GAP)
      .trimEnd()}\n`;
  return {
    fit: (row) => columns.forEach((_, at) => (widths[at] = Math.max(widths[at] ?? 0, width(row[at] ?? '')))),
    *lines(rows) {
      let text = formatLine(columns.map(({ heading }) => heading));
      for (const row of rows) {
        text += formatLine(row);
        if (text.length < PIECE_LENGTH) continue;
        yield text;
        text = '';
      }
      yield text;
    },
  };
}

/** The same, of rows that are all there. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const table = createTable(columns);
  rows.forEach(table.fit);
  return [...table.lines(rows)].join('');
}

function padded(cell: string, columnWidth: number, align: Column['align']): string {
  const padding = ' '.repeat(columnWidth - width(cell));
  return align === 'right' ? padding + cell : cell + padding;
}

const ASCII = /^[\x20-\x7e]*$/;

/** In columns of a terminal; a letter takes one, an ideograph two, an accent of its own none. */
function width(cell: string): number {
  return ASCII.test(cell) ? cell.length : stringWidth(cell);
}
