import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startSimulator } from '../../scripts/simulator/simulator.ts';
import { openReport } from '../../src/commands/report.ts';
import { parseConfig } from '../../src/config/parse.ts';
import { withConnection } from '../../src/database/connection.ts';
import { US_PER_DAY, US_PER_MINUTE, type Micros, type Span } from '../../src/domain/time.ts';
import { barsOf } from '../../src/reporting/report/energy.ts';
import type { ReportFrame, ValveReport } from '../../src/reporting/report/data.ts';
import { judgePending } from '../../src/energy/bookkeeping.ts';
import { LIMITS } from '../energy/support.ts';
import type { ReportSpan } from '../../src/reporting/report/valve-report.ts';
import { runCli, type CliResult } from '../support/cli.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';
import { us } from '../reporting/builder.ts';

const QUARTER_US = 15 * US_PER_MINUTE;

/** The day summer time ends in Rome, 2026: it has 25 hours. */
const MIDNIGHT = '2026-10-24T22:00:00Z';
const NEXT_MIDNIGHT = '2026-10-25T23:00:00Z';

let database: TestDatabase;
let folder: string;

beforeEach(async () => {
  database = await freshDatabase();
  folder = await mkdtemp(join(tmpdir(), 'tasmart-report-'));
});

afterEach(async () => {
  await database.drop();
  await rm(folder, { recursive: true });
});

function tasmart(args: readonly string[], env: Record<string, string> = {}): Promise<CliResult> {
  return runCli(args, { cwd: folder, env: { DATABASE_URL: database.url, ...env } });
}

async function sql(text: string, values: unknown[] = []): Promise<void> {
  await (await database.client()).query(text, values);
}

interface Stored {
  flow?: number | null;
  power?: number;
  kwh?: string | number | null;
  kwh2?: string | number | null;
  position?: number | null;
  local?: number;
  remote?: number | null;
  errors?: string[] | null;
}

/** A reading at each quarter that `at` says anything of, counted from a time on. */
async function readings(valve: string, from: string, quarters: number, at: (quarter: number) => Stored | null) {
  const rows = Array.from({ length: quarters }, (_, quarter) => {
    const stored = at(quarter);
    return stored && { ...stored, at: us(from) / 1e6 + quarter * 900 };
  });
  await sql(
    `insert into tasmart_data_table (tasmart_id, "timestamp", "time", measured_flow, measured_power,
       energy_counter_regime_1, energy_counter_regime_2, position, local_temp, remote_temp, error_status)
     select $1, at, to_timestamp(at), flow, power, kwh, kwh2, position, local, remote, errors
     from jsonb_to_recordset($2::jsonb) as row
       (at bigint, flow integer, power integer, kwh bigint, kwh2 bigint, position integer, local integer, remote integer, errors text[])`,
    [valve, JSON.stringify(rows.filter((row) => row !== null))],
  );
}

interface Asked extends Partial<ReportSpan> {
  from?: string;
  to?: string;
  only?: string[];
  config?: Record<string, unknown>;
}

/** Of the day of 25 hours, a while later, unless it is asked otherwise. */
async function report({
  from = MIDNIGHT,
  to = NEXT_MIDNIGHT,
  only = [],
  config = {},
  ...more
}: Asked = {}): Promise<Report> {
  const parsed = parseConfig(config, { DATABASE_URL: database.url }).config;
  const span = { fromUs: us(from), toUs: us(to), nowUs: us(to) + US_PER_DAY, timezone: 'Europe/Rome' };
  const giveUp = new AbortController().signal;
  const server = { ...database, sslMode: 'disable' as const, sslCaFile: null };
  return withConnection(server, { applicationName: 'test', giveUp }, async (session) => {
    await judgePending(session, LIMITS);
    const asked = { ...span, intervalMinutes: 15, ...more };
    const report = await openReport(session, parsed, asked, { choice: { valve: only }, signal: giveUp });
    const valves: ValveReport[] = [];
    for await (const valve of report.valves) valves.push(valve);
    return { ...report.frame, valves };
  });
}

