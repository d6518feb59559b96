/** Prints the result of `tasmart check`. */
import { count, escapeAndCut } from '../domain/text.ts';
import { formatJson } from './json.ts';
import { wrapText } from './table.ts';

/** One thing that was tried. Its properties are the JSON's names. `seen` and `remedy` hold no secret. */
export interface CheckItem {
  name: string;
  /** `skipped`: not tried, for the reason in `seen` */
  state: 'ok' | 'warning' | 'failed' | 'skipped';
  seen: string;
  /** null: nothing to do */
  remedy: string | null;
}

export const ok = (name: string, seen: string): CheckItem => ({ name, state: 'ok', seen, remedy: null });
export const warning = (name: string, seen: string, remedy: string | null): CheckItem => ({
  name,
  state: 'warning',
  seen,
  remedy,
});
export const failed = (name: string, seen: string, remedy: string | null): CheckItem => ({
  name,
  state: 'failed',
  seen,
  remedy,
});
export const skipped = (name: string, seen: string): CheckItem => ({ name, state: 'skipped', seen, remedy: null });

const MARKS = { ok: '✓', warning: '!', failed: '✗', skipped: '–' } as const;

/** More characters of `seen` and of `remedy` are cut off. */
const MAX_TEXT_LENGTH = 500;

/** A line per item, with its remedy below. The last line counts the problems. */
export function checkTable(items: readonly CheckItem[], textWidth = Infinity): string {
  const nameWidth = Math.max(...items.map(({ name }) => Array.from(escapeAndCut(name)).length));
  const seenIndent = '✓ '.length + nameWidth + '  '.length;
  const wrap = (text: string, indent: number) => wrapText(escapeAndCut(text, MAX_TEXT_LENGTH), textWidth, indent);
  const lines = items.flatMap(({ name, state, seen, remedy }) => {
    const label = escapeAndCut(name);
    const padding = ' '.repeat(nameWidth - Array.from(label).length);
    const line = `${MARKS[state]} ${label}${padding}  ${wrap(seen, seenIndent)}`;
    return remedy === null ? [line] : [line, `${' '.repeat(seenIndent)}→ ${wrap(remedy, seenIndent + '→ '.length)}`];
  });
  const failures = items.filter(({ state }) => state === 'failed').length;
  const warnings = items.filter(({ state }) => state === 'warning').length;
  const verdict = failures === 0 ? 'Nothing is wrong' : `${count(failures, 'thing')} wrong`;
  return `${lines.join('\n')}\n\n${verdict}; ${count(warnings, 'warning')}.\n`;
}

export function checkJson(items: readonly CheckItem[]): string {
  return formatJson({ ok: isSound(items), items });
}

/** Whether nothing failed. */
export function isSound(items: readonly CheckItem[]): boolean {
  return !items.some(({ state }) => state === 'failed');
}
