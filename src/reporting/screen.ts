/** Text for people, as their terminal can show it. */
import stringWidth from 'fast-string-width';

/** What is known of the place where a text will be read. */
export interface Screen {
  /** columns of a line, which tables fit into */
  width: number;
  /** the same for sentences; those for no terminal are not wrapped, so that a program finds them on one line */
  textWidth: number;
  hasColours: boolean;
  /** false: plain ASCII alone comes out as it is */
  isUnicode: boolean;
  /** its font has block characters (▁▂▃▄▅▆▇█) */
  drawsBlocks: boolean;
}

/** https://en.wikipedia.org/wiki/ANSI_escape_code#Select_Graphic_Rendition_parameters */
const COLOURS: Readonly<Record<string, string>> = { '✓': '\x1b[32m', '!': '\x1b[33m', '✗': '\x1b[31m' };
const NO_COLOUR = '\x1b[39m';
const MARK = /^[✓!✗](?= )/gm;

/** Marks at the beginning of a line are coloured; what the screen cannot show is written in ASCII, in the same width. */
export function shown(text: string, { hasColours, isUnicode }: Screen): string {
  const coloured = hasColours ? text.replace(MARK, (mark) => `${COLOURS[mark] ?? ''}${mark}${NO_COLOUR}`) : text;
  return isUnicode ? coloured : inAscii(coloured);
}

const REPLACEMENTS: Readonly<Record<string, string>> = {
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

/** Letters lose their accents; what has no likeness becomes a question mark for each column that it takes. */
export function inAscii(text: string): string {
  return text.replace(/[^\x00-\x7f]\p{M}*/gu, (character) => {
    const plain = REPLACEMENTS[character] ?? character.normalize('NFD').replace(/\p{M}/gu, '');
    return /^[\x20-\x7e]+$/.test(plain) ? plain : '?'.repeat(stringWidth(character));
  });
}
