/**
 * Makes scripts/report.png, the README's picture of the report: a simulated week with some faults, stored by the built
 * program and shown by Chromium.
 */
import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, type Micros } from '../src/domain/time.ts';
import { findChromium, launchChromium } from './chromium.ts';
import { runTasmart } from './run-tasmart.ts';
import type { Valve } from './simulator/fleet.ts';
import { startSimulator } from './simulator/simulator.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = join(root, 'data', 'picture');
const picture = join(root, 'scripts', 'report.png');
const WIDTH_PX = 1280;
/** besides the measured values, which are always read */
const PROPERTIES = ['local_temp', 'remote_temp'];
const MAX_BYTES = 300_000;

const chromium = findChromium(process.env);
if (chromium === null) throw new Error('no Chromium found; apt-get install chromium, or set TASMART_CHROMIUM');

await rm(folder, { recursive: true, force: true });
await mkdir(folder, { recursive: true });
const simulator = await startSimulator({ seed: 1, valves: 7 });

try {
  const nowUs = simulator.clock.now();
  const [first] = simulator.valves();
  addFaults(simulator.valves(), nowUs);
  await writeFile(
    join(folder, 'config.json'),
    JSON.stringify({
      target_project_name: simulator.projects[0]?.name,
      properties: PROPERTIES,
      timezone: 'Europe/Rome',
    }),
  );
  // Twice the report's span, because the page compares with the week before.
  await tasmart('backfill', '--from', '15d');
  await tasmart('poll');
  if (first) await tasmart('link', first.id, 'IT-4711');
  await tasmart('report', '--from', '7d', '--out', 'report.html');
  await takePicture(chromium);
  const { size } = await stat(picture);
  console.log(`${relative(process.cwd(), picture)}: ${Math.round(size / 1000)} kB`);
  if (size > MAX_BYTES) throw new Error('the picture is too large for a repository');
} finally {
  await simulator.close();
}

/** Gives some valves outages, a counter that was reset, or silence until now. */
function addFaults(valves: readonly Valve[], nowUs: Micros): void {
  const [, twoOutages, oneOutage, reset, , silent] = valves;
  const span = (agoUs: Micros, lengthUs: Micros) => ({ fromUs: nowUs - agoUs, toUs: nowUs - agoUs + lengthUs });
  if (twoOutages) {
    twoOutages.outages = [span(4.4 * US_PER_DAY, 9 * US_PER_HOUR), span(1.3 * US_PER_DAY, 50 * US_PER_MINUTE)];
  }
  if (oneOutage) oneOutage.outages = [span(2.6 * US_PER_DAY, 3 * US_PER_HOUR)];
  if (reset) reset.counterJumps = [{ regime: 1, fromUs: nowUs - 3.2 * US_PER_DAY, kwh: 0 }];
  if (silent) silent.outages = [span(75 * US_PER_MINUTE, US_PER_DAY)];
}

/** Takes the picture: from the top of the page to the legend of its charts (src/reporting/report/legend.ts). */
async function takePicture(executablePath: string): Promise<void> {
  const browser = await launchChromium(executablePath);
  try {
    const page = await browser.newPage({ viewport: { width: WIDTH_PX, height: 1800 }, reducedMotion: 'reduce' });
    await page.goto(pathToFileURL(join(folder, 'report.html')).href);
    const legend = await page.locator('#valves ~ .keys').boundingBox();
    const height = Math.ceil((legend?.y ?? 1500) + (legend?.height ?? 0)) + 16;
    await page.screenshot({ path: picture, clip: { x: 0, y: 0, width: WIDTH_PX, height }, fullPage: true });
  } finally {
    await browser.close();
  }
}

async function tasmart(...args: string[]): Promise<void> {
  await runTasmart(args, folder, { ...simulator.env(), DATABASE_URL: 'embedded:./postgres' });
}
