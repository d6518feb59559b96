import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { US_PER_DAY, US_PER_HOUR, US_PER_MINUTE } from '../../../src/domain/time.ts';
import { spanText, timeOf, timeText, type ZoneOffsets } from '../../../src/reporting/report/page/local-time.ts';
import { zoneOffsets } from '../../../src/reporting/report/zone.ts';
import { HOSTILE, reportHtml, reportOf, RUN, sevenValves } from './builder.ts';
import { FROM_US, local, TO_US, valveOf } from './valve-builder.ts';

const ASSETS = { script: 'console.log("page")', style: 'body{color:red}' };

/** What a reader sees of some part: its text, without tags. */
function textOf(markup: string): string {
  const text = markup.replace(/<(script|style)[^>]*>.*?<\/\1>/gs, '').replace(/<[^>]*>/g, '');
  const plain = text.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&gt;', '>').replaceAll('&lt;', '<');
  return plain.replaceAll('&amp;', '&').replace(/\s+/g, ' ');
}

/** The entries of the lists of problems on top of the page. */
function problemsOf(page: string): string[] {
  const [, section = ''] = /<section aria-labelledby="problems">(.*?)<\/section>/s.exec(page) ?? [];
  return [...section.matchAll(/<li>(.*?)<\/li>/gs)].map(([, entry = '']) => textOf(entry).trim());
}

test('a fleet without a fault says so', () => {
  const page = reportHtml(reportOf([valveOf(0), valveOf(1)]), ASSETS);
  expect(page).toContain('No problem found.');
  expect(problemsOf(page)).toEqual([]);
});

test('problems come ranked by how bad they are, each with its valve', () => {
  const page = reportHtml(sevenValves(), ASSETS);
  expect(problemsOf(page).slice(0, 6)).toEqual([
    'Silent: HyCloud has no newer reading · Palestra – 1° piano: no reading since Sun 22 Nov 22:48 (1 h 15 min)',
    'The counter fell: the kWh are a lower bound · Colonna montante – lato Nord: regime 1, Thu 19 Nov 13:00 – 13:15, from 163 000 to 12 kWh, 2.3 kWh counted',
    'The counter rose more than the valve can pass: the kWh are a lower bound · Colonna montante – lato Nord: regime 1, Sat 21 Nov 09:00 – 09:15, from 163 000 to 199 000 kWh, 2.3 kWh counted',
    'Reports WarningFlowNotReached · Collettore piano terra – Scala A: since Sun 22 Nov 23:00 at least',
    'Gaps without a reading · Caffè dell’atrio – Scala B: 2 gaps, 4 h 15 min in all; the longest Wed 18 Nov 03:00 – 06:15 (3 h 15 min)',
    'Reported WarningFlowNotReached · Collettore piano terra – Scala A: Fri 20 Nov 08:00 – 10:15 (2 h 15 min)',
  ]);
  expect(page).toContain('<a href="#valve-5"><bdi>Palestra – 1° piano</bdi></a>');
  expect(textOf(page)).toContain('Problems at 5 of 7 valves');
});

test('the same warning of many valves is said once, with the valves that have it', () => {
  const valves = Array.from({ length: 30 }, (_, index) => valveOf(index, { errorStatus: ['WarningAirBubbles'] }));
  const text = textOf(reportHtml(reportOf(valves), ASSETS));
  expect(text).toContain('Problems at 30 of 30 valves Reports WarningAirBubbles · 30 valves: Valve 1, Valve 2, ');
  expect(text).toContain('and 22 valves more');
});

test('the day on which a valve is installed lacks nothing before its first reading', () => {
  const installedUs = local('2026-11-18T10:00');
  const hoursBefore = Array.from({ length: 58 }, (_, hour) => FROM_US + hour * US_PER_HOUR);
  const qualities = new Map(hoursBefore.map((timeUs) => [timeUs, 'missing' as const]));
  const days = valveOf(0).days.map((day) =>
    day.startUs < local('2026-11-18T00:00') ? { ...day, expected: 0, present: 0 } : day,
  );
  const installed = valveOf(0, { qualities, days });
  expect(hoursBefore.at(-1)).toBe(installedUs - US_PER_HOUR);
  expect(textOf(reportHtml(reportOf([installed, valveOf(1)]), ASSETS))).not.toContain('kWh, some kWh are missing');
});

