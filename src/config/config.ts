/** The types of the configuration. */
import type { Account } from '../domain/account.ts';
import type { DatabaseSettings } from '../domain/database-settings.ts';
import type { PropertyName } from '../domain/reading.ts';
import type { Shard } from '../domain/shard.ts';
import type { Target } from '../domain/target.ts';

/** The whole configuration, checked and frozen. */
export interface Config {
  /** in the order in which config.json first names them; without targets, only the unnamed account */
  readonly accounts: readonly AccountConfig[];
  readonly intervalMinutes: number;
  readonly properties: readonly PropertyName[];
  readonly initialHistoryHours: number;
  readonly catchUpDays: number;
  readonly maxConcurrency: number;
  readonly requestsPerSecond: number;
  readonly requestTimeoutSeconds: number;
  readonly runDeadlineSeconds: number;
  /** a poll waits up to this long before it begins */
  readonly startJitterSeconds: number;
  /** IANA name */
  readonly timezone: string;
  readonly maxPowerKw: number;
  readonly metricsFile: string | null;
  readonly database: DatabaseSettings;
  readonly healthcheckUrl: string | null;
  /** from the environment of a job that is one of several; null: all valves */
  readonly shard: Shard | null;
}

/** A customer's targets, and the credentials that read them. */
export interface AccountConfig extends Account {
  readonly targets: readonly Target[];
  readonly hycloud: HyCloudConfig;
}

export interface HyCloudConfig {
  /** ends in a slash */
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly requesterId: string;
  /** names of the environment variables with the key and the id, for messages */
  readonly variables: { readonly apiKey: string; readonly requesterId: string };
}

/** The parts of the configuration that not every command needs. */
export type Section = 'targets' | 'hycloud' | 'database' | 'shard';

/** A problem of one key or variable. The message continues a sentence that begins with the key. */
export interface Problem {
  readonly key: string;
  readonly message: string;
  /** null: it concerns every command */
  readonly section: Section | null;
}

export interface ParsedConfig {
  readonly config: Config;
  readonly problems: readonly Problem[];
}
