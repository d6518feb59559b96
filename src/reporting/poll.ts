/** Prints the result of `tasmart poll`: table, JSON or CSV. */
import type { PolledValve, PollReport } from '../polling/report.ts';
import { PROPERTIES, type PropertyName, type Reading } from '../domain/reading.ts';
import { count, escapeAndCut } from '../domain/text.ts';
import { formatRfc3339, type Micros } from '../domain/time.ts';
import { compareValves, valveLabel, type Valve } from '../domain/valve.ts';
import { formatCsv, type CsvValue } from './csv.ts';
import { formatJson } from './json.ts';
import type { Screen } from './screen.ts';
import { createTable, wrapText, type Column } from './table.ts';
import { durationText, counterText, flowText, localTime, powerText } from './units.ts';

/** A run's report, its requests and its duration. */
export interface PollSummary {
  report: PollReport;
  dryRun: boolean;
  requests: number;
  retries: number;
  seconds: number;
}

export interface PollView {
  timezone: string;
  properties: readonly PropertyName[];
  dryRun: boolean;
  /** undefined: not a terminal */
  screen?: Pick<Screen, 'width' | 'textWidth'>;
}

/**
 * Collects a run's valves batch by batch, and prints them after the run. Keeps only the text to print: a run after a long
 * outage may store millions of readings.
 */
export interface PollFormat {
  add: (valves: readonly PolledValve[], nowUs: Micros) => void;
  /** the output, in pieces */
  text: (summary: PollSummary) => Iterable<string>;
}

export function pollFormat(format: 'table' | 'json' | 'csv', view: PollView): PollFormat {
  return { table, json, csv }[format](view);
}

/** Separates the cells of a kept row. A cell is printable, so it contains no tab. */
const CELL_SEPARATOR = '\t';

/** A valve, by which the output is sorted, and the text to print of it: one string, which takes little memory. */
interface ValveText {
  valve: Valve;
  text: string;
}

function byValve(a: ValveText, b: ValveText): number {
  return compareValves(a.valve, b.valve);
}

/** One line per valve with its newest point, then one line about the run. */
function table({ timezone, dryRun, screen }: PollView): PollFormat {
  const columns: Column[] = [
    { heading: 'valve', minWidth: 20 },
    { heading: 'serial', rank: 3 },
    { heading: `time (${timezone})`, rank: 5, minWidth: 19 },
    { heading: 'age', align: 'right' },
    { heading: 'm³/h', align: 'right', rank: 2 },
    { heading: 'kW', align: 'right', rank: 1 },
    { heading: 'kWh 1', align: 'right' },
    { heading: 'kWh 2', align: 'right', rank: 4 },
    { heading: '' },
  ];
  const { fit, lines } = createTable(columns, screen?.width);
  const rows: ValveText[] = [];
  return {
    add: (valves, nowUs) => {
      for (const polled of valves) {
        const cells = [
          escapeAndCut(valveLabel(polled.valve)),
          escapeAndCut(polled.valve.shortSn ?? '–', 24),
          ...readingCells(polled.newest, timezone, nowUs),
          resultText(polled, dryRun),
        ];
        fit(cells);
        rows.push({ valve: polled.valve, text: cells.join(CELL_SEPARATOR) });
      }
    },
    *text(summary) {
      rows.sort(byValve);
      if (rows.length > 0) yield* lines(cellsOf(rows));
      yield `${rows.length > 0 ? '\n' : ''}${wrapText(summaryLine(summary), screen?.textWidth ?? Infinity, 2)}\n`;
    },
  };
}

/** The cells of one row at a time: all of them together would take the memory that `ValveText` saves. */
function* cellsOf(rows: readonly ValveText[]): Generator<string[], void, undefined> {
  for (const { text } of rows) yield text.split(CELL_SEPARATOR);
}

function readingCells(reading: Reading | null, timezone: string, nowUs: Micros): string[] {
  if (!reading) return ['–', '–', '–', '–', '–', '–'];
  return [
    localTime(reading.timeUs, timezone),
    durationText(nowUs - reading.timeUs),
    flowText(reading),
    powerText(reading),
    counterText(reading.energyCounter1Kwh),
    counterText(reading.energyCounter2Kwh),
  ];
}

