/** Prints the result of `tasmart verify`: table, JSON or CSV. */
import type { MeteredValve } from '../database/consumption.ts';
import { count, escapeAndCut, escapeHostile, quoteForShell } from '../domain/text.ts';
import { formatRfc3339, US_PER_SECOND, type Micros } from '../domain/time.ts';
import { valveLabel } from '../domain/valve.ts';
import type { Comparison, Finding } from '../energy/plausibility.ts';
import type { CounterEvent, Quality } from '../domain/energy.ts';
import { recordsText, VALVE_COLUMNS, type Columns } from './records.ts';
import type { Screen } from './screen.ts';
import { formatTable, wrapText, type Column } from './table.ts';
import { localTime } from './units.ts';

interface BucketValue {
  kwh: number | null;
  coverage: number;
  quality: Quality;
}

/** A bucket whose stored value differs from what the readings give. */
export interface Difference {
  bucket: string;
  regime: number;
  startUs: Micros;
  stored: BucketValue;
  recomputed: BucketValue;
}

/** The result for one valve. */
export interface Verification {
  valve: MeteredValve;
  /** false: the valve has unjudged readings, so the stored kWh are not compared */
  isJudged: boolean;
  /** number of readings in the span */
  readings: number;
  /** number of quarters of an hour that were compared, of both regimes */
  quarterHours: number;
  differences: readonly Difference[];
  /** number of events that are not stored, and of stored events that the readings do not give */
  events: { missing: number; extra: number };
  comparison: Comparison;
}

/** Whether the stored kWh and events are what the readings give. */
function isReproduced(verification: Verification): boolean {
  return verification.isJudged && differenceCount(verification) === 0;
}

function differenceCount({ differences, events }: Verification): number {
  return differences.length + events.missing + events.extra;
}

function isSoundValve(verification: Verification): boolean {
  return isReproduced(verification) && verification.comparison.finding === null;
}

export interface VerifiedValves {
  valves: readonly Verification[];
  /** number of valves that could not be verified */
  failed: number;
}

/** Whether every valve is sound, and at least one has a reading. */
export function isSound({ valves, failed }: VerifiedValves): boolean {
  return failed === 0 && valves.some(({ readings }) => readings > 0) && valves.every(isSoundValve);
}

/** The result in one line. */
export function verdictOf({ valves, failed }: VerifiedValves): string {
  const unverified = failed === 0 ? '' : `; ${count(failed, 'valve')} could not be verified`;
  const withReadings = valves.filter(({ readings }) => readings > 0).length;
  if (withReadings === 0) return `no valve has a reading in this span${unverified}`;
  const silent = valves.length - withReadings;
  const leftOut = `${silent === 0 ? '' : `; ${count(silent, 'valve')} without a reading`}${unverified}`;
  const quarterHours = valves.reduce((sum, valve) => sum + valve.quarterHours, 0);
  const compared = `${count(quarterHours, 'quarter hour')} of ${count(withReadings, 'valve')}`;
  const unjudged = valves.filter(({ isJudged }) => !isJudged).length;
  const wrongKwh = valves.filter(({ differences }) => differences.length > 0).length;
  const wrongEvents = valves.filter(
    (valve) => valve.isJudged && valve.differences.length === 0 && !isReproduced(valve),
  ).length;
  const suspicious = valves.filter(({ comparison }) => comparison.finding !== null).length;
  const problems: string[] = [];
  if (wrongKwh > 0) problems.push(`the stored kWh of ${count(wrongKwh, 'valve')} are not what the readings give`);
  if (wrongEvents > 0)
    problems.push(`the stored events of ${count(wrongEvents, 'valve')} are not what the readings give`);
  if (unjudged > 0) problems.push(`${count(unjudged, 'valve has', 'valves have')} readings that are not judged yet`);
  if (suspicious > 0) problems.push(`${count(suspicious, 'valve has', 'valves have')} a suspicious counter`);
  const allGood = 'the stored kWh are what the readings give, and the counters agree with measured power';
  return `${compared}: ${problems.join('; ') || allGood}${leftOut}`;
}

