import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startSimulator } from './simulator/simulator.ts';

/**
 * The main job on a machine with nothing else: a HyCloud on loopback, an embedded PostgreSQL, two polls. What it stored
 * stays in data/demo, so that a second demo goes on from there; `--fresh` begins anew.
 */
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = join(root, 'data', 'demo');
const here = (path: string) => relative(process.cwd(), path) || '.';

if (process.argv.includes('--fresh')) await rm(folder, { recursive: true, force: true });
const isFirst = !existsSync(folder);
await mkdir(folder, { recursive: true });

const simulator = await startSimulator({ seed: 1, valves: 7 });
const project = simulator.projects[0]?.name ?? '';
const config = join(folder, 'config.json');
await writeFile(config, `${JSON.stringify({ target_project_name: project, initial_history_hours: 1 }, null, 2)}\n`);
const env = { ...process.env, ...simulator.env(), DATABASE_URL: `embedded:${join(folder, 'postgres')}` };

try {
  say(`A simulated HyCloud is up on loopback, with the project "${project}".`);
  say(
    isFirst
      ? 'tasmart polls it into an embedded PostgreSQL. Each of the 7 valves has its last hour of quarters, and now:'
      : 'This demo ran here before: only what is new since then is stored.',
  );
  await tasmart('poll');
  say('Again at once. A run may come late, early or twice: only a point that is new is stored, and never twice.');
  await tasmart('poll');
  say(`What next?

  npx tasmart --help                 the commands
  npm run demo                       again: it goes on from what is stored (-- --fresh begins anew)
  npm run simulator                  the simulated HyCloud by itself, to play with
  cp config.example.json config.json
  cp .env.example .env               your project and credentials; then:
  npx tasmart poll --dry-run         reads your valves, and stores nothing

The demo's database is in ${here(folder)}; nothing of it is left running.`);
} finally {
  await simulator.close();
}

function say(text: string): void {
  console.log(`\n${text}\n`);
}

/** Runs the built program as a person would, its output being ours. */
async function tasmart(...args: string[]): Promise<void> {
  const cli = join(root, 'dist', 'cli.js');
  console.log(`$ npx tasmart ${args.join(' ')}`);
  const options = ['--config', config, '--log-level', 'warn', '--log-format', 'pretty'];
  const child = spawn(process.execPath, [cli, ...options, ...args], { env, cwd: root, stdio: 'inherit' });
  const [status] = (await once(child, 'exit')) as [number | null];
  if (status !== 0) throw new Error(`tasmart ${args.join(' ')} ended with status ${status ?? 'none'}`);
}