type Report = ReportFrame & { valves: ValveReport[] };

function only({ valves }: Report): ValveReport {
  expect(valves).toHaveLength(1);
  return valves[0] ?? expect.fail('no valve');
}

function time(timeUs: Micros): string {
  return new Date(timeUs / 1000).toISOString().slice(11, 19);
}

function spans(list: readonly Span[]): string[] {
  return list.map(({ fromUs, toUs }) => `${time(fromUs)}–${time(toUs)}`);
}

/** 1 m³/h and 4 kW: one kWh a quarter. */
const STEADY = (quarter: number): Stored => ({ flow: 10_000, power: 40_000, kwh: 1000 + quarter });

describe('the day that has 25 hours', () => {
  test('with a reading for every boundary is whole', async () => {
    await readings('v', MIDNIGHT, 101, STEADY);
    const data = await report();
    expect(data).toMatchObject({ bucket: 'hour', timezone: 'Europe/Rome', intervalMinutes: 15 });
    const valve = only(data);
    expect(valve.days).toEqual([{ startUs: us(MIDNIGHT), expected: 100, present: 100 }]);
    expect(valve.gaps).toEqual([]);
    expect(valve.energy.map((each) => [each.regime, each.totalKwh, barsOf(each, 0).length])).toEqual([[1, 100, 25]]);
  });

  test('with a hole of two hours says when, and that the energy of it is estimated', async () => {
    await readings('v', MIDNIGHT, 101, (quarter) => (quarter > 40 && quarter < 48 ? null : STEADY(quarter)));
    const valve = only(await report());
    expect(spans(valve.gaps)).toEqual(['08:00:00–10:00:00']);
    expect(valve.days).toMatchObject([{ expected: 100, present: 93 }]);
    const qualities = valve.energy.flatMap((each) => barsOf(each, 0)).map(({ quality }) => quality);
    expect(qualities.slice(8, 13)).toEqual(['measured', 'measured', 'estimated', 'estimated', 'measured']);
  });

  test('is two days in another zone', async () => {
    await readings('v', MIDNIGHT, 101, STEADY);
    const valve = only(await report({ timezone: 'UTC' }));
    expect(valve.days).toEqual([
      { startUs: us(MIDNIGHT), expected: 8, present: 8 },
      { startUs: us('2026-10-25T00:00:00Z'), expected: 92, present: 92 },
    ]);
  });
});

test('what a valve measured comes in human units, and only what it sent', async () => {
  await readings('v', MIDNIGHT, 3, (n) => ({
    flow: 15_340 + n,
    power: 151_814,
    position: n === 1 ? null : 4_512,
    kwh: null,
  }));
  const valve = only(await report());
  expect(valve.timesUs).toEqual([0, 1, 2].map((n) => us(MIDNIGHT) + n * QUARTER_US));
  expect(valve.series).toMatchObject([
    { property: 'measured_flow', unit: 'm³/h', values: [1.534, 1.5341, 1.5342] },
    { property: 'measured_power', unit: 'kW', values: [15.1814, 15.1814, 15.1814] },
    { property: 'position', unit: '%', values: [45.12, null, 45.12] },
  ]);
  expect(valve.energy).toEqual([]);
});

test('error periods have their names, and end where the readings do', async () => {
  await readings('v', MIDNIGHT, 24, (quarter) => {
    if (quarter > 16) return null;
    const named = quarter >= 4 && quarter < 8 ? ['WarningAirBubbles'] : quarter >= 12 ? ['Other', 'A'] : [];
    return { flow: 1, power: 1, errors: named };
  });
  const valve = only(await report());
  expect(valve.errors.map((period) => `${spans([period]).join('')} ${period.names.join(' ')}`)).toEqual([
    '23:00:00–00:00:00 WarningAirBubbles',
    '01:00:00–02:00:00 A Other',
  ]);
  expect(valve.errorStatus).toEqual(['Other', 'A']);
});

