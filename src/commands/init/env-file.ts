/** Sets and removes variables in the text of an env file. All other lines stay. */
import { KnownError } from '../../domain/errors.ts';

const LINE = /^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=/;

const HEADING = '# Keep this file to yourself: it holds the credentials.\n';

/** Sets each variable once: removes further lines that set it. @param values null: remove the variable. @throws KnownError for a value that cannot be quoted */
export function withVariables(text: string | null, values: ReadonlyMap<string, string | null>): string {
  const missing = new Map(values);
  const lines = (text ?? HEADING)
    .replace(/\n$/, '')
    .split('\n')
    .flatMap((line) => {
      const name = LINE.exec(line)?.[1];
      const value = name === undefined ? undefined : values.get(name);
      if (name === undefined || value === undefined) return [line];
      const isFirst = missing.delete(name);
      return value === null || !isFirst ? [] : [`${name}=${quoted(name, value)}`];
    });
  for (const [name, value] of missing) if (value !== null) lines.push(`${name}=${quoted(name, value)}`);
  return `${lines.join('\n')}\n`;
}

const PLAIN = /^[\w.:/@%+=,?&~-]+$/;

/** Quotes for dotenv, which takes everything within single quotes or backticks literally. */
function quoted(name: string, value: string): string {
  if (PLAIN.test(value)) return value;
  const quote = ["'", '`'].find((mark) => !value.includes(mark));
  if (quote !== undefined && !/[\r\n]/.test(value)) return `${quote}${value}${quote}`;
  throw new KnownError('config', `${name} cannot be written into an env file`, {
    remedy: `put it into a file of its own, and name that in ${name}_FILE`,
  });
}