test('a silent valve has no gap besides, also where the report ends in the future', () => {
  const silent = valveOf(0, { state: 'silent', untilUs: TO_US - 2 * US_PER_HOUR });
  const page = reportHtml(reportOf([silent], { toUs: TO_US + US_PER_HOUR }), ASSETS);
  expect(problemsOf(page)).toEqual([
    'Silent: HyCloud has no newer reading · Valve 1: no reading since Sun 22 Nov 22:00 (2 h 3 min)',
  ]);
});

test('a gap at the end of a report on the past is told, also where the valve is silent now', () => {
  const nowUs = TO_US + 5 * US_PER_DAY;
  const newestUs = nowUs - US_PER_DAY;
  const silent = valveOf(0, { state: 'silent', untilUs: TO_US - 2 * US_PER_HOUR, newestUs, ageUs: US_PER_DAY });
  const page = reportHtml(reportOf([silent], { generatedUs: nowUs }), ASSETS);
  expect(problemsOf(page)).toContain('Gaps without a reading · Valve 1: Sun 22 Nov 22:03 – Mon 23 Nov 00:03 (2 h)');
});

test('the same errors in another order are the same problem', () => {
  const valves = [
    ['A', 'B'],
    ['B', 'A'],
  ].map((errorStatus, index) => valveOf(index, { errorStatus }));
  expect(textOf(reportHtml(reportOf(valves), ASSETS))).toContain('Reports A, B · 2 valves: Valve 1, Valve 2');
});

test('the previous period has the local times of its own days, also before the clocks changed', () => {
  const previous = { fromUs: local('2026-10-20T00:00'), toUs: local('2026-10-28T00:00') };
  expect(textOf(reportHtml(reportOf([valveOf(0)], { previous }), ASSETS))).toContain(
    'in the previous period, Tue 20 Oct 2026 00:00 – Wed 28 Oct 2026 00:00',
  );
});

test('counts have a space between thousands, as all numbers', () => {
  const text = textOf(reportHtml(reportOf([valveOf(0)], { newestRun: { ...RUN, stored: 12_345 } }), ASSETS));
  expect(text).toContain('12 345 readings stored');
});

test('consumption comes first: the total, the change, the days, and the valves by their share', () => {
  const text = textOf(reportHtml(reportOf([valveOf(0, { peakKw: 10 }), valveOf(1, { peakKw: 30 })]), ASSETS));
  expect(text).toMatch(/a reading each 15 min Consumption [\d ]+ kWh/);
  expect(text).toContain('(+25.0 %) against');
  expect(text).toContain('in the previous period, Sun 8 Nov 2026 00:00 – Sun 15 Nov 2026 00:03');
  expect(text).toMatch(/Mon 16 Nov: \d+(\.\d)? kWh Mon16Nov/);
  expect(text).toMatch(/Mon 23 Nov: \d\.\d kWh, part of the day/);
  expect(text).toMatch(/Valves by consumption Valve 2 [\d ]+ kWh 7\d\.\d % Valve 1 [\d. ]+ kWh 2\d\.\d %/);
});

test('a day that begins at one o’clock is whole, as in Cairo, where summer time begins at midnight', () => {
  const barsOf = (...starts: string[]): string[] => {
    const edges = starts.map((text) => Date.parse(text) * 1000);
    const span = { fromUs: edges[0] ?? 0, toUs: edges.at(-1) ?? 0 };
    const days = edges.slice(0, -1).map((startUs) => ({ startUs, expected: 96, present: 96 }));
    const page = reportHtml(reportOf([valveOf(0, { days }, span)], { ...span, timezone: 'Africa/Cairo' }), ASSETS);
    return [...page.matchAll(/<li title="(.*?): .*? kWh(.*?)"/g)].map(([, day, note]) => `${day}${note}`);
  };
  expect(barsOf('2025-04-23T22:00Z', '2025-04-24T22:00Z')).toEqual(['Thu 24 Apr']);
  expect(barsOf('2025-04-24T22:00Z', '2025-04-25T21:00Z')).toEqual(['Fri 25 Apr']);
  expect(barsOf('2025-04-24T23:00Z', '2025-04-25T20:00Z')).toEqual(['Fri 25 Apr, part of the day']);
});