export interface VerifyView {
  timezone: string;
  screen: Pick<Screen, 'width' | 'textWidth'>;
}

export function verifyText(format: 'table' | 'json' | 'csv', verified: VerifiedValves, view: VerifyView): string {
  if (format === 'table') return verifyTable(verified, view);
  return recordsText(format, recordColumns(view.timezone), verified.valves);
}

const COLUMNS: Column[] = [
  { heading: '' },
  { heading: 'valve', minWidth: 20 },
  { heading: 'readings', align: 'right', rank: 2 },
  { heading: 'kWh', align: 'right' },
  { heading: 'by power', align: 'right' },
  { heading: 'tolerance', align: 'right', rank: 1 },
];

function verifyTable(verified: VerifiedValves, { timezone, screen }: VerifyView): string {
  const rows = verified.valves.map((verification) => {
    const { valve, readings, comparison } = verification;
    const { countedKwh, powerKwh, toleranceKwh } = comparison;
    const [power, tolerance] = powerKwh === null ? ['–', ''] : [powerKwh.toFixed(1), toleranceKwh.toFixed(1)];
    const label = escapeAndCut(valveLabel(valve));
    return [markOf(verification), label, String(readings), countedKwh.toFixed(1), power, tolerance];
  });
  const problems = verified.valves.flatMap((verification) =>
    messagesOf(verification, timezone).map(({ text, command }) => {
      const lines = [wrapText(`${escapeAndCut(valveLabel(verification.valve))}: ${text}`, screen.textWidth, 2)];
      // Do not wrap a command: users copy it.
      if (command !== undefined) lines.push('  If it was replaced:', `  ${command}`);
      return `${lines.join('\n')}\n`;
    }),
  );
  const verdict = wrapText(`${isSound(verified) ? '✓' : '✗'} ${verdictOf(verified)}`, screen.textWidth, 2);
  const table = rows.length > 0 ? formatTable(COLUMNS, rows, screen.width) : '';
  return [table, problems.join(''), `${verdict}\n`].filter((part) => part !== '').join('\n');
}

/** `–`: nothing is wrong, but the valve has no reading. */
function markOf(verification: Verification): string {
  if (!isSoundValve(verification)) return '✗';
  return verification.readings === 0 ? '–' : '✓';
}

/** What is wrong with a valve. */
interface Message {
  text: string;
  /** to be run if the counter was replaced */
  command?: string;
}

function messagesOf({ valve, isJudged, differences, events, comparison }: Verification, timezone: string): Message[] {
  const messages: Message[] = [];
  if (!isJudged) messages.push({ text: 'has readings that are not judged yet; "tasmart poll" judges them' });
  const [first, ...others] = differences;
  if (first) messages.push({ text: differenceText(first, others.length, timezone) });
  const { missing, extra } = events;
  if (missing + extra > 0) {
    messages.push({ text: `the stored events are not what the readings give: ${missing} missing, ${extra} too many` });
  }
  const { finding } = comparison;
  if (finding && isBreak(finding)) messages.push(breakMessage(finding, valve, timezone));
  else if (finding) messages.push({ text: findingText(finding, comparison) });
  return messages;
}

function differenceText(difference: Difference, otherCount: number, timezone: string): string {
  const { bucket, regime, startUs, stored, recomputed } = difference;
  const valueText = ({ kwh, coverage, quality }: BucketValue) =>
    `${kwh ?? 'no'} kWh, coverage ${Number(coverage.toFixed(6))}, ${quality}`;
  const bucketText = `regime ${regime}, ${bucket} from ${localTime(startUs, timezone)}`;
  const others = otherCount > 0 ? ` (and ${count(otherCount, 'other bucket')})` : '';
  return `${bucketText}: stored ${valueText(stored)}; the readings give ${valueText(recomputed)}${others}`;
}

