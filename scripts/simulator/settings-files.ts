/** Writes a config.json and .env that point tasmart at the simulator. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { parse as parseEnvFile } from 'dotenv';
import { setVariables } from '../../src/commands/init/env-file.ts';
import type { Simulator } from './simulator.ts';

/**
 * Keeps all other variables of the file, and its database if it names one.
 *
 * @throws Error if the file has an API key that is not the simulator's
 */
export async function writeEnv(file: string, simulator: Simulator, databaseUrl: string): Promise<void> {
  const text = existsSync(file) ? await readFile(file, 'utf8') : null;
  const before = parseEnvFile(text ?? '');
  const variables = simulator.env();
  if (before['API_KEY'] && before['API_KEY'] !== variables.API_KEY) {
    throw new Error(`${file} holds another API_KEY: name another file`);
  }
  const hasDatabase = before['DATABASE_URL'] ?? before['DB_HOST'];
  const values = new Map(Object.entries(hasDatabase ? variables : { ...variables, DATABASE_URL: databaseUrl }));
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, setVariables(text, values), { mode: 0o600 });
}

/** Targets the first project, at a fast pace. Does not change a file that exists. */
export async function writeConfig(file: string, { projects }: Simulator): Promise<void> {
  const [project] = projects;
  const config = { target_project_name: project?.name, target_project_id: project?.id, requests_per_second: 1000 };
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify(config, null, 2)}\n`, { flag: 'wx' }).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  });
}