test('a report of a single valve has no table to choose from, but its days', () => {
  const page = reportHtml(reportOf([valveOf(0)]), ASSETS);
  expect(page).not.toContain('overview-table');
  expect(page).not.toContain('Valves reporting');
  expect(page).toContain('<svg class="strip" viewBox="0 0 8 1"');
});

test('readings without a value are a problem, with their time', () => {
  const span = { fromUs: local('2026-11-18T03:00'), toUs: local('2026-11-18T06:15') };
  const page = reportHtml(reportOf([valveOf(0, { withoutValues: [{ ...span, names: ['flow', 'power'] }] })]), ASSETS);
  expect(problemsOf(page)).toEqual(['Readings without flow, power · Valve 1: Wed 18 Nov 03:00 – 06:15 (3 h 15 min)']);
});

test('accounts have a column and a filter where there are several', () => {
  const page = reportHtml(reportOf([valveOf(0, { account: 'north' }), valveOf(1)]), ASSETS);
  expect(page).toContain('<select name="account"><option value="">all</option><option value="(none)">(none)</option>');
  expect(page).toContain('data-account="(none)"');
  expect(textOf(page)).toContain('Newest readingAccount');
});

test('of thousands of events, the page lists the newest, and says where all are', () => {
  const fromUs = local('2026-11-18T03:00');
  const jump = { regime: 1, kind: 'jump', fromUs, toUs: fromUs + 1, fromKwh: 1, toKwh: 2, countedKwh: 0 } as const;
  const last = { ...jump, fromUs: fromUs + US_PER_HOUR, toUs: fromUs + US_PER_HOUR + 1, fromKwh: 77_777 };
  const events = [...Array.from({ length: 2999 }, () => jump), last];
  const html = reportHtml(reportOf([valveOf(0, { events })]), ASSETS);
  expect(html.match(/<td>jump<\/td>/g)).toHaveLength(100);
  expect(textOf(html)).toContain('3 000 events');
  expect(textOf(html)).toContain('77 777');
  expect(textOf(html)).toContain('The newest 100; "tasmart events" lists them all.');
});

test('events of a counter are listed with what is counted for them', () => {
  const event = { fromUs: local('2026-11-18T03:00'), toUs: local('2026-11-18T06:15') };
  const glitch = { ...event, regime: 1, kind: 'glitch', fromKwh: 163_064, toKwh: 70, countedKwh: 6 } as const;
  const text = textOf(reportHtml(reportOf([valveOf(0, { events: [glitch] })]), ASSETS));
  expect(text).toContain('1 event');
  expect(text).toContain('Wed 18 Nov 03:00 – 06:15 glitch 1 163 064 70 6.0');
});

test('a failing valve, targets never found, and runs that failed or stopped are told', () => {
  const newestUs = TO_US - 2 * US_PER_HOUR;
  const behind = valveOf(0, { label: 'Boiler', state: 'behind', newestUs, ageUs: 2 * US_PER_HOUR });
  const failed = { ...RUN, outcome: 'failed', error: 'HyCloud: HTTP 503', ageUs: 50 * US_PER_MINUTE } as const;
  const data = reportOf([behind], {
    newestRun: failed,
    lastSuccess: null,
    unknownTargets: ['no valve "abc" was ever found'],
  });
  expect(problemsOf(reportHtml(data, ASSETS))).toEqual([
    'no valve "abc" was ever found.',
    'No run has begun since Mon 23 Nov 00:00 (50 min): is it still scheduled?',
    'The last run (Mon 23 Nov 00:00, 50 min ago) failed: HyCloud: HTTP 503; no run has succeeded yet.',
    'Failing: HyCloud was not asked, or not with success · Boiler: no reading since Sun 22 Nov 22:03 (2 h)',
  ]);
  expect(problemsOf(reportHtml(reportOf([], { newestRun: null }), ASSETS))).toEqual(['No poll has run yet.']);
});

test('a valve that left is no problem, and counts in nothing but the energy', () => {
  const left = valveOf(0, { state: 'left', untilUs: local('2026-11-18T12:00') });
  const text = textOf(reportHtml(reportOf([left, valveOf(1)]), ASSETS));
  expect(text).toContain('No problem found.');
  expect(text).toContain('Valves reporting 1 of 1 0 silent · 0 failing · 1 no longer listed');
  expect(text).toContain('Data complete 100 %');
});

