/** The errors of targets and of `--valve`: what they name is not there, or not clear. */
import { distance } from 'fastest-levenshtein';
import { KnownError } from '../domain/errors.ts';
import { escapeAndCut } from '../domain/text.ts';

/** Exit 78: HyCloud shows no such project or valve, or more than one. */
export class TargetError extends KnownError {
  override readonly name = 'TargetError';

  constructor(message: string, remedy: string) {
    // Both texts quote names that HyCloud's users typed, so control characters are spelled out.
    super('config', escapeAndCut(message, 1000), { remedy: escapeAndCut(remedy, 2000) });
  }
}

/** Exit 78: no targeted valve of an account has these names of `--valve`. */
export class NoSuchValve extends TargetError {
  readonly names: readonly string[];
  readonly known: readonly string[];

  /** @param known the names that targeted valves have: short serials and the customer's. The message suggests those nearest to the first of `names`. */
  constructor(names: readonly string[], known: readonly string[]) {
    const near =
      known.length > 0 ? `nearest: ${nearestNames(names[0] ?? '', known).join(', ')}` : 'the targets hold none';
    super(
      `no targeted valve is called ${names.join(', ')}`,
      `--valve takes a uuid, full or short serial, or name; ${near}`,
    );
    this.names = names;
    this.known = known;
  }
}

export const MAX_CANDIDATES = 20;

/** The known names, the most similar first, at most MAX_CANDIDATES. */
export function nearestNames(wanted: string, known: readonly string[]): string[] {
  return [...new Set(known)].sort((a, b) => distance(wanted, a) - distance(wanted, b)).slice(0, MAX_CANDIDATES);
}
