import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import axe from 'axe-core';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { findChromium, launchChromium } from '../../../scripts/chromium.ts';
import { US_PER_DAY, US_PER_HOUR } from '../../../src/domain/time.ts';
import type { PageAssets } from '../../../src/reporting/report/html.ts';
import { REPOSITORY } from '../../support/build.ts';
import { reportHtml, reportOf, sevenValves } from './builder.ts';
import { local, valveOf } from './valve-builder.ts';

const chromium = findChromium(process.env);
const isRequired = process.env['TASMART_REQUIRE_BROWSER'] === '1';
const LEFT_OUT =
  'the page in a browser is left out: no Chromium found; apt-get install chromium, or set TASMART_CHROMIUM';
if (chromium === null && !isRequired) process.stderr.write(`${LEFT_OUT}\n`);

/** A slow machine may take its time. */
const eventually = <T>(read: () => T | Promise<T>) => expect.poll(read, { timeout: 20_000 });

const VALVES = 7;
/** Energy, flow, power, temperatures, and what is made of them: cumulative energy, load duration, power against flow. */
const CHARTS = 8;
const WIDE = { width: 1280, height: 1600 };
const PHONE = { width: 390, height: 844 };

let browser: Browser | undefined;
let folder: string;
let url: string;
let assets: PageAssets;
/** what a page has to be silent about */
let complaints: string[];
let requests: string[];
let page: Page;

