/** Sets and removes variables in the text of an env file. All other lines stay. */
import { KnownError } from '../../domain/errors.ts';

/** As dotenv reads it: `NAME=value` or `NAME: value`. */
const ASSIGNMENT = /^\s*(?:export\s+)?([A-Za-z_]\w*)(?:\s*=|:\s)/;

const HEADING = '# Keep this file to yourself: it holds the credentials.\n';

/**
 * Sets each variable once: removes further lines that set it.
 *
 * @param text null: there is no file yet
 * @param values by variable; null: remove the variable
 * @throws KnownError for a value that cannot be quoted
 */
export function setVariables(text: string | null, values: ReadonlyMap<string, string | null>): string {
  const remaining = new Map(values);
  const lines = (text ?? HEADING)
    .replace(/\n$/, '')
    .split('\n')
    .flatMap((line) => {
      const name = ASSIGNMENT.exec(line)?.[1];
      const value = name === undefined ? undefined : values.get(name);
      if (name === undefined || value === undefined) return [line];
      const isFirst = remaining.delete(name);
      return value === null || !isFirst ? [] : [`${name}=${quoteValue(name, value)}`];
    });
  for (const [name, value] of remaining) if (value !== null) lines.push(`${name}=${quoteValue(name, value)}`);
  return `${lines.join('\n')}\n`;
}

/** A value that needs no quotes. */
const PLAIN = /^[\w.:/@%+=,?&~-]+$/;

/** Quotes for dotenv, which takes all within single quotes or backticks literally; but a quote after a backslash ends nothing. */
function quoteValue(name: string, value: string): string {
  if (PLAIN.test(value)) return value;
  const quote = ["'", '`'].find((mark) => !value.includes(mark));
  if (quote !== undefined && !/[\r\n]|\\$/.test(value)) return `${quote}${value}${quote}`;
  throw new KnownError('config', `${name} cannot be written into an env file`, {
    remedy: `put it into a file of its own, and name that in ${name}_FILE`,
  });
}
