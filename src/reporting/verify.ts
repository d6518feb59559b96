/** What `tasmart verify` prints. */
import type { MeteredValve } from '../database/consumption.ts';
import { count, printable } from '../domain/text.ts';
import { formatRfc3339, US_PER_SECOND, type Micros } from '../domain/time.ts';
import { valveLabel } from '../domain/valve.ts';
import type { Comparison, Finding } from '../energy/plausibility.ts';
import type { Quality, Regime } from '../energy/types.ts';
import { recordsText, type Fields } from './records.ts';
import type { Screen } from './screen.ts';
import { formatTable, wrapText, type Column } from './table.ts';
import { localTime } from './units.ts';

interface BucketValue {
  kwh: number | null;
  coverage: number;
  quality: Quality;
}

/** A bucket whose stored value differs from the recomputed one. */
export interface Difference {
  bucket: string;
  regime: number;
  startUs: Micros;
  stored: BucketValue;
  recomputed: BucketValue;
}

export interface Verification {
  valve: MeteredValve;
  /** false: the valve has unjudged readings, so the stored kWh are not compared */
  isJudged: boolean;
  /** number of readings in the span */
  readings: number;
  /** number of quarters of an hour that were compared, of both regimes */
  quarterHours: number;
  differences: readonly Difference[];
  comparison: Comparison;
}

function agrees({ isJudged, differences }: Verification): boolean {
  return isJudged && differences.length === 0;
}

/** The result for each valve, and the number of valves that could not be verified. */
export interface VerifiedValves {
  all: readonly Verification[];
  failed: number;
}

export function isSound({ all, failed }: VerifiedValves): boolean {
  return failed === 0 && all.some(({ readings }) => readings > 0) && all.every(isSoundValve);
}

function isSoundValve(one: Verification): boolean {
  return agrees(one) && one.comparison.finding === null;
}

/** The result in one line. */
export function verdictOf({ all, failed }: VerifiedValves): string {
  const unverified = failed === 0 ? '' : `; ${count(failed, 'valve')} could not be verified`;
  const read = all.filter(({ readings }) => readings > 0);
  if (read.length === 0) return `no valve has a reading in this span${unverified}`;
  const silent = all.length - read.length;
  const without = `${silent === 0 ? '' : `; ${count(silent, 'valve')} without a reading`}${unverified}`;
  const wrong = all.filter((one) => !agrees(one)).length;
  const doubtful = all.filter(({ comparison }) => comparison.finding !== null).length;
  const quarterHours = all.reduce((sum, one) => sum + one.quarterHours, 0);
  const what = `${count(quarterHours, 'quarter hour')} of ${count(read.length, 'valve')}`;
  if (wrong === 0 && doubtful === 0) {
    return `${what}: the stored kWh are what the readings give, and the counters agree with measured power${without}`;
  }
  const problems = [
    wrong === 0 ? null : `the stored kWh of ${count(wrong, 'valve')} are not what the readings give`,
    doubtful === 0 ? null : `${count(doubtful, 'valve')} ${doubtful === 1 ? 'has' : 'have'} a suspicious counter`,
  ];
  return `${what}: ${problems.filter((problem) => problem !== null).join('; ')}${without}`;
}

export interface VerifyView {
  timezone: string;
  screen: Pick<Screen, 'width' | 'textWidth'>;
}

export function verifyText(format: 'table' | 'json' | 'csv', verified: VerifiedValves, view: VerifyView): string {
  if (format === 'table') return verifyTable(verified, view);
  const records = verified.all.map((one) => fields(one, view.timezone));
  return recordsText(format, FIELDS, records);
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
  const { all } = verified;
  const rows = all.map((one) => {
    const { countedKwh, powerKwh, toleranceKwh } = one.comparison;
    return [
      isSoundValve(one) ? '✓' : one.readings === 0 && agrees(one) ? '–' : '✗',
      printable(valveLabel(one.valve)),
      String(one.readings),
      countedKwh.toFixed(1),
      powerKwh === null ? '–' : powerKwh.toFixed(1),
      powerKwh === null ? '' : toleranceKwh.toFixed(1),
    ];
  });
  const problems = all.flatMap((one) =>
    messagesOf(one, timezone).map(({ text, command }) => {
      const lines = [wrapText(`${printable(valveLabel(one.valve))}: ${text}`, screen.textWidth, 2)];
      // Do not wrap a command: users copy it.
      if (command !== null) lines.push('  If it was replaced:', `  ${command}`);
      return `${lines.join('\n')}\n`;
    }),
  );
  const verdict = wrapText(`${isSound(verified) ? '✓' : '✗'} ${verdictOf(verified)}`, screen.textWidth, 2);
  const parts = [all.length > 0 ? formatTable(COLUMNS, rows, screen.width) : '', problems.join(''), `${verdict}\n`];
  return parts.filter((part) => part !== '').join('\n');
}

/** What is wrong with a valve, and the command to run if its counter was replaced. */
interface Message {
  text: string;
  command: string | null;
}

