import type { PolledValve, PollReport } from '../polling/run.ts';
import { PROPERTIES, type PropertyName, type Reading } from '../domain/reading.ts';
import { formatRfc3339, type Micros } from '../domain/time.ts';
import { valveLabel } from '../domain/valve.ts';
import { formatCsv, type CsvValue } from './csv.ts';
import { formatJson } from './json.ts';
import { formatTable, type Column } from './table.ts';
import { count, printable } from './text.ts';
import { age, counterKwh, flowM3h, localTime, powerKw } from './units.ts';

/** A report with what the run cost. */
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
}

/** One line per valve, its youngest point; then one line about the run. */
export function pollTable(summary: PollSummary, { timezone }: PollView): string {
  const columns: Column[] = [
    { heading: 'valve' },
    { heading: 'serial' },
    { heading: `time (${timezone})` },
    { heading: 'age', align: 'right' },
    { heading: 'm³/h', align: 'right' },
    { heading: 'kW', align: 'right' },
    { heading: 'kWh 1', align: 'right' },
    { heading: 'kWh 2', align: 'right' },
    { heading: '' },
  ];
  const rows = [...summary.report.polled]
    .sort((a, b) => valveLabel(a.valve).localeCompare(valveLabel(b.valve)))
    .map((polled) => [
      printable(valveLabel(polled.valve), 32),
      printable(polled.valve.shortSn ?? '–', 24),
      ...readingCells(polled.newest, timezone, summary.report.nowUs),
      fate(polled, summary.dryRun),
    ]);
  return `${rows.length > 0 ? `${formatTable(columns, rows)}\n` : ''}${summaryLine(summary)}\n`;
}

function readingCells(reading: Reading | null, timezone: string, nowUs: Micros): string[] {
  if (!reading) return ['–', '–', '–', '–', '–', '–'];
  return [
    localTime(reading.timeUs, timezone),
    age(nowUs - reading.timeUs),
    flowM3h(reading),
    powerKw(reading),
    counterKwh(reading.energyCounter1Kwh),
    counterKwh(reading.energyCounter2Kwh),
  ];
}

function fate({ failure, silent, readings }: PolledValve, dryRun: boolean): string {
  const stored = readings.filter((reading) => reading.stored).length;
  const done = dryRun ? 'would be stored' : 'stored';
  const what = stored > 1 ? `${stored} ${done}` : stored === 1 ? done : 'unchanged';
  if (failure !== null) return stored > 0 ? `failed, ${what}` : 'failed';
  if (silent) return stored > 0 ? `silent, ${what}` : 'silent';
  return what;
}

function summaryLine({ report, dryRun, requests, retries, seconds }: PollSummary): string {
  const valves = count(report.polled.length + report.problems.length, 'valve');
  const readings = `${count(report.stored, 'reading')} ${dryRun ? '(dry run: nothing stored)' : 'stored'}`;
  const fates = `${report.unchanged} unchanged, ${report.silent} silent, ${report.failed} failed`;
  const cost = `${count(requests, 'request')}, ${count(retries, 'retry', 'retries')}, ${seconds.toFixed(1)} s`;
  return `${valves}: ${readings}; ${fates}. ${cost}.`;
}

/** One object: the run, its readings in HyCloud's own names and units, and its failures. */
export function pollJson(summary: PollSummary, { properties }: PollView): string {
  const { report } = summary;
  return formatJson({
    run: runFields(summary),
    readings: report.polled.flatMap(({ valve, readings }) =>
      readings.map(({ reading, stored }) => ({
        tasmart_id: valve.id,
        short_sn: valve.shortSn,
        full_sn: valve.fullSn,
        user_id: valve.userId,
        time: formatRfc3339(reading.timeUs),
        ...Object.fromEntries(properties.map((name) => [name, reading[PROPERTIES[name].field]])),
        stored: stored && !summary.dryRun,
      })),
    ),
    failures: failuresOf(report).map(({ valve, reason }) => ({ tasmart_id: valve?.id ?? null, reason })),
  });
}

/** The readings alone, a line each. */
export function pollCsv({ report, dryRun }: PollSummary, { properties }: PollView): string {
  const rows = report.polled.flatMap(({ valve, readings }) =>
    readings.map(({ reading, stored }): CsvValue[] => [
      valve.id,
      valve.shortSn,
      valve.fullSn,
      valve.userId,
      formatRfc3339(reading.timeUs),
      ...properties.map((name) => csvValue(reading[PROPERTIES[name].field])),
      stored && !dryRun,
    ]),
  );
  return formatCsv(['tasmart_id', 'short_sn', 'full_sn', 'user_id', 'time', ...properties, 'stored'], rows);
}

function csvValue(value: Reading[keyof Reading]): CsvValue {
  return Array.isArray(value) ? value.join(' ') : (value as Exclude<typeof value, readonly string[]>);
}

/** The counts of a run, as JSON, logs and the table of runs name them. */
export function runFields({ report, dryRun, requests, retries, seconds }: PollSummary) {
  return {
    outcome: report.outcome,
    dry_run: dryRun,
    valves: report.polled.length + report.problems.length,
    stored: dryRun ? 0 : report.stored,
    unchanged: report.unchanged,
    silent: report.silent,
    failed: report.failed,
    requests,
    retries,
    seconds: Math.round(seconds * 1000) / 1000,
  };
}

interface ReportedFailure {
  valve: PolledValve['valve'] | null;
  reason: string;
  remedy: string | null;
}

/** What failed, a valve each; null: a configured valve that HyCloud does not show. */
export function failuresOf(report: PollReport): ReportedFailure[] {
  return [
    ...report.problems.map((reason) => ({
      valve: null,
      reason,
      remedy: 'run "tasmart valves" to see what the key can see',
    })),
    ...report.polled.flatMap(({ valve, failure, remedy }) =>
      failure === null ? [] : [{ valve, reason: failure, remedy }],
    ),
  ];
}
