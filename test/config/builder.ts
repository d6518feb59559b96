/** Configurations for tests, and their problems as texts. */
import type { Config, Problem } from '../../src/config/config.ts';
import { parseConfig } from '../../src/config/parse.ts';

/** The smallest config.json and environment without a problem. */
export const FILE = { target_project_name: 'Test project' };
export const ENV = {
  API_KEY: 'k-123',
  REQUESTER_ID: 'r-456',
  DATABASE_URL: 'postgresql://tasmart:secret@db.example.com/readings',
};

/** The problems of this config.json with the environment ENV, as `key message`. */
export function fileProblems(json: unknown): string[] {
  return lines(parseConfig(json, ENV).problems);
}

/** The problems of ENV with these variables, and with the config.json FILE. undefined removes a variable. */
export function envProblems(env: Record<string, string | undefined>): string[] {
  return lines(parseConfig(FILE, { ...ENV, ...env }).problems);
}

/** The configuration of FILE and ENV with these changes. @throws Error if it has problems */
export function configOf(json: object = {}, env: Record<string, string | undefined> = {}): Config {
  const { config, problems } = parseConfig({ ...FILE, ...json }, { ...ENV, ...env });
  if (problems.length > 0) throw new Error(lines(problems).join('\n'));
  return config;
}

function lines(problems: readonly Problem[]): string[] {
  return problems.map(({ key, message }) => `${key} ${message}`);
}
