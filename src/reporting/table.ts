/** Tables that fit a terminal: columns are dropped or cut by rank, and names get the room that is left. */
import stringWidth from 'fast-string-width';

export interface Column {
  heading: string;
  align?: 'left' | 'right';
  /** Where the table is too wide, the column with the highest rank goes first. Without a rank it stays. */
  rank?: number;
  /** The column may be cut to so many characters. It takes the room that the others leave, up to its own width. */
  least?: number;
}

/** For a terminal that does not tell its width, and for everything that is no terminal. */
export const UNKNOWN_WIDTH = 80;

const GAP = '  ';
/** characters: few writes, little memory */
const PIECE_LENGTH = 65_536;

/** Columns side by side, their headings above. Cells must be printable already. */
export interface Table {
  /** Makes room for a row. */
  fit: (row: readonly string[]) => void;
  /** The headings and these rows, which have been fitted; some lines at a time, each with its newline. */
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

/** The same, of rows that are all there. */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  screenWidth?: number,
): string {
  const table = createTable(columns, screenWidth);
  rows.forEach(table.fit);
  return [...table.lines(rows)].join('');
}

/** A column of such cells tells nothing, and goes before all others. */
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
    return { at, rank, whole, room: Math.min(whole, column.least ?? whole) };
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

/** What stands above a table: the name gets the room that the details leave. */
export function titleOf(name: string, details: readonly string[], screenWidth: number): string {
  const rest = details.map((detail) => ` · ${detail}`).join('');
  return `${cut(name, Math.max(LEAST_NAME, screenWidth - width(rest)))}${rest}`;
}

const LEAST_NAME = 12;

/** A longer text ends in `…`. */
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

/** Words on lines of at most so many columns, those behind the first line indented. A longer word has a line of its own. */
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

/** In columns of a terminal; a letter takes one, an ideograph two, an accent of its own none. */
function width(cell: string): number {
  return ASCII.test(cell) ? cell.length : stringWidth(cell);
}
