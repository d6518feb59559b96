import stringWidth from 'fast-string-width';

export interface Column {
  heading: string;
  align?: 'left' | 'right';
}

const GAP = '  ';

/** Columns side by side, their headings above; cells must be printable already. Ends in a newline. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const lines = [columns.map(({ heading }) => heading), ...rows];
  const widths = columns.map((_, at) => lines.reduce((widest, line) => Math.max(widest, width(line[at] ?? '')), 0));
  const formatLine = (line: readonly string[]): string =>
    columns.map(({ align }, at) => padded(line[at] ?? '', widths[at] ?? 0, align)).join(GAP);
  return lines.map((line) => `${formatLine(line).trimEnd()}\n`).join('');
}

function padded(cell: string, columnWidth: number, align: Column['align']): string {
  const padding = ' '.repeat(columnWidth - width(cell));
  return align === 'right' ? padding + cell : cell + padding;
}

/** In columns of a terminal; a letter takes one, an ideograph two, an accent of its own none. */
function width(cell: string): number {
  return stringWidth(cell);
}
