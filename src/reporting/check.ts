/** Prints the result of `tasmart check`. */
import { count, printable } from '../domain/text.ts';
import { formatJson } from './json.ts';
import { wrapped } from './table.ts';

/** One thing that was tried. `seen` and `remedy` hold no secret. */
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

const MAX_LENGTH = 500;

/** A line per item, with its remedy below. The last line counts the problems. */
export function checkTable(items: readonly CheckItem[], textWidth = Infinity): string {
  const width = Math.max(...items.map(({ name }) => Array.from(printable(name)).length));
  const lines = items.flatMap(({ name, state, seen, remedy }) => {
    const label = printable(name);
    const padding = ' '.repeat(width - Array.from(label).length);
    const wrap = (text: string, indent: number) => wrapped(printable(text, MAX_LENGTH), textWidth, indent);
    const line = `${MARKS[state]} ${label}${padding}  ${wrap(seen, width + 4)}`;
    return remedy === null ? [line] : [line, `${' '.repeat(width + 4)}→ ${wrap(remedy, width + 6)}`];
  });
  const [wrong, warnings] = (['failed', 'warning'] as const).map(
    (wanted) => items.filter(({ state }) => state === wanted).length,
  );
  const verdict = wrong === 0 ? 'Nothing is wrong' : `${count(wrong ?? 0, 'thing')} wrong`;
  return `${lines.join('\n')}\n\n${verdict}; ${count(warnings ?? 0, 'warning')}.\n`;
}

export function checkJson(items: readonly CheckItem[]): string {
  return formatJson({ ok: isSound(items), items });
}

export function isSound(items: readonly CheckItem[]): boolean {
  return !items.some(({ state }) => state === 'failed');
}
