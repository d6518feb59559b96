/** HTML templates that escape every value. */
import { spelledOut } from '../../domain/text.ts';

/** A piece of HTML that is safe as it stands. */
export interface Markup {
  readonly html: string;
}

type Value = string | number | null | undefined | false | Markup | readonly Value[];

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Text, fit to stand between tags or in quotes; control characters and those that turn the direction are spelled out. */
export function escaped(text: string): string {
  return spelledOut(text).replace(/[&<>"']/g, (char) => ENTITIES[char] ?? '');
}

/** A template of HTML: every value is escaped, save what is markup already. Nothing comes of null, undefined and false. */
export function markup(parts: TemplateStringsArray, ...values: readonly Value[]): Markup {
  let html = parts[0] ?? '';
  for (const [index, value] of values.entries()) html += rendered(value) + (parts[index + 1] ?? '');
  return { html };
}

/** For what is known to hold nothing that HTML would act on, or was made to be HTML. */
export function trusted(html: string): Markup {
  return { html };
}

function rendered(value: Value): string {
  if (value === null || value === undefined || value === false) return '';
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string') return escaped(value);
  return 'html' in value ? value.html : value.map(rendered).join('');
}
