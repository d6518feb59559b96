import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { createCertificate } from './certificate.ts';
import { startSimulator } from './simulator.ts';

interface Options {
  port: number;
  valves: number;
  seed: number;
  latencyMs: number;
  rateLimit?: number;
  tls?: true;
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('a whole number is wanted');
  return Number(text);
}

/** The certificate in a folder of its own, for NODE_EXTRA_CA_CERTS. */
async function writeCertificate() {
  const tls = await createCertificate();
  const folder = mkdtempSync(join(tmpdir(), 'hycloud-simulator-'));
  const file = join(folder, 'ca.pem');
  writeFileSync(file, tls.cert);
  return { tls, folder, file };
}

const options = new Command('simulator')
  .description('A HyCloud on loopback, with valves that were never there')
  .option('--port <n>', 'port to listen on; 0 takes any free one', wholeNumber, 8080)
  .option('--valves <n>', 'how many valves the project has', wholeNumber, 7)
  .option('--seed <n>', 'another seed, another HyCloud', wholeNumber, 1)
  .option('--latency-ms <n>', 'how long every answer takes', wholeNumber, 0)
  .option('--rate-limit <n>', 'requests served in any second, 429 beyond', wholeNumber)
  .option('--tls', 'serve https, with a certificate made for this run')
  .parse()
  .opts<Options>();

const certificate = options.tls && (await writeCertificate());
const simulator = await startSimulator({
  port: options.port,
  valves: options.valves,
  seed: options.seed,
  ...(certificate && { tls: certificate.tls }),
  settings: {
    latencyMs: options.latencyMs,
    rateLimit: options.rateLimit === undefined ? null : { perSecond: options.rateLimit, retryAfter: 'seconds' },
  },
});

const config = { target_project_name: simulator.projects[0]?.name };
console.log(`HyCloud simulator with ${options.valves} valves; Ctrl-C ends it. To point tasmart at it, put into .env:

${Object.entries(simulator.env())
  .map(([name, value]) => `${name}=${value}`)
  .join('\n')}

and into config.json:

${JSON.stringify(config)}
`);
if (certificate) console.log(`Node reads this one before .env:\n\nexport NODE_EXTRA_CA_CERTS=${certificate.file}\n`);

const stop = (): void => {
  if (certificate) rmSync(certificate.folder, { recursive: true });
  void simulator.close();
};
process.once('SIGINT', stop);
process.once('SIGTERM', stop);