test('nothing but the page’s own script and style may run, and nothing may be loaded', () => {
  const page = reportHtml(sevenValves(), ASSETS);
  const hash = (text: string): string => createHash('sha256').update(text).digest('base64');
  const [, policy = ''] = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page) ?? [];
  expect(policy.replaceAll('&#39;', "'")).toBe(
    `default-src 'none'; script-src 'sha256-${hash(ASSETS.script)}'; style-src 'sha256-${hash(ASSETS.style)}'; base-uri 'none'; form-action 'none'`,
  );
  expect(page).toContain(`<script>${ASSETS.script}</script>`);
  expect(page).toContain(`<style>${ASSETS.style}</style>`);
  expect(page).not.toMatch(/https?:|<link|<img|<iframe| style="| src="/);
  expect(page.match(/ href="[^#]/g)).toBeNull();
});

test.each(['silent', 'behind', 'left', null] as const)('a valve that is %s has a mark of its own', async (state) => {
  const page = reportHtml(reportOf([valveOf(0, { state }), valveOf(1)]), ASSETS);
  const [, mark = ''] = /<span class="state (.*?)"/.exec(page) ?? [];
  const css = await readFile(new URL('../../../src/reporting/report/page/table.css', import.meta.url), 'utf8');
  expect(css).toMatch(new RegExp(`^\\.state\\.${mark}[ ,]`, 'm'));
});

test('a valve is found by its serial, however long its name', () => {
  const valve = valveOf(0, { label: 'x'.repeat(300) });
  const [, search = ''] = /data-search="(.*?)"/.exec(reportHtml(reportOf([valve, valveOf(1)]), ASSETS)) ?? [];
  expect(search).toContain(valve.fullSn);
});

test('where only some bars have a date, the month is named where it changes', () => {
  const span = { fromUs: local('2026-05-01T00:00'), toUs: local('2026-11-22T00:00') };
  const page = reportHtml(reportOf([valveOf(0, { stepUs: 6 * US_PER_HOUR }, span)], span), ASSETS);
  const [, days = ''] = /<ol class="days".*?>(.*?)<\/ol>/s.exec(page) ?? [];
  const dates = [...days.matchAll(/<span aria-hidden="true">(.*?)<\/span>/gs)].map(([, date = '']) => textOf(date));
  expect(dates.filter((date) => date !== '')).toEqual([
    '10May',
    '23',
    '5Jun',
    '18',
    '1Jul',
    '14',
    '27',
    '9Aug',
    '22',
    '4Sep',
    '17',
    '30',
    '13Oct',
    '26',
    '8Nov',
    '21',
  ]);
});

test('an event that began before the clocks changed has its local time', () => {
  const event = { regime: 1, kind: 'gap', fromKwh: 1, toKwh: 2, countedKwh: 1 } as const;
  const fromUs = local('2026-07-01T10:00');
  const valve = valveOf(0, { events: [{ ...event, fromUs, toUs: local('2026-11-17T00:00') }] });
  const page = reportHtml(reportOf([valve], { stored: { fromUs: local('2026-06-01T00:00'), toUs: TO_US } }), ASSETS);
  expect(textOf(page)).toContain('Wed 1 Jul 10:00 – Tue 17 Nov 00:00 gap');
});

test('a hostile name is text: cut, escaped, and with its control characters spelled out', () => {
  const page = reportHtml(sevenValves(), ASSETS);
  expect(page).not.toMatch(/[\u0000\u202E\u2066]/);
  expect(page.match(/<script/g)).toHaveLength(2 + 7);
  expect(page).not.toContain('<img');
  expect(page).toContain('&quot;&gt;&lt;script&gt;');
  expect(textOf(page)).toContain('</section>\\u{0}\\u{202e}evil\\u{2066}');
  expect(page).not.toMatch(/x{301}/);
  expect(HOSTILE).toContain('\u202E');
});

test('data for the script ends no block, whatever it holds, and stays JSON', () => {
  const page = reportHtml(sevenValves(), ASSETS);
  const blocks = [...page.matchAll(/<script type="application\/json" id="([^"]+)">(.*?)<\/script>/gs)];
  expect(blocks.map(([, id]) => id)).toEqual([1, 2, 3, 4, 5, 6, 7].map((n) => `valve-${n}-data`).concat('report-data'));
  for (const [, , json = ''] of blocks) expect(() => JSON.parse(json) as unknown).not.toThrow();
  const [, , sixth = ''] = blocks[5] ?? [];
  expect((JSON.parse(sixth) as { errors: [number, number, string][] }).errors[0]?.[2]).toContain('</section>');
});

test('a day counts as complete only when nothing is missing', () => {
  const hole = { fromUs: local('2026-11-18T03:01'), toUs: local('2026-11-18T03:20') };
  const page = reportHtml(reportOf([valveOf(0, { holes: [hole] })]), ASSETS);
  const [, strip = ''] = /<svg class="strip"(.*?)<\/svg>/s.exec(page) ?? [];
  expect(strip).toContain('aria-label="1 of 8 days incomplete"');
  expect(strip).toContain('<path class="c3" d="M2 0h.9v1h-.9z"/>');
  expect(strip.match(/M\d/g)).toHaveLength(8);
});

test('without the script the numbers are there, day by day, the newest first', () => {
  const text = textOf(reportHtml(sevenValves(), ASSETS));
  expect(text).toContain('Measured values: least · most of the day.');
  expect(text).toMatch(/Mon 23 Nov\d of \d.*Sun 22 Nov\d+ of 96/);
  expect(text).toMatch(/Thu 19 Nov96 of 96≥\d+\.\d/);
});

test('the days add up to the total, also where the report begins within an hour', () => {
  const span = { fromUs: local('2026-11-16T00:20'), toUs: TO_US };
  const valve = valveOf(0, {}, span);
  const page = reportHtml(reportOf([valve], span), ASSETS);
  const days = [...page.matchAll(/<tr><th scope="row">[^<]*<td>\d+ of \d+<td>([\d.]+)<td>/g)].map(([, kwh]) =>
    Number(kwh),
  );
  expect(days).toHaveLength(8);
  expect(days.reduce((sum, kwh) => sum + kwh, 0)).toBeCloseTo(valve.energy[0]?.totalKwh ?? NaN, 0);
});

test('a hundred valves’ month stays small', () => {
  const span = { fromUs: local('2026-10-12T00:00'), toUs: local('2026-11-11T00:03') };
  const valves = Array.from({ length: 10 }, (_, index) => valveOf(index, { stepUs: 36 * US_PER_MINUTE }, span));
  const page = reportHtml(reportOf(valves, span), ASSETS);
  expect(page.length / valves.length).toBeLessThan(100_000);
});

test('local time is that of the zone: a day of 25 hours, and an hour that comes twice', () => {
  const offsets = zoneOffsets('Europe/Rome', local('2026-10-24T00:00'), local('2026-10-27T00:00'));
  const changeS = Date.UTC(2026, 9, 25, 1) / 1000;
  expect(offsets.slice(1)).toEqual([[changeS, 3600]]);
  expect(timeText(offsets, changeS - 1800)).toBe('Sun 25 Oct 02:30 (UTC+2:00)');
  expect(timeText(offsets, changeS + 1800)).toBe('Sun 25 Oct 02:30 (UTC+1:00)');
  expect(spanText(offsets, changeS + 3600, changeS + 7200)).toBe('Sun 25 Oct 03:00 – 04:00');
  expect(timeOf(offsets, Date.UTC(2026, 9, 26) / 1000) - timeOf(offsets, Date.UTC(2026, 9, 25) / 1000)).toBe(25 * 3600);
  const year = zoneOffsets('Europe/Rome', local('2026-01-01T00:00'), local('2026-11-01T00:00'));
  expect(timeOf(year, Date.UTC(2026, 9, 25, 2, 30) / 1000)).toBe(changeS - 1800);
  const spring: ZoneOffsets = zoneOffsets('Europe/Rome', local('2026-03-28T00:00'), local('2026-03-30T12:00'));
  expect(timeOf(spring, Date.UTC(2026, 2, 29, 2, 30) / 1000)).toBe(Date.UTC(2026, 2, 29, 1, 30) / 1000);
});

test('an empty registry makes a page, too', () => {
  const text = textOf(reportHtml(reportOf([], { fromUs: FROM_US }), ASSETS));
  expect(text).toContain('No valve is known yet');
  expect(text).toContain('0 of 0 readings Last run');
});
