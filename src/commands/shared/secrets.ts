/** Reads secrets from the files that variables such as API_KEY_FILE name, as Docker and Kubernetes provide them. */
import { readFile, stat } from 'node:fs/promises';
import type { Problem, Section } from '../../config/config.ts';
import type { Environment } from '../../config/environment.ts';
import { decodeText } from './text-file.ts';

/**
 * `API_KEY_FILE`, `API_KEY_<ACCOUNT>_FILE` and so on. The group holds the name of the variable for the secret's value. No
 * account's own variable matches: config/file.ts refuses names that end in "file".
 */
const FILE_VARIABLE = /^((?:API_KEY|REQUESTER_ID)(?:_\w+)?|DB_PASS|DATABASE_URL|HEALTHCHECK_URL)_FILE$/;

/** Far more than any secret has: the path names a wrong file. */
const MAX_BYTES = 65_536;

/**
 * Merges the process's environment over that of the env file, and reads each secret from its file. If the process's
 * environment has a secret, as a value (even an empty one) or as a file, the env file's value and file are both ignored.
 */
export async function readSecrets(
  envFile: Environment,
  processEnv: Environment,
): Promise<{ env: Environment; problems: Problem[] }> {
  const env: Record<string, string | undefined> = { ...envFile, ...processEnv };
  const problems: Problem[] = [];
  for (const fileVariable of Object.keys(env)) {
    const name = FILE_VARIABLE.exec(fileVariable)?.[1];
    if (name === undefined) continue;
    const isInProcess = (variable: string) => processEnv[variable] !== undefined;
    // The process's value overrides the env file's path.
    if (isInProcess(name) && !isInProcess(fileVariable)) continue;
    // The process's path overrides the env file's value. An empty path does not: docker compose sets it for a missing value.
    if (processEnv[fileVariable] && !isInProcess(name)) env[name] = undefined;
    const path = env[fileVariable]?.trim();
    if (!path) continue;
    const report = (message: string) => problems.push({ key: fileVariable, message, section: sectionOf(name) });
    if (env[name]) {
      report(`and ${name} are both set: keep one`);
      continue;
    }
    const secret = await readSecret(path);
    if ('problem' in secret) report(secret.problem);
    else env[name] = secret.text;
  }
  return { env, problems };
}

async function readSecret(path: string): Promise<{ text: string } | { problem: string }> {
  try {
    // Reading a pipe that has no writer would never end.
    if (!(await stat(path)).isFile())
      return {
        problem: `names what is not a plain file: ${path}. To read from a command, set the variable itself: …="$(command)"`,
      };
    const bytes = await readFile(path);
    if (bytes.length > MAX_BYTES) return { problem: `names a file that is too large for a secret: ${path}` };
    const text = decodeText(bytes);
    if (text === null) return { problem: `names a file in UTF-16: save ${path} as UTF-8` };
    // Editors and echo add a newline at the end. Keep blanks: they may be part of the secret.
    const secret = text.replace(/\r?\n$/, '');
    return secret === '' ? { problem: `names an empty file: ${path}` } : { text: secret };
  } catch (error) {
    return { problem: `names a file that cannot be read (${(error as NodeJS.ErrnoException).code ?? '?'}): ${path}` };
  }
}

/** The section that needs the secret. null: see Problem */
function sectionOf(name: string): Section | null {
  if (name === 'HEALTHCHECK_URL') return null;
  return name === 'DB_PASS' || name === 'DATABASE_URL' ? 'database' : 'hycloud';
}