function messagesOf(one: Verification, timezone: string): Message[] {
  const { finding } = one.comparison;
  const texts = [
    one.isJudged ? null : 'has readings that are not judged yet; "tasmart poll" judges them',
    differenceText(one.differences, timezone),
    finding && findingText(finding, one, timezone),
  ].filter((text) => text !== null);
  return texts.map((text) => (typeof text === 'string' ? { text, command: null } : text));
}

function differenceText(differences: readonly Difference[], timezone: string): string | null {
  const [first] = differences;
  if (!first) return null;
  const value = ({ kwh, coverage, quality }: BucketValue) =>
    `${kwh ?? 'no'} kWh, coverage ${Number(coverage.toFixed(6))}, ${quality}`;
  const { bucket, regime, startUs, stored, recomputed } = first;
  const where = `regime ${regime}, ${bucket} of ${localTime(startUs, timezone)}`;
  const others = differences.length > 1 ? ` (and ${count(differences.length - 1, 'other bucket')})` : '';
  return `${where}: stored ${value(stored)}; the readings give ${value(recomputed)}${others}`;
}

const UNITS: Record<number, string> = {
  1000: 'Wh instead of kWh',
  100: '0.01 kWh instead of kWh',
  10: '0.1 kWh instead of kWh',
  0.1: '10 kWh instead of kWh',
  0.01: '100 kWh instead of kWh',
  0.001: 'MWh instead of kWh',
};

function findingText(finding: Finding, one: Verification, timezone: string): string | Message {
  const { countedKwh, powerKwh } = one.comparison;
  switch (finding.kind) {
    case 'swapped':
    case 'restored':
      return finding.event === null
        ? `a restored counter? It falls back again and again, and loses energy: power shows ${kwhText(powerKwh)}, the counter ${kwhText(countedKwh)}`
        : breakText(finding, finding.event, one, timezone);
    case 'unit':
      return `a counter in another unit? It shows ${finding.factor} times the measured energy: ${UNITS[finding.factor] ?? ''}`;
    case 'no-counter':
      return `no counter is read, though power shows ${kwhText(powerKwh)}`;
    case 'stands-still':
      return `the counter stands still though power is measured: ${kwhText(powerKwh)}`;
    case 'no-power':
      return `the counter counts though no power is measured: ${kwhText(countedKwh)}`;
    case 'power':
      return `measured power comes to ${Math.round(finding.share * 100)} % of the counter: a wrong counter or sensor?`;
  }
}

function breakText(
  { kind, regime, more }: { kind: 'swapped' | 'restored'; regime: Regime; more: number },
  { kind: eventKind, fromUs, toUs, fromKwh, toKwh }: NonNullable<Extract<Finding, { kind: 'restored' }>['event']>,
  { valve }: Verification,
  timezone: string,
): Message {
  const guess = kind === 'swapped' ? 'a swapped meter?' : 'a restored counter?';
  const verb = eventKind === 'reset' ? 'fell' : 'jumped';
  const value = kind === 'restored' ? ', a value that it had shown before' : '';
  const when = `between ${localTime(fromUs, timezone)} and ${localTime(toUs, timezone)}`;
  const others = more > 0 ? `, and broke ${count(more, 'more time', 'more times')}` : '';
  const name = printable(valve.shortSn ?? valve.id);
  // Any time after the old counter's last reading is correct. A whole second is shorter to type.
  const secondUs = Math.floor(toUs / US_PER_SECOND) * US_PER_SECOND;
  const at = formatRfc3339(secondUs > fromUs ? secondUs : toUs).replace('.000000Z', 'Z');
  return {
    text: `${guess} Regime ${regime} ${verb} from ${kwhText(fromKwh)} to ${kwhText(toKwh)}${value}, ${when}${others}`,
    command: `tasmart correct ${name} --replaced --at ${at} --note "why"`,
  };
}

function kwhText(kwh: number | null): string {
  return kwh === null ? 'nothing' : `${Math.round(kwh)} kWh`;
}

const FIELDS = [
  'tasmart_id',
  'short_sn',
  'full_sn',
  'user_id',
  'register',
  'readings',
  'quarter_hours',
  'differences',
  'counted_kwh',
  'power_kwh',
  'tolerance_kwh',
  'agrees',
  'finding',
  'message',
] as const;

function fields(one: Verification, timezone: string): Fields<(typeof FIELDS)[number]> {
  const { valve, comparison } = one;
  const messages = messagesOf(one, timezone).map(({ text, command }) => {
    return command === null ? text : `${text}; if it was replaced: ${command}`;
  });
  return {
    tasmart_id: valve.id,
    short_sn: valve.shortSn,
    full_sn: valve.fullSn,
    user_id: valve.userId,
    register: valve.backendRef,
    readings: one.readings,
    quarter_hours: one.quarterHours,
    differences: one.differences.length,
    counted_kwh: rounded(comparison.countedKwh),
    power_kwh: comparison.powerKwh === null ? null : rounded(comparison.powerKwh),
    tolerance_kwh: rounded(comparison.toleranceKwh),
    agrees: agrees(one),
    finding: comparison.finding?.kind ?? null,
    message: messages.length > 0 ? messages.join('; ') : null,
  };
}

/** Removes the noise of adding doubles. */
function rounded(kwh: number): number {
  return Number(kwh.toFixed(6));
}
