/** Adapts text to what a terminal can show. */
import stringWidth from 'fast-string-width';

/** Where a text will be read: a terminal, or a file or pipe. */
export interface Screen {
  /** characters in a line: tables are made to fit */
  width: number;
  /** like `width`, for sentences; Infinity if not on a terminal, so that a program finds a message on one line */
  textWidth: number;
  hasColours: boolean;
  /** false: the terminal can only show ASCII */
  isUnicode: boolean;
  /** the terminal can show block characters (▁▂▃▄▅▆▇█) */
  drawsBlocks: boolean;
}

/** Escape sequences: https://en.wikipedia.org/wiki/ANSI_escape_code#Select_Graphic_Rendition_parameters */
const COLOURS: Readonly<Record<string, string>> = { '✓': '\x1b[32m', '!': '\x1b[33m', '✗': '\x1b[31m' };
const NO_COLOUR = '\x1b[39m';
/** Matches a mark at the beginning of a line. */
const MARK = /^[✓!✗](?= )/gm;

/** Colours the marks, and replaces characters that the screen cannot show by ASCII. */
export function adaptToScreen(text: string, { hasColours, isUnicode }: Screen): string {
  const coloured = hasColours ? text.replace(MARK, (mark) => `${COLOURS[mark] ?? ''}${mark}${NO_COLOUR}`) : text;
  return isUnicode ? coloured : inAscii(coloured);
}

/** Each is as wide as the character, so that tables stay aligned. */
const ASCII_REPLACEMENTS: Readonly<Record<string, string>> = {
  '✓': '+',
  '✗': 'x',
  '–': '-',
  '—': '-',
  '…': '~',
  '→': '>',
  '·': '.',
  '’': "'",
  '‘': "'",
  '“': '"',
  '”': '"',
  '³': '3',
  '²': '2',
  '°': 'o',
  '×': 'x',
};

/** Removes accents from letters. Other characters become a replacement, or a question mark for each column they take. */
export function inAscii(text: string): string {
  return text.replace(/[^\x00-\x7f]\p{M}*/gu, (character) => {
    const plain = ASCII_REPLACEMENTS[character] ?? character.normalize('NFD').replace(/\p{M}/gu, '');
    return /^[\x20-\x7e]+$/.test(plain) ? plain : '?'.repeat(stringWidth(character));
  });
}
