/** Writes a config.json and .env that make tasmart use the simulator. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { parse as parseEnvFile } from 'dotenv';
import { setVariables } from '../../src/commands/init/env-file.ts';
import type { Simulator } from './simulator.ts';

/**
 * Sets the simulator's variables in an env file, and `databaseUrl` unless the file names a database. Keeps all others.
 *
 * @throws Error if the file has an API key that is not the simulator's
 */
export async function writeEnv(file: string, simulator: Simulator, databaseUrl: string): Promise<void> {
  const text = existsSync(file) ? await readFile(file, 'utf8') : null;
  const before = parseEnvFile(text ?? '');
  const variables = simulator.env();
  if (before['API_KEY_FILE'] || (before['API_KEY'] && before['API_KEY'] !== variables.API_KEY)) {
    throw new Error(`${file} holds another API_KEY: name another file`);
  }
  const hasDatabase = ['DATABASE_URL', 'DATABASE_URL_FILE', 'DB_HOST'].some((name) => before[name]);
  const values = new Map(Object.entries(hasDatabase ? variables : { ...variables, DATABASE_URL: databaseUrl }));
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, setVariables(text, values), { mode: 0o600 });
}

/** Writes a config.json for the first project, at a fast pace. A file that exists stays as it is. */
export async function writeConfig(file: string, { projects }: Simulator): Promise<void> {
  const [project] = projects;
  const config = { target_project_name: project?.name, target_project_id: project?.id, requests_per_second: 1000 };
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify(config, null, 2)}\n`, { flag: 'wx' }).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  });
}
