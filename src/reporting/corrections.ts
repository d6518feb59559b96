/** Prints corrections: in words, as JSON and as CSV; and what a correction changed. */
import type { Consumption, MeteredValve } from '../database/consumption.ts';
import type { StoredCorrection } from '../database/corrections.ts';
import { escapeAndCut } from '../domain/text.ts';
import { formatRfc3339, type Micros } from '../domain/time.ts';
import { valveLabel } from '../domain/valve.ts';
import type { Correction } from '../domain/energy.ts';
import { groupByRegime, kwhText } from './consumption.ts';
import { sumDecimals } from './decimal.ts';
import { recordsText, VALVE_COLUMNS, type Columns } from './records.ts';
import { localDateTime, localTime } from './units.ts';

/** A correction, and its valve. */
export interface ListedCorrection extends StoredCorrection {
  valve: MeteredValve;
}

const NOTE_LENGTH = 200;

export function correctionsText(
  format: 'table' | 'json' | 'csv',
  corrections: readonly ListedCorrection[],
  timezone: string,
): string {
  if (format !== 'table') return recordsText(format, COLUMNS, corrections);
  if (corrections.length === 0) return 'no corrections\n';
  return corrections.map((correction) => describe(correction, timezone)).join('');
}

function describe({ number, valve, correction, note, author, createdUs, undone }: ListedCorrection, timezone: string) {
  const lines = [
    `${number}  ${escapeAndCut(valveLabel(valve))}: ${correctionText(correction, timezone)}`,
    `   ${escapeAndCut(author)}, ${localTime(createdUs, timezone)}: ${escapeAndCut(note, NOTE_LENGTH)}`,
  ];
  if (undone) lines.push(`   undone by ${escapeAndCut(undone.by)}, ${localTime(undone.atUs, timezone)}`);
  return `${lines.join('\n')}\n`;
}

export function correctionText(correction: Correction, timezone: string): string {
  if (correction.kind === 'replaced') return `counter replaced at ${localTime(correction.atUs, timezone)}`;
  const [from, to] = [correction.fromUs, correction.toUs].map((timeUs) => localTime(timeUs, timezone));
  return `readings excluded from ${from} until before ${to}`;
}

const COLUMNS: Columns<ListedCorrection> = {
  number: ({ number }) => number,
  ...VALVE_COLUMNS,
  kind: ({ correction }) => correction.kind,
  starts: ({ correction }) => formatRfc3339(correction.kind === 'exclude' ? correction.fromUs : correction.atUs),
  ends: ({ correction }) => (correction.kind === 'exclude' ? formatRfc3339(correction.toUs) : null),
  note: ({ note }) => note,
  author: ({ author }) => author,
  created_at: ({ createdUs }) => formatRfc3339(createdUs),
  undone_at: ({ undone }) => undone && formatRfc3339(undone.atUs),
  undone_by: ({ undone }) => undone?.by ?? null,
};

/** What a correction changed, a line per regime. `before` and `after` are a valve's days. */
export function changeText(before: readonly Consumption[], after: readonly Consumption[], timezone: string): string {
  const daysBefore = groupByRegime(before);
  const daysAfter = groupByRegime(after);
  const regimes = [...new Set([...daysBefore.keys(), ...daysAfter.keys()])].sort();
  return regimes
    .map((regime) => {
      const change = changeOf(daysBefore.get(regime) ?? [], daysAfter.get(regime) ?? [], timezone);
      return `  regime ${regime}${change}\n`;
    })
    .join('');
}

/** The change of one regime, from the first day that changed to the last. */
function changeOf(before: readonly Consumption[], after: readonly Consumption[], timezone: string): string {
  const daysBefore = byStart(before);
  const daysAfter = byStart(after);
  const starts = [...new Set([...daysBefore.keys(), ...daysAfter.keys()])].sort((a, b) => a - b);
  const changed = starts.filter((startUs) => {
    const [dayBefore, dayAfter] = [daysBefore.get(startUs), daysAfter.get(startUs)];
    return dayBefore?.kwh !== dayAfter?.kwh || dayBefore?.quality !== dayAfter?.quality;
  });
  const [first, last] = [changed[0], changed.at(-1)];
  if (first === undefined || last === undefined) return ': all days keep their kWh and quality';
  const kwhOf = (days: readonly Consumption[]): string => {
    const inSpan = days.filter(({ startUs }) => first <= startUs && startUs <= last);
    return kwhText(sumDecimals(inSpan.map(({ kwh }) => kwh)), 'day');
  };
  const [kwhBefore, kwhAfter] = [kwhOf(before), kwhOf(after)];
  const [from, to] = [first, last].map((startUs) => localDateTime(startUs, timezone).toFormat('yyyy-LL-dd'));
  const span = from === to ? from : `${from} to ${to}`;
  if (kwhBefore !== kwhAfter) return `, ${span}: ${kwhBefore} kWh before, ${kwhAfter} kWh now`;
  const moved = movedText(changed.map((startUs) => kwhAt(daysAfter, startUs) - kwhAt(daysBefore, startUs)));
  const otherQuality = changed.filter(
    (startUs) => daysBefore.get(startUs)?.quality !== daysAfter.get(startUs)?.quality,
  );
  const qualities = new Set(otherQuality.map((startUs) => daysAfter.get(startUs)?.quality ?? 'missing'));
  const quality = qualities.size > 0 ? `, now ${[...qualities].join(', ')}` : '';
  return `, ${span}: ${kwhAfter} kWh as before${moved}${quality}`;
}

/** How many kWh moved from day to day, given each day's change. The sum of all days stays the same, as it is printed. */
function movedText(changes: readonly number[]): string {
  const movedKwh = changes.reduce((sum, change) => sum + Math.abs(change), 0) / 2;
  if (movedKwh === 0) return '';
  return movedKwh < 0.05 ? ', within 0.1 kWh' : `, ${kwhText(movedKwh, 'day')} kWh moved between days`;
}

function kwhAt(days: ReadonlyMap<Micros, Consumption>, startUs: Micros): number {
  return Number(days.get(startUs)?.kwh ?? 0);
}

function byStart(days: readonly Consumption[]): Map<Micros, Consumption> {
  return new Map(days.map((day) => [day.startUs, day]));
}