test('the counters of the newest reading are exact up to 2^53 - 1, and so are the sums', async () => {
  const kwh = (quarter: number) => Number.MAX_SAFE_INTEGER - (8 - quarter);
  await readings('v', MIDNIGHT, 9, (quarter) => ({ power: 40_000, kwh: kwh(quarter), kwh2: 9_007_199_254_740_991 }));
  const valve = only(await report());
  expect(valve).toMatchObject({ counter1Kwh: 9_007_199_254_740_991, counter2Kwh: 9_007_199_254_740_991 });
  expect(valve.energy.map(({ totalKwh }) => totalKwh)).toEqual([8, 0]);
});

test('up to two months energy is read by the hour, above by the day; both add up to the same', async () => {
  await readings('v', '2026-06-01T00:00:00Z', 70 * 96 + 1, STEADY);
  const [shorter, longer] = await Promise.all([
    report({ from: '2026-06-01T00:00:00Z', to: '2026-08-02T00:00:00Z', timezone: 'UTC' }),
    report({ from: '2026-06-01T00:00:00Z', to: '2026-08-10T00:00:00Z', timezone: 'UTC' }),
  ]);
  const energy = (data: Report) => [
    data.bucket,
    only(data).energy.map((each) => barsOf(each, 0).length)[0],
    only(data).energy[0]?.totalKwh,
  ];
  expect(energy(shorter)).toEqual(['hour', 62 * 24, 5952]);
  expect(energy(longer)).toEqual(['day', 70, 6720]);
});

test('consumption is compared with as many days before; not where some of them have no kWh', async () => {
  await readings('v', '2026-10-18T22:00:00Z', 15 * 96 + 4, STEADY);
  const week = await report({ from: '2026-10-25T23:00:00Z', to: '2026-11-01T23:00:00Z' });
  // The day that clocks go back lies in the week before: it has one hour more.
  expect(week.previous).toEqual({ fromUs: us('2026-10-18T22:00:00Z'), toUs: us('2026-10-25T23:00:00Z') });
  expect(only(week).energy[0]).toMatchObject({ totalKwh: 672, previousKwh: 676 });
  const first = await report({ from: '2026-10-19T22:00:00Z', to: '2026-10-26T23:00:00Z' });
  expect(only(first).energy[0]).toMatchObject({ totalKwh: 676, previousKwh: null });
});

test('consumption is compared only if the kWh begin in the first 15 minutes of the previous period', async () => {
  await readings('from the start', '2026-03-01T23:07:00Z', 2 * 96 + 1, STEADY);
  await readings('last hour only', '2026-03-02T22:00:00Z', 25 * 4 + 1, STEADY);
  const { valves } = await report({ from: '2026-03-02T23:05:00Z', to: '2026-03-03T23:00:00Z' });
  const previous = valves.map(({ id, energy }) => [id, energy[0]?.totalKwh, energy[0]?.previousKwh]);
  expect(previous).toEqual([
    ['from the start', 96, expect.closeTo(95.5, 1)],
    ['last hour only', 96, null],
  ]);
});

test('the span before does not overlap a span of an hour, or of a day and two hours', async () => {
  await readings('v', MIDNIGHT, 1, STEADY);
  const hour = await report({ from: '2026-10-28T10:00:00Z', to: '2026-10-28T11:00:00Z' });
  expect(hour.previous).toEqual({ fromUs: us('2026-10-27T10:00:00Z'), toUs: us('2026-10-27T11:00:00Z') });
  const longer = await report({ from: '2026-10-28T10:00:00Z', to: '2026-10-29T12:00:00Z' });
  expect(longer.previous).toEqual({ fromUs: us('2026-10-26T10:00:00Z'), toUs: us('2026-10-27T12:00:00Z') });
});

