import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseRfc3339, US_PER_MINUTE } from '../../src/domain/time.ts';
import { createProjects, type Project } from '../simulator/fleet.ts';
import { runProbed, type Cost } from './child.ts';
import { settle, type BenchDatabase } from './database.ts';
import { startHyCloud, type HyCloudProcess } from './hycloud.ts';
import type { Stage } from './stage.ts';

/** Some valves at a HyCloud of their own, a database that knows them, and the program set up for both. */
export interface Fleet {
  valves: number;
  projects: readonly Project[];
  hycloud: HyCloudProcess;
  /** what the program needs in its environment; with another database where one is given */
  env: (database?: BenchDatabase) => Record<string, string>;
  args: (...args: string[]) => string[];
  /** A run in step: a quarter after the last one, seconds after its boundary. */
  poll: (latencyMs: number, options?: { gzipFromBytes?: number }) => Promise<Polled>;
}

export interface Polled extends Cost {
  valves: number;
  latencyMs: number;
  requests: number;
  bytesReceived: number;
}

const SEED = 1;
export const CONCURRENCY = 32;
export const NOW_US = parseRfc3339('2026-03-01T10:00:03.500000Z') ?? 0;
const INTERVAL_US = 15 * US_PER_MINUTE;
/** How long a poll may take: several times what it should. */
const LIMIT_MS = 60_000;
const LIMIT_PER_VALVE_MS = 1.2;
/** A large site; a fleet has many. */
const VALVES_PER_PROJECT = 1_000;
/** From where on nginx compresses where nobody says otherwise (gzip_min_length); its level 1 is the simulator's too. */
const GZIP_FROM_BYTES = 20;

export async function createFleet(stage: Stage, valves: number): Promise<Fleet> {
  const counts = Array.from({ length: Math.ceil(valves / VALVES_PER_PROJECT) }, (_, index) =>
    Math.min(VALVES_PER_PROJECT, valves - index * VALVES_PER_PROJECT),
  );
  const settings = { logLength: 0, gzipFromBytes: GZIP_FROM_BYTES };
  const simulated = { seed: SEED, valves: counts, nowUs: NOW_US, tls: stage.tls, settings };
  const hycloud = await startHyCloud(stage.worker('hycloud'), simulated, stage.signal);
  stage.defer(hycloud.stop);
  const projects = createProjects(SEED, counts);
  // Among a hundred thousand, two may have drawn the same id; the program polls them once.
  const distinct = new Set(projects.flatMap((project) => [...project.valves.keys()])).size;
  const config = await writeConfig(stage.folder, valves, projects);
  const { env: credentials } = await hycloud.steer();
  const args = (...rest: string[]) => [stage.cli, '--config', config, '--log-level', 'warn', ...rest];
  const env = (in_: BenchDatabase) => ({ ...credentials, DATABASE_URL: in_.url, NODE_EXTRA_CA_CERTS: stage.caFile });
  const database = await stage.freshDatabase();
  await settle(database, projects, NOW_US - (NOW_US % INTERVAL_US));
  const fleet: Fleet = {
    valves,
    projects,
    hycloud,
    args,
    env: (other = database) => env(other),
    poll: async (latencyMs, { gzipFromBytes = GZIP_FROM_BYTES } = {}) => {
      const before = await hycloud.steer({ advanceUs: INTERVAL_US, latencyMs, gzipFromBytes });
      const cost = await runProbed(args('poll', '--format', stage.format), stage.signal, stage.folder, {
        env: env(database),
        timeoutMs: Math.ceil(LIMIT_MS + valves * LIMIT_PER_VALVE_MS),
      });
      const after = await hycloud.steer({ latencyMs: 0 });
      await verifyStored(database, distinct);
      const requests = after.requests - before.requests;
      return { ...cost, valves, latencyMs, requests, bytesReceived: after.bytesSent - before.bytesSent };
    },
  };
  return fleet;
}

async function writeConfig(folder: string, valves: number, projects: readonly Project[]): Promise<string> {
  const file = join(folder, `config-${valves}.json`);
  const config = {
    targets: projects.map(({ id }) => ({ project_id: id })),
    max_concurrency: CONCURRENCY,
    requests_per_second: 1_000_000,
    run_deadline_seconds: 3600,
  };
  await writeFile(file, JSON.stringify(config));
  return file;
}

/** A fast run that did not do its work is none. */
async function verifyStored(database: BenchDatabase, valves: number): Promise<void> {
  const [run] = await database.query<{ stored: number }>(
    `select stored from tasmart_runs where mode = 'poll' order by id desc limit 1`,
  );
  if (run?.stored !== valves) throw new Error(`${run?.stored ?? 'no'} readings stored of ${valves} valves`);
}
