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
/** In characters. Pieces of this length need few writes and little memory. */
const PIECE_LENGTH = 65_536;

/** A table whose rows are given twice: to find the widths, then to print. Cells must be printable already. */
export interface Table {
  /** Widens the columns for a row. Call it for every row before `lines`. */
  fit: (row: readonly string[]) => void;
  /** The headings and these rows, in pieces of whole lines. */
  lines: (rows: Iterable<readonly string[]>) => Generator<string, void, undefined>;
}

export function createTable(columns: readonly Column[], screenWidth = UNKNOWN_WIDTH): Table {
  const widths = columns.map(({ heading }) => width(heading));
  const areBlank = columns.map(() => true);
  return {
    fit: (row) =>
      columns.forEach((_, index) => {
        const cell = row[index] ?? '';
        widths[index] = Math.max(widths[index] ?? 0, width(cell));
        areBlank[index] &&= BLANK.test(cell);
      }),
    *lines(rows) {
      const kept = layOut(columns, widths, areBlank, screenWidth);
      const formatLine = (row: readonly string[]): string => {
        const cells = kept.map(({ index, room, align }) => pad(cut(row[index] ?? '', room), room, align));
        return `${cells.join(GAP).trimEnd()}\n`;
      };
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
  index: number;
  /** the width of its cells */
  room: number;
  align: Column['align'];
}

/** Drops columns until the others fit at their least width. Then gives the free width to them, from left to right. */
function layOut(
  columns: readonly Column[],
  widths: readonly number[],
  areBlank: readonly boolean[],
  screenWidth: number,
): KeptColumn[] {
  let kept = columns.map(({ rank, minWidth, align }, index) => {
    const fullWidth = widths[index] ?? 0;
    // Below 0: never dropped.
    const dropRank = rank === undefined ? -1 : rank + (areBlank[index] ? columns.length : 0);
    return { index, align, dropRank, fullWidth, room: Math.min(fullWidth, minWidth ?? fullWidth) };
  });
  const freeWidth = () => screenWidth - kept.reduce((sum, { room }) => sum + room, GAP.length * (kept.length - 1));
  while (freeWidth() < 0) {
    const [first] = kept.filter(({ dropRank }) => dropRank >= 0).sort((a, b) => b.dropRank - a.dropRank);
    if (!first) break;
    kept = kept.filter((column) => column !== first);
  }
  for (const column of kept) column.room += Math.max(0, Math.min(column.fullWidth - column.room, freeWidth()));
  return kept;
}

/** The title of a table. The name is cut to the room that the details leave. */
export function titleOf(name: string, details: readonly string[], screenWidth: number): string {
  const detailText = details.map((detail) => ` · ${detail}`).join('');
  return `${cut(name, Math.max(MIN_NAME_WIDTH, screenWidth - width(detailText)))}${detailText}`;
}

const MIN_NAME_WIDTH = 12;

/** Cuts a cell to a width; `…` marks the cut. */
export function cut(cell: string, room: number): string {
  if (width(cell) <= room) return cell;
  let text = '';
  let textWidth = width('…');
  for (const character of cell) {
    textWidth += width(character);
    if (textWidth > room) break;
    text += character;
  }
  return `${text}…`;
}

function pad(cell: string, columnWidth: number, align: Column['align']): string {
  const padding = ' '.repeat(Math.max(0, columnWidth - width(cell)));
  return align === 'right' ? padding + cell : cell + padding;
}

/**
 * Wraps words into lines of at most `screenWidth` columns, and indents all lines but the first. The first line leaves the same
 * room: the caller may print something before it. A longer word gets its own line.
 */
export function wrapText(text: string, screenWidth: number, indent: number): string {
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