test('a month is shown whole; more is thinned, and keeps its peak', async () => {
  await readings('v', '2026-06-01T00:00:00Z', 120 * 96, (n) => ({
    flow: (n * n * 7919) % 1009,
    power: n === 1234 ? 999_999 : (n * 104_729) % 1013,
    position: (n * n) % 97,
    kwh: n,
    kwh2: 0,
  }));
  const month = only(await report({ from: '2026-06-01T00:00:00Z', to: '2026-06-30T23:45:00Z' }));
  expect(month.timesUs).toHaveLength(30 * 96);
  const valve = only(await report({ from: '2026-06-01T00:00:00Z', to: '2026-09-28T23:45:00Z' }));
  expect(valve.timesUs.length).toBeGreaterThan(1000);
  expect(valve.timesUs.length).toBeLessThan(5001);
  const power = valve.series.find(({ property }) => property === 'measured_power')?.values ?? [];
  expect(valve.timesUs[power.indexOf(99.9999)]).toBe(us('2026-06-01T00:00:00Z') + 1234 * QUARTER_US);
});

test('of more valves than are loaded at once, each has its own readings, energy and events', async () => {
  const names = Array.from({ length: 21 }, (_, index) => `v${String(index).padStart(2, '0')}`);
  for (const [index, name] of names.entries()) {
    await readings(name, MIDNIGHT, 5, (n) => ({ flow: index, power: 10_000_000, kwh: n * index }));
  }
  // The last valve's counter falls, and stays down for longer than a glitch.
  await readings('v21', MIDNIGHT, 101, (n) => ({ flow: 21, power: 1, kwh: n < 2 ? 500 : 0 }));
  const { valves } = await report();
  expect(valves.map(({ id }) => id)).toEqual([...names, 'v21']);
  expect(valves.map(({ series }) => series[0]?.values[1])).toEqual(valves.map((_, index) => index / 10_000));
  expect(valves.slice(0, 21).map(({ energy }) => energy[0]?.totalKwh)).toEqual(names.map((_, index) => 4 * index));
  expect(valves.filter(({ events }) => events.length > 0).map(({ id }) => id)).toEqual(['v21']);
});

test('a reading without flow or power, and a counter that fell, are known with their times', async () => {
  // A day and more after the fall: until then it may be a glitch.
  await readings('v', MIDNIGHT, 150, (n) => ({
    flow: n === 4 ? null : 1,
    power: 40_000,
    kwh: n < 50 ? 5000 + n : n - 50,
  }));
  const valve = only(await report());
  const at = (quarter: number) => us(MIDNIGHT) + quarter * QUARTER_US;
  expect(valve.withoutValues).toEqual([{ fromUs: at(4), toUs: at(5), names: ['flow'] }]);
  expect(valve.events).toMatchObject([{ regime: 1, kind: 'reset' }]);
  expect(valve.events[0]?.fromUs).toBeLessThanOrEqual(at(50));
  expect(valve.events[0]?.toUs).toBeGreaterThanOrEqual(at(50));
});

test('events of both counters come in order of time; kWh are a lower bound as soon as a reset is decided', async () => {
  const fallsAt = (n: number, quarter: number) => (n < quarter ? 5000 + n : n - quarter);
  await readings('v', MIDNIGHT, 290, (n) => ({ power: 40_000, kwh: fallsAt(n, 100), kwh2: fallsAt(n, 20) }));
  const valve = only(await report());
  expect(valve.events.map(({ regime, kind }) => `${regime} ${kind}`)).toEqual(['2 reset', '1 reset']);
  expect(valve.energy.map(({ isLowerBound }) => isLowerBound)).toEqual([true, true]);
});

