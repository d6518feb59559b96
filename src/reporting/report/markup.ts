/** HTML templates that escape every value. */
import { escapeHostile } from '../../domain/text.ts';

/** HTML whose values are escaped. */
export interface Markup {
  readonly html: string;
}

type Value = string | number | null | undefined | false | Markup | readonly Value[];

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Escapes text for HTML, between tags or in a quoted attribute. Control and bidi characters are spelled out. */
function escapeHtml(text: string): string {
  return escapeHostile(text).replace(/[&<>"']/g, (char) => ENTITIES[char] ?? '');
}

/** Template tag for HTML. Escapes every value that is not Markup. Null, undefined and false give an empty text. */
export function markup(parts: TemplateStringsArray, ...values: readonly Value[]): Markup {
  let html = parts[0] ?? '';
  for (const [index, value] of values.entries()) html += render(value) + (parts[index + 1] ?? '');
  return { html };
}

/** Marks HTML as safe without escaping. Never call it with names or other texts from HyCloud. */
export function trustHtml(html: string): Markup {
  return { html };
}

function render(value: Value): string {
  if (value === null || value === undefined || value === false) return '';
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string') return escapeHtml(value);
  return 'html' in value ? value.html : value.map(render).join('');
}