/** The counter's unit by the factor that it shows too much. One entry per UNIT_FACTORS in energy/plausibility.ts. */
const UNITS: Record<number, string> = {
  1000: 'Wh instead of kWh',
  100: '0.01 kWh instead of kWh',
  10: '0.1 kWh instead of kWh',
  0.1: '10 kWh instead of kWh',
  0.01: '100 kWh instead of kWh',
  0.001: 'MWh instead of kWh',
};

/** A counter that broke at an event: a reset or a jump. */
type Break = Extract<Finding, { event: CounterEvent }>;

function isBreak(finding: Finding): finding is Break {
  return 'event' in finding && finding.event !== null;
}

function findingText(finding: Exclude<Finding, Break>, { countedKwh, powerKwh }: Comparison): string {
  switch (finding.kind) {
    case 'restored':
      return `a restored counter? It falls back again and again, and loses energy: power shows ${wholeKwhText(powerKwh)}, the counter ${wholeKwhText(countedKwh)}`;
    case 'unit':
      return `a counter in another unit? It shows ${finding.factor} times the measured energy: ${UNITS[finding.factor] ?? ''}`;
    case 'no-counter':
      return `no counter is read, though power shows ${wholeKwhText(powerKwh)}`;
    case 'stands-still':
      return `the counter stands still though power is measured: ${wholeKwhText(powerKwh)}`;
    case 'no-power':
      return `the counter counts though no power is measured: ${wholeKwhText(countedKwh)}`;
    case 'power':
      return `measured power comes to ${Math.round(finding.share * 100)} % of the counter: a wrong counter or sensor?`;
  }
}

function breakMessage({ kind, regime, event, more }: Break, valve: MeteredValve, timezone: string): Message {
  const { fromUs, toUs, fromKwh, toKwh } = event;
  const guess = kind === 'swapped' ? 'a swapped meter?' : 'a restored counter?';
  const verb = event.kind === 'reset' ? 'fell' : 'jumped';
  const shownBefore = kind === 'restored' ? ', a value that it had shown before' : '';
  const when = `between ${localTime(fromUs, timezone)} and ${localTime(toUs, timezone)}`;
  const others = more > 0 ? `; a counter broke ${count(more, 'more time', 'more times')}` : '';
  const name = quoteForShell(escapeHostile(valve.shortSn ?? valve.id));
  // Any time after the old counter's last reading is correct. A whole second is shorter to type.
  const secondUs = Math.floor(toUs / US_PER_SECOND) * US_PER_SECOND;
  const at = formatRfc3339(secondUs > fromUs ? secondUs : toUs).replace('.000000Z', 'Z');
  return {
    text: `${guess} Regime ${regime} ${verb} from ${wholeKwhText(fromKwh)} to ${wholeKwhText(toKwh)}${shownBefore}, ${when}${others}`,
    command: `tasmart correct ${name} --replaced --at ${at} --note "why"`,
  };
}

function wholeKwhText(kwh: number | null): string {
  return kwh === null ? 'nothing' : `${Math.round(kwh)} kWh`;
}

function recordColumns(timezone: string): Columns<Verification> {
  return {
    ...VALVE_COLUMNS,
    readings: ({ readings }) => readings,
    quarter_hours: ({ quarterHours }) => quarterHours,
    differences: differenceCount,
    counted_kwh: ({ comparison }) => roundKwh(comparison.countedKwh),
    power_kwh: ({ comparison: { powerKwh } }) => powerKwh && roundKwh(powerKwh),
    tolerance_kwh: ({ comparison }) => roundKwh(comparison.toleranceKwh),
    agrees: isReproduced,
    finding: ({ comparison }) => comparison.finding?.kind ?? null,
    message: (verification) => {
      const messages = messagesOf(verification, timezone).map(({ text, command }) => {
        return command === undefined ? text : `${text}; if it was replaced: ${command}`;
      });
      return messages.join('; ') || null;
    },
  };
}

/** Removes the noise of adding doubles. */
function roundKwh(kwh: number): number {
  return Number(kwh.toFixed(6));
}