test('where both temperatures are stored, so is their difference', async () => {
  await readings('v', MIDNIGHT, 3, (n) => ({ flow: 1, power: 1, local: 301, remote: n === 1 ? null : 552 }));
  const valve = only(await report());
  expect(valve.series.at(-1)).toMatchObject({ property: 'delta_t', unit: 'K', values: [25.1, null, 25.1] });
});

describe('valves', () => {
  const HOSTILE = `</script><script>alert(1)</script>\u202e'"&`;

  beforeEach(async () => {
    await sql(`insert into tasmart_projects (project_id, name) values ('p', $1), ('q', 'Other')`, [`Casa ${HOSTILE}`]);
    await sql(
      `insert into tasmart_valves (tasmart_id, project_id, short_sn, full_sn, user_id, fw_version, backend_ref) values
         ('a', 'p', 'aaaaaaaa', '0123456789abcdefaaaaaaaa', $1, '1.2.3', 'R-1'),
         ('b', 'p', 'bbbbbbbb', null, null, null, null),
         ('c', 'q', 'cccccccc', null, 'Elsewhere', null, null)`,
      [HOSTILE],
    );
    for (const valve of ['a', 'c', 'stranger']) await readings(valve, MIDNIGHT, 10, STEADY);
  });

  test('keep their names as they are: escaping is the page’s', async () => {
    const { valves } = await report();
    expect(valves.find(({ id }) => id === 'a')).toMatchObject({
      label: HOSTILE,
      shortSn: 'aaaaaaaa',
      fullSn: '0123456789abcdefaaaaaaaa',
      projectName: `Casa ${HOSTILE}`,
      firmware: '1.2.3',
      backendRef: 'R-1',
      state: 'behind',
      counter1Kwh: 1009,
    });
  });

  test('of the same name are told apart by their serials', async () => {
    await sql(`update tasmart_valves set user_id = 'Radiator' where tasmart_id in ('b', 'c')`);
    const { valves } = await report();
    expect(valves.map(({ label }) => label)).toEqual(
      expect.arrayContaining(['Radiator (bbbbbbbb)', 'Radiator (cccccccc)', 'stranger']),
    );
  });

  test('are those of the status, with those that the registry does not know', async () => {
    const data = await report({ config: { target_project_id: '00000000-0000-0000-0000-000000000000' } });
    expect(data.unknownTargets).toEqual(['no valve of project 00000000-0000-0000-0000-000000000000 was ever polled']);
    expect(data.valves.map(({ id }) => id)).toEqual(['stranger']);
    const all = await report();
    expect(all.valves.map(({ id, label, state }) => [id, label, state]).sort()).toEqual([
      ['a', HOSTILE, 'behind'],
      ['b', 'bbbbbbbb', 'behind'],
      ['c', 'Elsewhere', 'behind'],
      ['stranger', 'stranger', null],
    ]);
  });

  test('without a reading have nothing, and lack nothing', async () => {
    const { valves } = await report({ only: ['bbbbbbbb'] });
    expect(valves).toMatchObject([
      {
        id: 'b',
        ...{ newestUs: null, ageUs: null, counter1Kwh: null, errorStatus: null, timesUs: [], gaps: [], energy: [] },
        days: [{ expected: 0, present: 0 }],
      },
    ]);
  });

  test('are only those that are named, by whatever name, targeted or not', async () => {
    const config = { target_project_id: '00000000-0000-0000-0000-000000000000' };
    const data = await report({ only: ['CCCCCCCC', 'stranger', '0123456789abcdefaaaaaaaa'], config });
    expect(data.valves.map(({ id, state }) => [id, state])).toEqual([
      ['a', 'behind'],
      ['c', 'behind'],
      ['stranger', null],
    ]);
    expect(data.unknownTargets).toEqual([]);
  });
});

