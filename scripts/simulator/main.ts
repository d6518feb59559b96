/** `npm run simulator`: a simulated HyCloud to try tasmart with. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Command, InvalidArgumentError } from 'commander';
import { BASE_PATH } from './api.ts';
import { addFaults, sendEachMinute } from './faulty-history.ts';
import { createCertificate } from './certificate.ts';
import { writeConfig, writeEnv } from './settings-files.ts';
import { startSimulator, type LoggedRequest, type SimulatorOptions } from './simulator.ts';
import { FAULTS_HELP, switchFaults } from './typed-faults.ts';

interface Options {
  port: number;
  valves: number;
  seed: number;
  latencyMs: number;
  rateLimit?: number;
  tls?: true;
  faultyHistory?: true;
  writeEnv?: string;
  writeConfig?: string;
  quiet?: true;
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('a whole number is wanted');
  return Number(text);
}

/** Writes a certificate to a new folder, for NODE_EXTRA_CA_CERTS. The folder is deleted when this process exits. */
async function writeCertificate() {
  const tls = await createCertificate();
  const folder = mkdtempSync(join(tmpdir(), 'hycloud-simulator-'));
  process.once('exit', () => rmSync(folder, { recursive: true }));
  const file = join(folder, 'ca.pem');
  writeFileSync(file, tls.cert);
  return { tls, file };
}

/** Prints `12:30:05  200  3 ms  GET projects`. The time is local, for people who read along. */
function logRequest({ status, method, path, query }: LoggedRequest, ms: number): void {
  const parameters = Object.entries(query).map(([name, value]) =>
    Array.isArray(value) ? `${value.length} ${name}` : `${name}=${value}`,
  );
  const time = new Date().toTimeString().slice(0, 8);
  const what = `${method} ${path.replace(BASE_PATH, '')}`;
  console.log([time, status ?? '---', `${Math.round(ms)} ms`, what, ...parameters].join('  '));
}

/** Reports a busy port as one line, without a stack. */
async function start(simulatorOptions: SimulatorOptions & { port: number }) {
  return startSimulator(simulatorOptions).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    return fail(`port ${simulatorOptions.port} is in use: name another with --port, or 0 for any free one`);
  });
}

function fail(message: string): never {
  console.error(`simulator: ${message}`);
  process.exit(1);
}

const options = new Command('simulator')
  .description('A simulated HyCloud on loopback')
  .option('--port <n>', 'port to listen on; 0 takes any free one', wholeNumber, 8080)
  .option('--valves <n>', 'how many valves the project has', wholeNumber, 7)
  .option('--seed <n>', 'seed of all random data', wholeNumber, 1)
  .option('--latency-ms <n>', 'how long every answer takes', wholeNumber, 0)
  .option('--rate-limit <n>', 'requests served in any second; further ones get a 429', wholeNumber)
  .option('--tls', 'serve https, with a certificate made for this run')
  .option('--faulty-history', 'gaps, glitches and a counter reset, as in the demo')
  .option('--write-env <file>', 'write an env file that points tasmart here')
  .option('--write-config <file>', 'write a config.json for the project, unless the file is there')
  .option('--quiet', 'print no requests')
  .parse()
  .opts<Options>();

const certificate = options.tls && (await writeCertificate());
const simulator = await start({
  port: options.port,
  valves: options.valves,
  seed: options.seed,
  ...(certificate && { tls: certificate.tls }),
  settings: {
    latencyMs: options.latencyMs,
    rateLimit: options.rateLimit === undefined ? null : { perSecond: options.rateLimit, retryAfter: 'seconds' },
  },
  ...(!options.quiet && { onRequest: logRequest }),
});
if (options.faultyHistory) {
  simulator.valves().forEach(sendEachMinute);
  addFaults(simulator.valves(), simulator.clock.now());
}

try {
  if (options.writeConfig !== undefined) await writeConfig(options.writeConfig, simulator);
  if (options.writeEnv !== undefined) await writeEnv(options.writeEnv, simulator, 'embedded:./data');
} catch (error) {
  fail(error instanceof Error ? error.message : String(error));
}
console.log(`HyCloud simulator with ${options.valves} valves at ${simulator.baseUrl}; Ctrl-C ends it.\n`);
if (options.writeEnv !== undefined) console.log(`${options.writeEnv} points tasmart at it.\n`);
else {
  const variables = Object.entries(simulator.env()).map(([name, value]) => `${name}=${value}\n`);
  const config = JSON.stringify({ target_project_name: simulator.projects[0]?.name });
  console.log(`To point tasmart at it (--write-env and --write-config do it for you), put into .env:

${variables.join('')}
and into config.json:

${config}
`);
}
if (certificate) console.log(`Node reads this one before .env:\n\nexport NODE_EXTRA_CA_CERTS=${certificate.file}\n`);
console.log(FAULTS_HELP);

const typedLines = createInterface({ input: process.stdin });
typedLines.on('line', (line) => console.log(switchFaults(line, simulator.faults)));

const stop = (): void => {
  typedLines.close();
  void simulator.close();
};
process.once('SIGINT', stop);
process.once('SIGTERM', stop);