describe.skipIf(chromium === null && !isRequired)(chromium === null ? LEFT_OUT : 'the page in Chromium', () => {
  beforeAll(async () => {
    if (chromium === null) throw new Error('no Chromium found; apt-get install chromium, or set TASMART_CHROMIUM');
    browser = await launchChromium(chromium);
    folder = await mkdtemp(join(tmpdir(), 'tasmart-report-'));
    const [script, style] = await Promise.all(
      ['page.js', 'page.css'].map((name) => readFile(join(REPOSITORY, 'dist', 'report', name), 'utf8')),
    );
    assets = { script: script ?? '', style: style ?? '' };
    const file = join(folder, 'report.html');
    await writeFile(file, reportHtml(sevenValves(), assets));
    url = pathToFileURL(file).href;
  });

  afterEach(() => page.context().close());

  afterAll(async () => {
    await browser?.close();
    if (folder) await rm(folder, { recursive: true });
  });

  async function open(options: BrowserContextOptions = {}): Promise<void> {
    if (!browser) throw new Error('no browser');
    const context = await browser.newContext({ viewport: WIDE, reducedMotion: 'reduce', ...options });
    page = await context.newPage();
    complaints = [];
    requests = [];
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', ({ message }) => complaints.push(message));
    page.on('request', (request) => requests.push(request.url()));
    await page.goto(url);
  }

  /** Code for the page, as text: what is compiled here knows nothing of a browser. */
  async function inPage<T>(expression: string): Promise<T> {
    return page.evaluate<T>(expression);
  }

  async function until(expression: string): Promise<void> {
    // Not by waitForFunction, which evaluates in the page: its policy forbids that, as it should.
    await eventually(() => inPage(`Boolean(${expression})`)).toBe(true);
  }

  /** From the overview, as a reader does it. */
  async function openValve(valve: number): Promise<void> {
    await page.locator(`#overview-table a[href="#valve-${valve}"]`).click();
    await until(`document.querySelectorAll('#valve-${valve} canvas').length >= ${CHARTS}`);
  }

  function names(): Promise<string[]> {
    return page.locator('#overview-table tbody th a').allTextContents();
  }

  async function download(press: () => Promise<void>): Promise<string> {
    const [file] = await Promise.all([page.waitForEvent('download'), press()]);
    return readFile(await file.path(), 'utf8');
  }

  async function shownBy(selector: string): Promise<string[]> {
    return inPage(
      `[...new Set([...document.querySelectorAll('${selector} .plot[data-from]')].map(({ dataset }) => dataset.from + ' ' + dataset.to))]`,
    );
  }

  async function violations(): Promise<string[]> {
    await inPage(axe.source);
    return inPage(`axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })
      .then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes[0].html + ' ' + nodes[0].failureSummary))`);
  }

  test('draws a valve’s charts when it is opened, loads nothing else, complains of nothing, and runs nobody’s script', async () => {
    await open();
    expect(await page.locator('canvas').count()).toBe(0);
    for (let valve = 1; valve <= VALVES; valve++) {
      await openValve(valve);
      await page.getByRole('link', { name: 'All valves' }).click();
    }
    // A line or bars leave far more than a grid does: the pixels that have a colour, not a grey.
    const coloured = await inPage<number[]>(`[...document.querySelectorAll('canvas')].map((canvas) => {
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      let count = 0;
      for (let i = 0; i < data.length; i += 4) {
        const [r, g, b, alpha] = [data[i], data[i + 1], data[i + 2], data[i + 3]];
        if (alpha > 128 && Math.max(r, g, b) - Math.min(r, g, b) > 60) count++;
      }
      return count;
    })`);
    // One more where the second regime counts, and two where all is stored.
    expect(coloured).toHaveLength(VALVES * CHARTS + 1 + 2);
    expect(Math.min(...coloured)).toBeGreaterThan(200);
    expect(await inPage(`typeof hacked`)).toBe('undefined');
    expect(await inPage(`document.querySelectorAll('img, iframe, [onerror], [style*="url"]').length`)).toBe(0);
    expect(requests).toEqual([url]);
    expect(complaints).toEqual([]);
  });

  test('the table is ordered by consumption, then by any column; searched and filtered; its state is in the address', async () => {
    await open();
    const first = (await names())[0];
    expect(first).toBe('Sottostazione – lato Sud');
    await page.getByRole('button', { name: 'Complete, %' }).click();
    expect((await names()).at(-1)).toBe(first); // the least complete
    await page.getByRole('button', { name: 'Complete, %' }).click();
    expect((await names())[0]).toBe(first);
    expect(await page.locator('th[aria-sort]').getAttribute('aria-sort')).toBe('ascending');
    await page.getByRole('button', { name: 'Valve', exact: true }).click();
    const byName = await names();
    expect(byName.slice(1, 3)).toEqual(['Caffè dell’atrio – Edificio "Ex Opificio"', 'Caffè dell’atrio – Scala B']);
    expect(byName.slice(-2)).toEqual(['Palestra – 1° piano', 'Sottostazione – lato Sud']); // silent, no longer listed
    await page.getByLabel('Search').fill('CAFFÈ scala');
    expect(await names()).toEqual(['Caffè dell’atrio – Scala B']);
    expect(await page.locator('#count').textContent()).toBe('1 of 7 valves');
    await page.getByLabel('Search').fill('');
    await page.getByRole('combobox', { name: 'Problem' }).selectOption({ label: 'silent (1)' });
    expect(await names()).toEqual(['Palestra – 1° piano']);
    const address = page.url();
    await page.goto('about:blank');
    await page.goto(address);
    expect(await names()).toEqual(['Palestra – 1° piano']);
    await page.getByRole('combobox', { name: 'Problem' }).selectOption('any');
    expect(await names()).toHaveLength(5);
  });

  test('a link lands at the top of its valve, and back at the place in the overview', async () => {
    await open({ viewport: PHONE });
    await page.locator('#overview-table').scrollIntoViewIfNeeded();
    const before = await inPage<number>(`scrollY`);
    expect(before).toBeGreaterThan(500);
    await page.locator('#overview-table a[href="#valve-3"]').click();
    expect(await inPage(`scrollY`)).toBe(0);
    expect(await page.locator('#valve-3 h2').isVisible()).toBe(true);
    expect(await inPage(`document.activeElement.textContent.trim().slice(0, 11)`)).toBe('Collettore ');
    expect(await page.locator('.overview').isVisible()).toBe(false);
    await page.goBack();
    await eventually(() => page.locator('.overview').isVisible()).toBe(true);
    await eventually(() => inPage<number>(`scrollY`)).toBe(before);
    // An address that names a valve does, too, and "back to top" leaves the valve open.
    await page.goto('about:blank');
    await page.goto(`${url}#valve-3`);
    await until(`document.querySelectorAll('#valve-3 canvas').length >= ${CHARTS}`);
    expect(await inPage(`scrollY`)).toBe(0);
    await page.locator('footer').scrollIntoViewIfNeeded();
    await page.getByRole('link', { name: 'Back to top' }).click();
    await eventually(() => inPage<number>(`scrollY`)).toBe(0);
    expect(await page.locator('#valve-3 h2').isVisible()).toBe(true);
  });

  test('what is on the screen is saved as CSV', async () => {
    await open();
    await page.getByLabel('Search').fill('colonna');
    const table = await download(() => page.getByRole('button', { name: 'CSV of this table' }).click());
    const [head = '', row = '', end] = table.split('\r\n');
    expect(head).toMatch(/^"Valve","kWh","kWh, regime 2","Share, %","Change, %","Problems","Complete, %",/);
    expect(row).toMatch(
      /^"Colonna montante – lato Nord",\d+(\.\d+)?,336\.\d+,\d+\.\d+,25,"the counter fell \+1 more",100,/,
    );
    expect(end).toBe('');
    await page.getByLabel('Search').fill('edificio');
    const soundValve = await download(() => page.getByRole('button', { name: 'CSV of this table' }).click());
    expect(soundValve.split('\r\n')[1]).toMatch(/,25,"",100,/);
    await page.getByLabel('Search').fill('');
    await openValve(4);
    const hours = await download(() => page.getByRole('button', { name: 'CSV of kWh' }).click());
    const lines = hours.split('\r\n');
    expect(lines[0]).toBe('"regime","start","end","kwh","coverage","quality"');
    expect(lines[1]).toMatch(/^1,"2026-11-15T23:00:00Z","2026-11-16T00:00:00Z",\d+\.\d+,1,"measured"$/);
    expect(lines).toHaveLength(1 + 2 * 169 + 1);
    const readings = (await download(() => page.getByRole('button', { name: 'CSV of readings' }).click())).split(
      '\r\n',
    );
    expect(readings[0]).toBe('"time","flow, m³/h","power, kW","return, °C","supply, °C","ΔT, K"');
    expect(readings[1]).toMatch(/^"2026-11-15T23:00:00Z",\d\.\d+,\d+\.\d+,\d+\.\d,\d+\.\d,\d+(\.\d)?$/);
    expect(readings).toHaveLength(1 + 673 + 1);
  });

  test('another valve can be drawn beside it', async () => {
    await open();
    await openValve(2);
    await page.getByLabel('Compare with').selectOption({ label: 'Colonna montante – lato Nord' });
    await until(`document.querySelectorAll('#valve-2 .analysis .line-key').length === 4`);
    const caption = await page.locator('#valve-2 .analysis output').first().textContent();
    expect(caption).toMatch(/^[\d\u202f.]+ kWh · [\d\u202f.]+ kWh$/);
    expect(page.url()).toContain('with=valve-4');
  });

  test('dragging across a chart zooms them all, and a double click shows the whole span again', async () => {
    await open();
    await openValve(2);
    const over = page.locator('#valve-2 .u-over').first();
    const [whole] = await shownBy('#valve-2');
    const box = await over.boundingBox();
    if (!box) throw new Error('no box');
    await page.mouse.move(box.x + box.width * 0.25, box.y + 50);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.4, box.y + 50, { steps: 3 });
    await page.mouse.move(box.x + box.width * 0.5, box.y + 50, { steps: 3 });
    await page.mouse.up();
    await eventually(() => shownBy('#valve-2')).not.toEqual([whole]);
    const [zoomed = ''] = await shownBy('#valve-2');
    const [fromS = 0, toS = 0] = zoomed.split(' ').map(Number);
    expect((toS - fromS) / (7 * 86_400)).toBeCloseTo(0.25, 1);
    expect(await page.locator('#shown').textContent()).toMatch(/^Tue 17 Nov \d\d:\d\d – Thu 19 Nov \d\d:\d\d$/);
    expect(page.url()).toContain(`from=${fromS}&to=${toS}`);
    // The zoom goes along to other valves, and with the address.
    await page.getByRole('link', { name: 'All valves' }).click();
    await openValve(7);
    await eventually(() => shownBy('#valve-7')).toEqual([zoomed]);
    await page.reload();
    await eventually(() => shownBy('#valve-7')).toEqual([zoomed]);
    await page.locator('#valve-7 .u-over').first().dblclick();
    await eventually(() => shownBy('#valve-7')).toEqual([whole]);
  });

  test('the keyboard zooms in, moves, and zooms out again; a live region says what is shown', async () => {
    await open();
    await openValve(1);
    const shown = page.locator('#shown');
    const press = async (name: string): Promise<string | null> => {
      const before = await shown.textContent();
      await page.getByRole('button', { name, exact: true }).focus();
      await page.keyboard.press('Enter');
      await eventually(() => shown.textContent()).not.toBe(before);
      return shown.textContent();
    };
    expect(await press('Zoom in')).toBe('Tue 17 Nov 18:00 – Sat 21 Nov 06:02');
    expect(await press('Later')).toBe('Thu 19 Nov 12:01 – Mon 23 Nov 00:03');
    expect(await press('Earlier')).toBe('Tue 17 Nov 18:00 – Sat 21 Nov 06:02');
    expect(await press('Zoom out')).toBe('Mon 16 Nov 00:00 – Mon 23 Nov 00:03');
    await press('Zoom in');
    expect(await press('Show the whole span')).toBe('Mon 16 Nov 00:00 – Mon 23 Nov 00:03');
  });

  test('pointing at a chart reads its values with their units, and those of all others at that time', async () => {
    await open();
    const read = (valve: number, chart: number): Promise<string | null> =>
      page.locator(`#valve-${valve} figure`).nth(chart).locator('output').textContent();
    await openValve(2);
    const over = page.locator('#valve-2 figure').nth(1).locator('.u-over');
    await over.scrollIntoViewIfNeeded();
    const box = await over.boundingBox();
    if (!box) throw new Error('no box');
    const hover = (share: number): Promise<void> => over.hover({ position: { x: box.width * share, y: 60 } });

    const resting = await read(2, 1);
    await hover(0.65); // Fri 20 Nov
    await eventually(() => read(2, 1)).toMatch(/^Fri 20 Nov \d\d:\d\d · \d\.\d{4} m³\/h$/);
    const time = (await read(2, 1))?.slice(0, 16) ?? '';
    expect(await read(2, 2)).toMatch(new RegExp(`^${time} · \\d+\\.\\d+ kW$`));
    expect(await read(2, 3)).toMatch(new RegExp(`^${time} · return \\d+\\.\\d °C · supply \\d+\\.\\d °C$`));
    expect(await read(2, 0)).toMatch(/^Fri 20 Nov \d\d:00 – \d\d:00 · \d+\.\d{3} kWh · measured$/);
    const cursors = await inPage<string[]>(
      `[...document.querySelectorAll('#valve-2 .charts > figure .u-cursor-x')].map((cursor) => cursor.style.transform)`,
    );
    expect(cursors.every((transform) => /translate\(\d{2,}/.test(transform))).toBe(true);

    await hover(2.19 / 7); // Wed 18 Nov 04:30, in the hole
    await eventually(() => read(2, 1)).toBe('no reading Wed 18 Nov 03:00 – 06:15');
    expect(await read(2, 0)).toContain('kWh · estimated · 40 % covered');
    await page.mouse.move(5, 5);
    await eventually(() => read(2, 1)).toBe(resting);
  });

  test('an event of a counter is named where the pointer meets it, in bars and lines', async () => {
    await open();
    await openValve(4);
    for (const chart of [0, 2]) {
      const figure = page.locator('#valve-4 figure').nth(chart);
      const box = await figure.locator('.u-over').boundingBox();
      // Thu 19 Nov 13:07
      await figure
        .locator('.u-over')
        .hover({ position: { x: ((box?.width ?? 0) * (3 * 24 + 13.12)) / 168.05, y: 60 } });
      await eventually(() => figure.locator('output').textContent()).toContain(
        'reset of regime 1, 163\u202f000 → 12 kWh, 2.3 kWh counted',
      );
    }
  });

  test('an error period is named where the pointer meets it', async () => {
    await open();
    await openValve(3);
    const figure = page.locator('#valve-3 figure').first();
    const box = await figure.locator('.u-over').boundingBox();
    await figure.locator('.u-over').hover({ position: { x: ((box?.width ?? 0) * 4.38) / 7, y: 60 } });
    await eventually(() => figure.locator('output').textContent()).toContain('WarningFlowNotReached');
  });

  test('an error of the last reading before an outage is not named at later readings', async () => {
    const timeUs = local('2026-11-18T03:00');
    const errors = [{ fromUs: timeUs, toUs: timeUs, names: ['WarningAirBubbles'] }];
    const valve = valveOf(0, { errors, stepUs: US_PER_HOUR });
    const file = join(folder, 'error.html');
    await writeFile(file, reportHtml(reportOf([valve]), assets));
    await open();
    await page.goto(pathToFileURL(file).href);
    const figure = page.locator('#valve-1 figure').nth(1);
    const box = await figure.locator('.u-over').boundingBox();
    await figure.locator('.u-over').hover({ position: { x: ((box?.width ?? 0) * (2 * 24 + 3)) / 168.05, y: 60 } });
    await eventually(() => figure.locator('output').textContent()).toContain('WarningAirBubbles');
    await figure.locator('.u-over').hover({ position: { x: ((box?.width ?? 0) * 5.5) / 7, y: 60 } });
    await eventually(() => figure.locator('output').textContent()).toContain('21 Nov');
    expect(await figure.locator('output').textContent()).not.toContain('WarningAirBubbles');
  });

  test.each([
    { colorScheme: 'light', viewport: WIDE },
    { colorScheme: 'dark', viewport: WIDE },
    { colorScheme: 'light', viewport: PHONE },
  ] as const)('is accessible: $colorScheme, $viewport.width px', async (options) => {
    await open(options);
    expect(await violations()).toEqual([]);
    await openValve(4);
    await inPage(`for (const each of document.querySelectorAll('#valve-4 details')) each.open = true`);
    expect(await violations()).toEqual([]);
  });

  test('fits a phone: only tables scroll sideways, each in its own frame', async () => {
    await open({ viewport: PHONE });
    expect(await inPage(`document.documentElement.scrollWidth`)).toBe(PHONE.width);
    expect(await inPage(`document.querySelector('#overview-table').parentElement.scrollWidth > ${PHONE.width}`)).toBe(
      true,
    );
    await openValve(4);
    await inPage(`for (const each of document.querySelectorAll('#valve-4 details')) each.open = true`);
    expect(await inPage(`document.documentElement.scrollWidth`)).toBe(PHONE.width);
    const widths = await inPage<number[]>(`[...document.querySelectorAll('canvas')].map((each) => each.clientWidth)`);
    expect(Math.max(...widths)).toBeLessThanOrEqual(PHONE.width);
    expect(Math.min(...widths)).toBeGreaterThan(340);
  });

  test('on paper, colours are light and charts stay within the sheet; afterwards all is as before', async () => {
    await open({ colorScheme: 'dark' });
    await openValve(1);
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
    expect(await inPage(`getComputedStyle(document.body).backgroundColor`)).toBe('rgb(255, 255, 255)');
    const widths = `[...document.querySelectorAll('canvas')].map((each) => each.clientWidth)`;
    await until(`Math.max(...${widths}) < 703`);
    await page.emulateMedia({ media: 'screen', colorScheme: 'dark' });
    await until(`${widths}[0] > 703`);
    expect(await inPage(`getComputedStyle(document.body).backgroundColor`)).toBe('rgb(20, 24, 29)');
    expect((await page.pdf({ format: 'A4', printBackground: true })).subarray(0, 5).toString()).toBe('%PDF-');
    expect(complaints).toEqual([]);
  });

  test('says what matters without scripts, too', async () => {
    await open({ javaScriptEnabled: false });
    for (const text of ['Problems at 5 of 7 valves', 'The charts need JavaScript', '1 h 15 min']) {
      expect(await page.getByText(text).first().isVisible()).toBe(true);
    }
    expect(await page.locator('.toolbar').isVisible()).toBe(false);
    await page.locator('#valve-1 summary').first().click();
    expect(await page.locator('#valve-1 td').first().isVisible()).toBe(true);
  });

  test('lists all valves without scripts, and a hundred at first with them', async () => {
    const file = join(folder, 'many.html');
    const many = reportOf(Array.from({ length: 101 }, (_, index) => valveOf(index, { stepUs: US_PER_DAY })));
    await writeFile(file, reportHtml(many, assets));
    const visible = () => page.locator('#overview-table tbody tr').filter({ visible: true }).count();
    await open({ javaScriptEnabled: false });
    await page.goto(pathToFileURL(file).href);
    expect(await visible()).toBe(101);
    await page.context().close();
    await open();
    await page.goto(pathToFileURL(file).href);
    expect(await visible()).toBe(100);
  });
});
