/**
 * `npm run demo`: simulates HyCloud on loopback, stores 30 days of readings with some faults in an embedded PostgreSQL, and
 * makes a report. Everything is in data/demo; `--fresh` deletes it first.
 */
import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runTasmart } from './run-tasmart.ts';
import { addFaults, sendEachMinute } from './simulator/faulty-history.ts';
import { writeConfig, writeEnv } from './simulator/settings-files.ts';
import { startSimulator } from './simulator/simulator.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = join(root, 'data', 'demo');
const shownFolder = relative(process.cwd(), folder) || '.';
/** Relative to the demo's folder, in which users run tasmart. */
const DATABASE_URL = 'embedded:./postgres';

if (process.argv.includes('--fresh')) await rm(folder, { recursive: true, force: true });
const isFirstRun = !existsSync(folder);
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
    isFirstRun
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

async function tasmart(...args: string[]): Promise<void> {
  await runTasmart(args, folder, { ...simulator.env(), DATABASE_URL });
}