/** What became of a valve: `stored`, `3 stored`, `unchanged`, `failed, 3 stored`. */
function resultText({ stored, failure, silent }: PolledValve, dryRun: boolean): string {
  const verb = dryRun ? 'would be stored' : 'stored';
  const storedText = stored.size === 1 ? verb : `${stored.size} ${verb}`;
  const fault = failure ? 'failed' : silent ? 'silent' : null;
  if (stored.size === 0) return fault ?? 'unchanged';
  return fault === null ? storedText : `${fault}, ${storedText}`;
}

function summaryLine({ report, dryRun, requests, retries, seconds }: PollSummary): string {
  const readings = `${count(report.stored, 'reading')} ${dryRun ? '(dry run: nothing stored)' : 'stored'}`;
  const counts = `${report.unchanged} unchanged, ${report.silent} silent, ${report.failures.length} failed`;
  const cost = `${count(requests, 'request')}, ${count(retries, 'retry', 'retries')}, ${seconds.toFixed(1)} s`;
  return `${count(report.valves, 'valve')}: ${readings}; ${counts}. ${cost}.`;
}

/** One object: the run, its readings, and its failures. */
function json(view: PollView): PollFormat {
  const texts: ValveText[] = [];
  return {
    add: (valves) => {
      for (const polled of valves) {
        const objects = polled.readings.map((reading) => indentJson(fields(reading, polled, view), '    '));
        if (objects.length > 0) texts.push({ valve: polled.valve, text: objects.join(',\n    ') });
      }
    },
    *text(summary) {
      const failures = summary.report.failures.map(({ valve, reason }) => ({ tasmart_id: valve?.id ?? null, reason }));
      yield `{\n  "run": ${indentJson(runFields(summary), '  ')},\n  "readings": [`;
      for (const [index, { text }] of texts.sort(byValve).entries()) yield `${index === 0 ? '' : ','}\n    ${text}`;
      yield `${texts.length > 0 ? '\n  ' : ''}],\n  "failures": ${indentJson(failures, '  ')}\n}\n`;
    },
  };
}

/** JSON of a value inside another value. The first line is not indented: the caller has written what stands before it. */
function indentJson(value: unknown, indent: string): string {
  return formatJson(value).trimEnd().replaceAll('\n', `\n${indent}`);
}

/** The readings alone, a line each. */
function csv(view: PollView): PollFormat {
  const heading = ['tasmart_id', 'short_sn', 'full_sn', 'user_id', 'time', ...view.properties, 'stored'];
  const texts: ValveText[] = [];
  return {
    add: (valves) => {
      for (const polled of valves) {
        const rows = polled.readings.map((reading) => Object.values(fields(reading, polled, view)).map(csvValue));
        texts.push({ valve: polled.valve, text: formatCsv(null, rows) });
      }
    },
    *text() {
      yield formatCsv(heading, []);
      for (const { text } of texts.sort(byValve)) yield text;
    },
  };
}

type FieldValue = CsvValue | readonly string[];

/** A reading in JSON and CSV, in HyCloud's own names and units. Keep the fields in the order of the CSV's heading. */
function fields(
  reading: Reading,
  { valve, stored }: PolledValve,
  { properties, dryRun }: PollView,
): Record<string, FieldValue> {
  return {
    tasmart_id: valve.id,
    short_sn: valve.shortSn,
    full_sn: valve.fullSn,
    user_id: valve.userId,
    time: formatRfc3339(reading.timeUs),
    ...Object.fromEntries(properties.map((name) => [name, reading[PROPERTIES[name].field]])),
    stored: stored.has(reading) && !dryRun,
  };
}

function csvValue(value: FieldValue): CsvValue {
  return value === null || typeof value !== 'object' ? value : value.join(' ');
}

/** A run's counts, named as in JSON and logs. */
export function runFields({ report, dryRun, requests, retries, seconds }: PollSummary) {
  return {
    outcome: report.outcome,
    dry_run: dryRun,
    valves: report.valves,
    stored: dryRun ? 0 : report.stored,
    unchanged: report.unchanged,
    silent: report.silent,
    failed: report.failures.length,
    requests,
    retries,
    seconds: Math.round(seconds * 1000) / 1000,
  };
}
