/** Reads config.json, .env and the environment. */
import { stat } from 'node:fs/promises';
import { parse as parseEnvFile } from 'dotenv';
import type { Logger } from 'pino';
import type { Config, ParsedConfig, Problem, Section } from '../../config/config.ts';
import { parseConfig, requireConfig } from '../../config/parse.ts';
import type { GlobalOptions } from './context.ts';
import { readSecrets } from './secrets.ts';
import { jsonErrorPlace, readTextFile } from './text-file.ts';

/** A warning for users who rely on NODE_TLS_REJECT_UNAUTHORIZED. */
export const TLS_VARIABLE_IGNORED =
  'NODE_TLS_REJECT_UNAUTHORIZED=0 is set: tasmart checks the certificates of HyCloud and the database as without it';

/**
 * Loads config.json, .env and the environment, which wins over .env.
 *
 * @throws ConfigError with every problem of these sections; KnownError if a file cannot be read
 */
export async function loadConfig(globals: GlobalOptions, sections: readonly Section[], log: Logger): Promise<Config> {
  const parsed = await readConfig(globals, log);
  return requireConfig(parsed, sections);
}

/** Like `loadConfig`, but returns the problems instead of throwing. */
export async function readConfig(globals: GlobalOptions, log: Logger): Promise<ParsedConfig> {
  const text = await readOptional(globals.config, 'config.json', '--config');
  const envText = await readOptional(globals.envFile, '.env', '--env-file');
  if (envText !== null) await warnIfOpenToOthers(globals.envFile ?? '.env', log);
  if (process.env['NODE_TLS_REJECT_UNAUTHORIZED'] === '0') log.warn(TLS_VARIABLE_IGNORED);
  return parseSettings({ name: globals.config ?? 'config.json', text }, envText);
}

/** Parses the files' texts and the environment. `text` null: the file does not exist. */
export async function parseSettings(
  file: { name: string; text: string | null },
  envText: string | null,
): Promise<ParsedConfig> {
  const { json, problem } = parseJson(file);
  const { env, problems: secretProblems } = await readSecrets(parseEnvFile(envText ?? ''), process.env);
  const parsed = parseConfig(json, env);
  // Report only the cause: a secret that cannot be read counts as missing, and config.json without JSON has no targets.
  const unreadSecrets = new Set(secretProblems.map(({ key }) => key.replace(/_FILE$/, '')));
  const isConsequence = ({ key, section }: Problem) =>
    unreadSecrets.has(key) ||
    (unreadSecrets.has('DATABASE_URL') && section === 'database') ||
    (problem !== null && section === 'targets');
  const otherProblems = parsed.problems.filter((other) => !isConsequence(other));
  return { ...parsed, problems: [...(problem ? [problem] : []), ...secretProblems, ...otherProblems] };
}

/**
 * Reads the text of the file that an option names, or of a default file. Null: no file was named, and the default one does
 * not exist.
 *
 * @throws KnownError exit 78
 */
export async function readOptional(
  namedFile: string | undefined,
  defaultFile: string,
  option: string,
): Promise<string | null> {
  const file = namedFile ?? defaultFile;
  try {
    return await readTextFile(file, `check the file, its permissions, or ${option}`);
  } catch (error) {
    const isMissing = ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
    if (namedFile === undefined && isMissing) return null;
    throw error;
  }
}

function parseJson({ name, text }: { name: string; text: string | null }): { json: unknown; problem: Problem | null } {
  if (text === null) {
    const message = 'does not exist: copy config.example.json, or name a file with --config';
    return { json: {}, problem: { key: 'config.json', message, section: 'targets' } };
  }
  try {
    return { json: JSON.parse(text), problem: null };
  } catch {
    const message = `is not valid JSON: ${jsonErrorPlace(text)}`;
    return { json: {}, problem: { key: name, message, section: null } };
  }
}

async function warnIfOpenToOthers(file: string, log: Logger): Promise<void> {
  const { mode } = await stat(file);
  if (!isOpenToOthers(mode)) return;
  log.warn({ file, mode: (mode & 0o777).toString(8) }, 'other users can read the file with the credentials: chmod 600');
}

/** Whether other users may read or write a file of this mode. Always false on Windows, which has no such bits. */
export function isOpenToOthers(mode: number): boolean {
  return process.platform !== 'win32' && (mode & 0o077) !== 0;
}
