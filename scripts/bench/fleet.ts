/** A simulated fleet for the bench, and polls of it. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseRfc3339, US_PER_MINUTE } from '../../src/domain/time.ts';
import { createProjects, type Project } from '../simulator/fleet.ts';
import { runProbed, type Cost } from './child.ts';
import { registerFleet, type BenchDatabase } from './database.ts';
import { startHyCloud, type HyCloudProcess } from './hycloud.ts';
import type { Stage } from './stage.ts';

/** Valves at a simulated HyCloud, a database in which they are registered, and a configuration for both. */
export interface Fleet {
  valves: number;
  projects: readonly Project[];
  hycloud: HyCloudProcess;
  /** environment variables for the program; `database` replaces the fleet's own */
  env: (database?: BenchDatabase) => Record<string, string>;
  /** Node's arguments that run this command of the program */
  args: (...command: string[]) => string[];
  /** Advances the clock by one interval and polls, a few seconds after the boundary. */
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
/** A poll that takes longer than LIMIT_MS plus LIMIT_PER_VALVE_MS for each valve is killed. */
const LIMIT_MS = 60_000;
const LIMIT_PER_VALVE_MS = 1.2;
/** As at a large site. */
const VALVES_PER_PROJECT = 1_000;
/** nginx's default for gzip_min_length. The simulator compresses at level 1, as nginx does. */
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
  // Two of a hundred thousand valves may have the same random id. The program polls them once.
  const distinctValves = new Set(projects.flatMap((project) => [...project.valves.keys()])).size;
  const config = await writeConfig(stage.folder, valves, projects);
  const { env: credentials } = await hycloud.steer();
  const fleetDatabase = await stage.freshDatabase();
  await registerFleet(fleetDatabase, projects, NOW_US - (NOW_US % INTERVAL_US));
  const args: Fleet['args'] = (...command) => [stage.cli, '--config', config, '--log-level', 'warn', ...command];
  const env: Fleet['env'] = (database = fleetDatabase) => ({
    ...credentials,
    DATABASE_URL: database.url,
    NODE_EXTRA_CA_CERTS: stage.caFile,
  });
  return {
    valves,
    projects,
    hycloud,
    args,
    env,
    poll: async (latencyMs, { gzipFromBytes = GZIP_FROM_BYTES } = {}) => {
      const before = await hycloud.steer({ advanceUs: INTERVAL_US, latencyMs, gzipFromBytes });
      const cost = await runProbed(args('poll'), stage.signal, stage.folder, {
        env: env(),
        timeoutMs: Math.ceil(LIMIT_MS + valves * LIMIT_PER_VALVE_MS),
      });
      const after = await hycloud.steer({ latencyMs: 0 });
      await verifyStored(fleetDatabase, distinctValves);
      const requests = after.requests - before.requests;
      return { ...cost, valves, latencyMs, requests, bytesReceived: after.bytesSent - before.bytesSent };
    },
  };
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

/** A run that stored too little must not count as fast. @throws Error unless the last poll stored a reading per valve */
async function verifyStored(database: BenchDatabase, valves: number): Promise<void> {
  const [run] = await database.query<{ stored: number }>(
    `select stored from tasmart_runs where mode = 'poll' order by id desc limit 1`,
  );
  if (run?.stored !== valves) throw new Error(`${run?.stored ?? 'no'} readings stored of ${valves} valves`);
}
