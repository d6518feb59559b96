/** The command line of `tasmart correct`. */
import { userInfo } from 'node:os';
import { KnownError } from '../../domain/errors.ts';
import type { Micros } from '../../domain/time.ts';
import type { Correction } from '../../domain/energy.ts';
import type { OutputFormat } from '../shared/context.ts';
import { parseSpan, parseTime } from '../shared/time.ts';

export interface CorrectOptions {
  exclude?: true;
  from?: string;
  to?: string;
  replaced?: true;
  at?: string;
  note?: string;
  by?: string;
  list?: true;
  undo?: string;
  format: OutputFormat;
}

/** What the command is to do. `C` is the correction, before or after its times are parsed. */
type Request<C> =
  | { kind: 'list'; valve: string | undefined }
  | { kind: 'undo'; number: number; author: string }
  | { kind: 'add'; valve: string; correction: C; note: string; author: string };

/** A correction whose times are still texts: parsing them needs the configured zone, and a wrong command line is reported first. */
type CorrectionText = { kind: 'exclude'; from: string; to: string } | { kind: 'replaced'; at: string };

/** What the command line asks for. @throws KnownError exit 64 */
export function parseRequest(options: CorrectOptions, valve: string | undefined): Request<CorrectionText> {
  const { exclude, replaced, list, undo, from, to, at, note } = options;
  if ([exclude, replaced, list, undo].filter((given) => given !== undefined).length !== 1) {
    throw usageError('give one of --exclude, --replaced, --list and --undo');
  }
  if (list || undo !== undefined) requireNone({ from, to, at, note }, list ? '--list' : '--undo');
  if (list) return { kind: 'list', valve };
  if (undo !== undefined) {
    if (valve !== undefined) throw usageError('--undo takes no valve');
    if (!/^[1-9]\d{0,14}$/.test(undo)) throw usageError(`--undo ${undo} is not a number of a correction`);
    return { kind: 'undo', number: Number(undo), author: authorOf(options) };
  }
  if (exclude) {
    if (at !== undefined) throw usageError('--exclude takes --from and --to, not --at');
    const given = requireAll({ valve, from, to, note });
    return additionOf(given, { kind: 'exclude', from: given.from, to: given.to }, options);
  }
  if (from !== undefined || to !== undefined) throw usageError('--replaced takes --at, not --from and --to');
  const given = requireAll({ valve, at, note });
  return additionOf(given, { kind: 'replaced', at: given.at }, options);
}

function additionOf(
  { valve, note }: { valve: string; note: string },
  correction: CorrectionText,
  options: CorrectOptions,
): Request<CorrectionText> {
  return { kind: 'add', valve, correction, note: checkText('--note', note), author: authorOf(options) };
}

/** @throws KnownError naming the options that `kind` does not take */
function requireNone(options: Record<string, string | undefined>, kind: string): void {
  const given = Object.keys(options).filter((name) => options[name] !== undefined);
  if (given.length > 0) throw usageError(`${kind} takes no ${given.map((name) => `--${name}`).join(', ')}`);
}

/** @throws KnownError naming everything that is missing */
function requireAll<Name extends string>(given: Record<Name, string | undefined>): Record<Name, string> {
  const names = Object.keys(given) as Name[];
  const missing = names.filter((name) => given[name] === undefined);
  if (missing.length === 0) return given as Record<Name, string>;
  throw usageError(`missing ${missing.map((name) => (name === 'valve' ? '<valve>' : `--${name}`)).join(', ')}`);
}

function usageError(message: string): KnownError {
  return new KnownError('usage', message, { remedy: '"tasmart correct --help" shows every way to call it' });
}

const MAX_TEXT_LENGTH = 1000;

/** Returns the trimmed text. @throws KnownError exit 64 */
function checkText(option: string, text: string): string {
  const trimmed = text.trim();
  if (trimmed === '') throw usageError(`${option} is empty`);
  if (trimmed.length > MAX_TEXT_LENGTH) throw usageError(`${option} is longer than ${MAX_TEXT_LENGTH} characters`);
  if (/\p{Cc}/u.test(trimmed)) throw usageError(`${option} holds a control character`);
  return trimmed;
}

function authorOf({ by }: CorrectOptions): string {
  const author = by ?? osUser();
  if (author === null) throw usageError('missing --by: this user has no name');
  return checkText('--by', author);
}

/** null: the user has no name, as in a container */
function osUser(): string | null {
  try {
    return userInfo().username;
  } catch {
    return null;
  }
}

/** Parses the times of the request. @throws KnownError exit 64 */
export function parseTimes(request: Request<CorrectionText>, timezone: string, nowUs: Micros): Request<Correction> {
  if (request.kind !== 'add') return request;
  return { ...request, correction: parseCorrection(request.correction, timezone, nowUs) };
}

function parseCorrection(correction: CorrectionText, timezone: string, nowUs: Micros): Correction {
  if (correction.kind === 'exclude') return { kind: 'exclude', ...parseSpan(correction, timezone, nowUs) };
  const atUs = parseTime(correction.at, '--at', timezone, nowUs);
  if (atUs > nowUs) throw new KnownError('usage', `--at ${correction.at} is in the future`);
  return { kind: 'replaced', atUs };
}
