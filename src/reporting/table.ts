/** Tables that fit a terminal: columns are dropped or cut by rank, and names get the room that is left. */
import stringWidth from 'fast-string-width';

export interface Column {
  heading: string;
  align?: 'left' | 'right';
  /** If the table is too wide, the column with the highest rank is dropped first. A column without a rank stays. */
  rank?: number;
  /** The column may be cut to this width. It gets the room that other columns leave, up to its full width. */
  minWidth?: number;
}

/** For a terminal that does not report its width, and for output that is not a terminal. */
export const UNKNOWN_WIDTH = 80;

export const GAP = '  ';
/** characters: few writes, little memory */
const PIECE_LENGTH = 65_536;

/** Columns side by side, their headings above. Cells must be printable already. */
export interface Table {
  /** Widens the columns for a row. Call it for every row before `lines`. */
  fit: (row: readonly string[]) => void;
  /** The headings and these rows, in pieces of whole lines. */
  lines: (rows: Iterable<readonly string[]>) => Generator<string, void, undefined>;
}

export function createTable(columns: readonly Column[], screenWidth = UNKNOWN_WIDTH): Table {
  const widths = columns.map(({ heading }) => width(heading));
  const isBlank = columns.map(() => true);
  return {
    fit: (row) =>
      columns.forEach((_, at) => {
        const cell = row[at] ?? '';
        widths[at] = Math.max(widths[at] ?? 0, width(cell));
        isBlank[at] &&= BLANK.test(cell);
      }),
    *lines(rows) {
      const kept = layOut(columns, widths, isBlank, screenWidth);
      const formatLine = (cells: readonly string[]): string =>
        `${kept
          .map(({ at, room }) => padded(cut(cells[at] ?? '', room), room, columns[at]?.align))
          .join(GAP)
          .trimEnd()}\n`;
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

/** Formats a table whose rows are all in memory. */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  screenWidth?: number,
): string {
  const table = createTable(columns, screenWidth);
  rows.forEach(table.fit);
  return [...table.lines(rows)].join('');
}

/** A column with only such cells is dropped before all other columns that have a rank. */
const BLANK = /^[–0]?$/;

interface KeptColumn {
  /** its place in the row */
  at: number;
  room: number;
}

function layOut(
  columns: readonly Column[],
  widths: readonly number[],
  isBlank: readonly boolean[],
  screenWidth: number,
): KeptColumn[] {
  let kept = columns.map((column, at) => {
    const whole = widths[at] ?? 0;
    const rank = column.rank === undefined ? null : column.rank + (isBlank[at] ? columns.length : 0);
    return { at, rank, whole, room: Math.min(whole, column.minWidth ?? whole) };
  });
  const left = () => screenWidth - kept.reduce((sum, { room }) => sum + room, GAP.length * (kept.length - 1));
  while (left() < 0) {
    const [first] = kept.filter(({ rank }) => rank !== null).sort((a, b) => (b.rank ?? 0) - (a.rank ?? 0));
    if (!first) break;
    kept = kept.filter((column) => column !== first);
  }
  for (const column of kept) column.room += Math.max(0, Math.min(column.whole - column.room, left()));
  return kept;
}

/** The title of a table. The name is cut to the room that the details leave. */
export function titleOf(name: string, details: readonly string[], screenWidth: number): string {
  const rest = details.map((detail) => ` · ${detail}`).join('');
  return `${cut(name, Math.max(MIN_NAME_WIDTH, screenWidth - width(rest)))}${rest}`;
}

const MIN_NAME_WIDTH = 12;

/** Cuts a cell to a width; `…` marks the cut. */
export function cut(cell: string, room: number): string {
  if (width(cell) <= room) return cell;
  let text = '';
  let taken = 1;
  for (const character of cell) {
    taken += width(character);
    if (taken > room) break;
    text += character;
  }
  return `${text}…`;
}

function padded(cell: string, columnWidth: number, align: Column['align']): string {
  const padding = ' '.repeat(Math.max(0, columnWidth - width(cell)));
  return align === 'right' ? padding + cell : cell + padding;
}

/** Wraps words into lines of at most `screenWidth` columns. Indents all lines but the first. A longer word gets its own line. */
export function wrapped(text: string, screenWidth: number, indent: number): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && width(line) + 1 + width(word) > screenWidth - indent) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].join(`\n${' '.repeat(indent)}`);
}

const ASCII = /^[\x20-\x7e]*$/;

/** Width in terminal columns: a letter takes one, an ideograph two, a combining accent none. */
function width(cell: string): number {
  return ASCII.test(cell) ? cell.length : stringWidth(cell);
}
