/** Makes the configuration from config.json and the environment. Pure. */
import { KnownError } from '../domain/errors.ts';
import { MEASURED_PROPERTIES, PROPERTY_NAMES } from '../domain/reading.ts';
import type { Config, ParsedConfig, Problem, Section } from './config.ts';
import { parseAccounts } from './accounts.ts';
import { parseDatabase, parseHealthcheck, type Environment } from './environment.ts';
import { parseFile, targetsOf } from './file.ts';
import { parseJobShard } from './shard.ts';

/** Returns a frozen configuration and all problems. A setting with a problem has its default or an unusable value. */
export function parseConfig(json: unknown, env: Environment): ParsedConfig {
  const problems: Problem[] = [];
  const file = parseFile(json, problems);
  const targets = targetsOf(file);
  // A wrong target is reported already, and missing here.
  const isTargetWrong = problems.some(({ key }) => key.startsWith('target') || key === 'config.json');
  if (targets.length === 0 && !isTargetWrong) {
    const message = 'is not set: name a project (target_project_name or target_project_id) or valves (target_valves)';
    problems.push({ key: 'target_project_name', message, section: 'targets' });
  }
  const wanted = new Set([...MEASURED_PROPERTIES, ...file.properties]);
  const config: Config = deepFreeze({
    accounts: parseAccounts(targets, env, problems),
    intervalMinutes: file.interval_minutes,
    properties: PROPERTY_NAMES.filter((name) => wanted.has(name)),
    initialHistoryHours: file.initial_history_hours,
    catchUpDays: file.catch_up_days,
    maxConcurrency: file.max_concurrency,
    requestsPerSecond: file.requests_per_second,
    requestTimeoutSeconds: file.request_timeout_seconds,
    runDeadlineSeconds: file.run_deadline_seconds,
    startJitterSeconds: file.start_jitter_seconds,
    timezone: file.timezone,
    maxPowerKw: file.max_power_kw,
    metricsFile: file.metrics_file,
    database: parseDatabase(env, problems),
    healthcheckUrl: parseHealthcheck(env, problems),
    shard: parseJobShard(env, problems),
  });
  return { config, problems };
}

function deepFreeze<T extends object>(value: T): T {
  for (const part of Object.values(value)) if (typeof part === 'object' && part !== null) deepFreeze(part as object);
  return Object.freeze(value);
}

/** Returns the configuration. @throws ConfigError with all problems of the sections that a command needs */
export function requireConfig(parsed: ParsedConfig, sections: readonly Section[]): Config {
  const problems = parsed.problems.filter(({ section }) => section === null || sections.includes(section));
  if (problems.length > 0) throw new ConfigError(problems);
  return parsed.config;
}

/** Exit 78. The message has a line per problem. */
export class ConfigError extends KnownError {
  override readonly name = 'ConfigError';

  constructor(problems: readonly Problem[]) {
    const lines = problems.map(({ key, message }) => `  ${key} ${message}`);
    super('config', `the configuration is wrong:\n${lines.join('\n')}`, {
      remedy: 'correct config.json and .env (config.example.json and .env.example show every key)',
    });
  }
}
