import type { Config, Problem } from '../../src/config/config.ts';
import { parseConfig } from '../../src/config/parse.ts';

/** The least that is complete. */
export const FILE = { target_project_name: 'Test project' };
export const ENV = {
  API_KEY: 'k-123',
  REQUESTER_ID: 'r-456',
  DATABASE_URL: 'postgresql://tasmart:secret@db.example.com/readings',
};

/** config.json's problems, `FILE` completed by these keys; as `key message`. */
export function fileProblems(json: unknown): string[] {
  return lines(parseConfig(json, ENV).problems);
}

/** The environment's problems, `ENV` completed by these variables (undefined takes one away). */
export function envProblems(env: Record<string, string | undefined>): string[] {
  return lines(parseConfig(FILE, { ...ENV, ...env }).problems);
}

/** The configuration that has no problem. */
export function configOf(json: object = {}, env: Record<string, string | undefined> = {}): Config {
  const { config, problems } = parseConfig({ ...FILE, ...json }, { ...ENV, ...env });
  if (problems.length > 0) throw new Error(lines(problems).join('\n'));
  return config;
}

function lines(problems: readonly Problem[]): string[] {
  return problems.map(({ key, message }) => `${key} ${message}`);
}
