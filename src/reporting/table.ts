import stringWidth from 'fast-string-width';

export interface Column {
  heading: string;
  align?: 'left' | 'right';
}

const GAP = '  ';
/** characters: few writes, little memory */
const PIECE_LENGTH = 65_536;

/** Columns side by side, their headings above; cells must be printable already. Ends in a newline. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  return [...formatLines(columns, () => rows)].join('');
}

/** The same, some lines at a time; the rows are asked for twice. */
export function* formatLines(
  columns: readonly Column[],
  rows: () => Iterable<readonly string[]>,
): Generator<string, void, undefined> {
  const widths = columns.map(({ heading }) => width(heading));
  for (const row of rows()) columns.forEach((_, at) => (widths[at] = Math.max(widths[at] ?? 0, width(row[at] ?? ''))));
  const formatLine = (line: readonly string[]): string =>
    `${columns
      .map(({ align }, at) => padded(line[at] ?? '', widths[at] ?? 0, align))
      .join(GAP)
      .trimEnd()}\n`;
  let text = formatLine(columns.map(({ heading }) => heading));
  for (const row of rows()) {
    text += formatLine(row);
    if (text.length < PIECE_LENGTH) continue;
    yield text;
    text = '';
  }
  yield text;
}

function padded(cell: string, columnWidth: number, align: Column['align']): string {
  const padding = ' '.repeat(columnWidth - width(cell));
  return align === 'right' ? padding + cell : cell + padding;
}

/** In columns of a terminal; a letter takes one, an ideograph two, an accent of its own none. */
function width(cell: string): number {
  return stringWidth(cell);
}
