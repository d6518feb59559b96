/** Makes scripts/report.png, the README's picture of the report: the newest week of the demo, which runs before, shown by Chromium. */
import { stat } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { findChromium, launchChromium } from './chromium.ts';
import { runTasmart } from './run-tasmart.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** The demo's folder. Its .env names the database. */
const folder = join(root, 'data', 'demo');
const picture = join(root, 'scripts', 'report.png');
const WIDTH_PX = 1280;
const MAX_BYTES = 300_000;

const chromium = findChromium(process.env);
if (chromium === null) throw new Error('no Chromium found; apt-get install chromium, or set TASMART_CHROMIUM');
await runTasmart(['report', '--from', '7d', '--out', 'picture.html'], folder, {});
await takePicture(chromium);
const { size } = await stat(picture);
console.log(`${relative(process.cwd(), picture)}: ${Math.round(size / 1000)} kB`);
if (size > MAX_BYTES) throw new Error('the picture is too large for a repository');

/** Takes the picture: from the top of the page to the legend of its charts (src/reporting/report/legend.ts). */
async function takePicture(executablePath: string): Promise<void> {
  const browser = await launchChromium(executablePath);
  try {
    const page = await browser.newPage({ viewport: { width: WIDTH_PX, height: 1800 }, reducedMotion: 'reduce' });
    await page.goto(pathToFileURL(join(folder, 'picture.html')).href);
    const legend = await page.locator('#valves ~ .keys').boundingBox();
    const height = Math.ceil((legend?.y ?? 1500) + (legend?.height ?? 0)) + 16;
    await page.screenshot({ path: picture, clip: { x: 0, y: 0, width: WIDTH_PX, height }, fullPage: true });
  } finally {
    await browser.close();
  }
}
