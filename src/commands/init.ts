/** `tasmart init`: writes config.json and .env, from answers on a terminal or from options and variables. */
import { readFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parse as parseEnvFile } from 'dotenv';
import { readVariable, type Environment } from '../config/environment.ts';
import { KnownError } from '../domain/errors.ts';
import type { ProjectSummary } from '../domain/valve.ts';
import { adaptToScreen } from '../reporting/screen.ts';
import { run as check } from './check.ts';
import type { CommandContext } from './shared/context.ts';
import { DATABASE_VARIABLES, readDatabaseAnswer, acceptDatabase } from './init/database.ts';
import { setVariables } from './init/env-file.ts';
import { acceptCredentials, chooseProjects } from './init/hycloud.ts';
import { nextStepsText } from './init/next-steps.ts';
import { createPrompt, type Prompt } from './init/prompt.ts';
import type { Session } from './init/session.ts';
import { createLog } from './shared/log.ts';
import { stdoutScreen } from './shared/output.ts';
import { replaceFile, tryToReplace } from './shared/replace-file.ts';
import { readSecrets } from './shared/secrets.ts';
import { readOptional } from './shared/settings.ts';
import { decodeText } from './shared/text-file.ts';

export interface InitOptions {
  apiKeyFile?: string;
  requesterId?: string;
  project?: string[];
  databaseUrl?: string;
  migrate?: boolean;
  force?: boolean;
}

interface Files {
  config: string;
  env: string;
  /** null: the file does not exist */
  envText: string | null;
}

/** Writes no file before every answer is accepted, but may create the database's schema. Returns the exit status of `check`. */
export async function run(options: InitOptions, context: CommandContext): Promise<number> {
  const { globals, signal, giveUp } = context;
  const log = await createLog(globals);
  const files: Files = {
    config: globals.config ?? 'config.json',
    env: globals.envFile ?? '.env',
    envText: await readExisting(globals.envFile ?? '.env'),
  };
  for (const file of [files.config, files.env]) await requireWritable(file);
  const prompt =
    process.stdin.isTTY && process.stdout.isTTY ? createPrompt(process.stdin, process.stdout, signal) : null;
  const say = (text: string) => void process.stdout.write(adaptToScreen(`${text}\n`, stdoutScreen()));
  try {
    const env = await readAnswers(options, files);
    const session: Session = { env, prompt, say, log, signal, giveUp };
    if (existsSync(files.config)) await confirmReplacing(`${files.config} is here already`, options, prompt);
    if (prompt === null) requireAnswers(env);
    const { variables: credentials, projects } = await acceptCredentials(session);
    const chosen = await chooseProjects(session, projects, options.project ?? []);
    const database = await acceptDatabase(session, options.migrate ?? false);
    const envText = await newEnvText(files, { ...credentials, ...database }, options, prompt);
    await replaceFile(files.config, configText(chosen, files.config), 0o600);
    say(`✓ ${files.config} is written`);
    if (envText !== files.envText) await replaceFile(files.env, envText, 0o600);
    say(envText === files.envText ? `✓ ${files.env} is kept as it was` : `✓ ${files.env} is written`);
  } finally {
    prompt?.close();
  }
  say('\nWhat a run needs, tried by "tasmart check":\n');
  const status = await check({ format: 'table' }, context);
  say(`\n${nextStepsText(files)}`);
  return status;
}

/** @throws KnownError exit 78 */
async function requireWritable(file: string): Promise<void> {
  await tryToReplace(file).catch((cause: unknown) => {
    const { code = '?' } = cause as NodeJS.ErrnoException;
    const remedy = 'create the folder, owned by this user';
    throw new KnownError('config', `${file} cannot be written (${code})`, { remedy, cause });
  });
}

/** null: the file does not exist */
async function readExisting(file: string): Promise<string | null> {
  return existsSync(file) ? readOptional(file, file, '--env-file') : null;
}

/** Given answers: from options, else the environment, else the env file. @throws KnownError */
async function readAnswers(options: InitOptions, { envText }: Files): Promise<Environment> {
  const { env, problems } = await readSecrets(parseEnvFile(envText ?? ''), process.env);
  const [problem] = problems;
  if (problem) throw new KnownError('config', `${problem.key} ${problem.message}`);
  const noDatabase = Object.fromEntries(DATABASE_VARIABLES.map((name) => [name, undefined])); // --database-url says all
  return {
    ...env,
    ...(options.apiKeyFile !== undefined && { API_KEY: await readKey(options.apiKeyFile) }),
    ...(options.requesterId !== undefined && { REQUESTER_ID: options.requesterId }),
    ...(options.databaseUrl !== undefined && { ...noDatabase, DATABASE_URL: options.databaseUrl }),
  };
}