describe('the command', () => {
  test('writes a page of what was polled, and says so in one line', async () => {
    const simulator = await startSimulator({ valves: 3 });
    try {
      await writeFile(join(folder, 'config.json'), JSON.stringify({ target_project_id: simulator.projects[0]?.id }));
      expect((await tasmart(['poll'], simulator.env())).code).toBe(0);
      await writeFile(join(folder, 'report.html'), 'an older one');
      const result = await tasmart(['report', '--out', 'report.html']);
      expect(result).toMatchObject({ code: 0, stderr: '' });
      expect(result.stdout).toMatch(/^report\.html: \d+ kB, 3 valves\n$/);
      const page = await readFile(join(folder, 'report.html'), 'utf8');
      for (const { id } of simulator.valves()) expect(page).toContain(id);
      expect((await readdir(folder)).sort()).toEqual(['config.json', 'report.html']);
    } finally {
      await simulator.close();
    }
  });

  test('writes it to stdout for -', async () => {
    await readings('a valve', MIDNIGHT, 10, STEADY);
    const result = await tasmart(['report', '--out', '-', '--from', MIDNIGHT, '--to', NEXT_MIDNIGHT]);
    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(result.stdout).toMatch(/^<!doctype html>/i);
    expect(result.stdout).toContain('a valve');
    expect(await readdir(folder)).toEqual([]);
  });

  test('shows the week before --to where no beginning is named', async () => {
    const { stdout } = await tasmart(['report', '--out', '-', '--to', '2026-10-26', '--tz', 'UTC']);
    expect(stdout).toContain(`"fromS":${Date.UTC(2026, 9, 19) / 1000},"toS":${Date.UTC(2026, 9, 26) / 1000},`);
  });

  test('makes an empty page before the first poll, and warns', async () => {
    const result = await tasmart(['report', '--out', 'report.html']);
    expect(result.code).toBe(0);
    expect(result.stdout).toMatch(/^report\.html: \d+ kB, 0 valves\n$/);
    expect(result.stderr).toContain('no valve was polled yet');
  });

  test.each([
    [[], 64, 'missing --out <file>'],
    [['--out', 'page.html', '--tz', 'Rome'], 64, '--tz Rome is not a time zone'],
    [['--out', 'page.html', '--tz', '+01:00'], 64, '--tz +01:00 is not a time zone'],
    [['--out', 'page.html', '--tz', 'CET'], 64, '--tz CET is not a time zone'],
    [['--out', 'page.html', '--from', 'noon'], 64, 'is not a time'],
    [['--out', 'page.html', '--from', '2026-10-26', '--to', '2026-10-25'], 64, 'is not before'],
    [['--out', 'page.html', '--valve', 'nobody'], 78, 'no valve with readings is called nobody'],
  ])('report %s ends with %i', async (args, code, words) => {
    await writeFile(join(folder, 'page.html'), 'an older one');
    const result = await tasmart(['report', ...args]);
    expect(result).toMatchObject({ code, stdout: '' });
    expect(result.stderr).toContain(words);
    expect(await readFile(join(folder, 'page.html'), 'utf8')).toBe('an older one');
    expect(await readdir(folder)).toEqual(['page.html']);
  });

  test.each([
    ['nowhere/page.html', 'cannot be written (ENOENT)'],
    ['page.html/page.html', 'cannot be written (ENOTDIR)'],
    ['/proc/page.html', 'cannot be written'],
    ['/dev/page.html', 'cannot be written'],
    ['a-folder', 'is not a file'],
    ['/dev/null', 'is not a file'],
  ])('--out %s is refused before the database is asked', async (out, words) => {
    await mkdir(join(folder, 'a-folder'));
    await writeFile(join(folder, 'page.html'), 'an older one');
    const result = await tasmart(['report', '--out', out], { DATABASE_URL: 'postgresql://nobody:x@127.0.0.1:1/none' });
    expect(result).toMatchObject({ code: 78, stdout: '' });
    expect(result.stderr).toContain(`--out ${out} ${words}`);
    expect((await readdir(folder)).sort()).toEqual(['a-folder', 'page.html']);
  });
});
