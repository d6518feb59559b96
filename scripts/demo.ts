/**
 * `npm run demo`: simulates HyCloud on loopback, stores 30 days of readings with some faults in an embedded PostgreSQL, and
 * makes a report. Everything is in data/demo; `--fresh` deletes it first.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addFaults, sendEachMinute } from './simulator/faulty-history.ts';
import { writeConfig, writeEnv } from './simulator/settings-files.ts';
import { startSimulator } from './simulator/simulator.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = join(root, 'data', 'demo');
const shownFolder = relative(process.cwd(), folder) || '.';
/** Relative to the demo's folder, in which users run tasmart. */
const DATABASE_URL = 'embedded:./postgres';

if (process.argv.includes('--fresh')) await rm(folder, { recursive: true, force: true });
const isFirst = !existsSync(folder);
await mkdir(folder, { recursive: true });

const simulator = await startSimulator({ seed: 1, valves: 7 });
const valves = simulator.valves();
valves.forEach(sendEachMinute);
addFaults(valves, simulator.clock.now());
await writeConfig(join(folder, 'config.json'), simulator);
await writeEnv(join(folder, '.env'), simulator, DATABASE_URL);

try {
  say(`A simulated HyCloud runs on this machine, with the project "${simulator.projects[0]?.name ?? ''}".`);
  say(
    isFirst
      ? 'tasmart polls its 7 valves into an embedded PostgreSQL. HyCloud fails twice meanwhile, and is asked again:'
      : 'This demo ran here before: only what is new since then is stored, and nothing twice.',
  );
  simulator.faults.add({ fault: { kind: 'status', status: 503 }, times: 2 });
  await tasmart('poll');
  say('The thirty days before, with what a month brings: gaps, nonsense counters, a valve that was exchanged.');
  await tasmart('backfill', '--from', '30d');
  say('Once more. A run may come late, early or twice: only a point that is new is stored.');
  await tasmart('poll');
  await tasmart('report', '--from', '30d', '--out', 'report.html');
  say(`What next?

  ${join(shownFolder, 'report.html')} is the page to look at. More from what is stored:

  cd ${shownFolder}
  npx tasmart status
  npx tasmart consumption
  npx tasmart consumption --from 30d --by week --matrix
  npx tasmart events
  npx tasmart --help

  "verify" compares counters and power, and ends with exit status 1, because it finds the valve that was exchanged:

  npx tasmart verify

  The simulated HyCloud has ended. To poll again, start it in another terminal:

  npm run simulator -- --port 0 --faulty-history --write-env ${join(folder, '.env')}
  npx tasmart check
  npx tasmart poll

  Your own valves, in the clone's own folder:

  cd ${relative(folder, root)}
  npx tasmart init

"npm run demo" goes on from what is stored, "npm run demo -- --fresh" starts again from nothing. No process is left running.`);
} finally {
  await simulator.close();
}

function say(text: string): void {
  console.log(`\n${text}\n`);
}

/** Runs the built program in the demo's folder, and shows its output. @throws Error if its exit status is not 0 */
async function tasmart(...args: string[]): Promise<void> {
  const cli = join(root, 'dist', 'cli.js');
  console.log(`$ npx tasmart ${args.join(' ')}`);
  // Do not use a database or an account that is configured in this shell.
  const isForeign = (name: string) => /^(API_KEY|REQUESTER_ID|DATABASE_URL|DB_|HEALTHCHECK_URL)/.test(name);
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !isForeign(name)));
  const env = { ...inherited, ...simulator.env(), DATABASE_URL };
  const options = ['--log-level', 'warn', '--log-format', 'pretty'];
  const child = spawn(process.execPath, [cli, ...options, ...args], { env, cwd: folder, stdio: 'inherit' });
  const [status] = (await once(child, 'exit')) as [number | null];
  if (status !== 0) throw new Error(`tasmart ${args.join(' ')} ended with status ${status ?? 'none'}`);
}