async function readKey(file: string): Promise<string> {
  const bytes = await readFile(file).catch((cause: unknown) => {
    const { code = '?' } = cause as NodeJS.ErrnoException;
    throw new KnownError('usage', `--api-key-file ${file} cannot be read (${code})`, { cause });
  });
  const key = decodeText(bytes)?.trim();
  if (key) return key;
  throw new KnownError('usage', `--api-key-file ${file} holds no key`, { remedy: 'write the key alone, in UTF-8' });
}

/** @throws KnownError naming everything that is missing */
function requireAnswers(env: Environment): void {
  const missing = [
    ...(readVariable(env, 'REQUESTER_ID') ? [] : ['--requester-id <id> (or REQUESTER_ID)']),
    ...(readVariable(env, 'API_KEY') ? [] : ['--api-key-file <file> (or API_KEY)']),
    ...(readDatabaseAnswer(env) ? [] : ['--database-url <url> (or DATABASE_URL)']),
  ];
  if (missing.length === 0) return;
  throw new KnownError('usage', `missing ${missing.join(', ')}`, { remedy: 'init asks only on a terminal' });
}

/** @throws KnownError exit 78 without --force, unless the user agrees */
async function confirmReplacing(what: string, { force }: InitOptions, prompt: Prompt | null): Promise<void> {
  if (force || (await prompt?.confirm(`${what}. Replace it?`, false))) return;
  throw new KnownError('config', `${what}: nothing was written`, {
    remedy: '--force replaces it; --config and --env-file name other files',
  });
}

/**
 * The text of the env file with the accepted answers, and HYCLOUD_BASE_URL as the environment has it. A value that differs is
 * replaced only if the user agrees.
 */
async function newEnvText(
  { env, envText }: Files,
  accepted: Environment,
  options: InitOptions,
  prompt: Prompt | null,
): Promise<string> {
  const before = parseEnvFile(envText ?? '');
  const wanted = { ...accepted, HYCLOUD_BASE_URL: process.env['HYCLOUD_BASE_URL'] };
  /** by variable; null: remove it */
  const changes = new Map<string, string | null>();
  for (const [name, value] of Object.entries(wanted)) {
    if (!value) continue;
    const fileVariable = `${name}_FILE`;
    const file = process.env[fileVariable] ?? before[fileVariable];
    const { env: secrets } = await readSecrets({ [fileVariable]: file }, {});
    // A secret in a file of its own is not copied: the variable names that file. Another answer replaces the variable.
    const isInFile = file !== undefined && file !== '' && secrets[name]?.trim() === value.trim();
    const [set, removed] = isInFile ? [fileVariable, name] : [name, fileVariable];
    changes.set(set, isInFile ? file : value);
    if (before[removed]) changes.set(removed, null);
  }
  // Variables that name another database would contradict the accepted ones.
  for (const name of [...DATABASE_VARIABLES, 'DATABASE_URL_FILE', 'DB_PASS_FILE']) {
    if (name in before && !changes.has(name)) changes.set(name, null);
  }
  for (const [name, value] of changes) if (before[name] === value) changes.delete(name);
  const replaced = [...changes.keys()].filter((name) => before[name]);
  if (replaced.length > 0) await confirmReplacing(`${env} sets ${replaced.join(', ')} otherwise`, options, prompt);
  return envText !== null && changes.size === 0 ? envText : setVariables(envText, changes);
}

/** The text of config.json. In tasmart's own folder it names the schema, for editors. */
function configText(chosen: readonly ProjectSummary[], file: string): string {
  const schema = join(dirname(resolve(file)), 'dist', 'config.schema.json');
  const [first, ...others] = chosen;
  const targets =
    others.length > 0
      ? { targets: chosen.map(({ id, name }) => ({ project_name: name, project_id: id })) }
      : { target_project_name: first?.name, target_project_id: first?.id };
  const config = { ...(existsSync(schema) && { $schema: './dist/config.schema.json' }), ...targets };
  return `${JSON.stringify(config, null, 2)}\n`;
}
