import type { MeteredValve } from '../database/consumption.ts';
import type { RegisterAccount, ValveAccount } from '../database/verify.ts';
import { printable } from '../domain/text.ts';
import { formatRfc3339 } from '../domain/time.ts';
import { valveLabel } from '../domain/valve.ts';
import { formatCsv } from './csv.ts';
import { formatJson } from './json.ts';
import { formatTable, type Column } from './table.ts';

/** What verify says of one register of a valve. */
export interface Verification {
  valve: MeteredValve;
  account: RegisterAccount;
  coverage: number;
  powerKwh: number;
  /** whether quarters, hours, days and the counter itself tell the same */
  agrees: boolean;
  /** about the installation; null: nothing to say */
  suspicion: string | null;
}

/** A counter's own whole kWh at either end, and what a valve's power and energy may differ by. */
const ROUNDING_KWH = 2;
const SENSOR_SHARE = 0.1;
const SIGMAS = 3;

/** Judges the accounts of a valve, a line per register that has readings. */
export function verifications(valve: MeteredValve, { registers, power, coverage }: ValveAccount): Verification[] {
  const suspicion = suspicionOf(registers, power);
  return registers.map((account) => ({
    valve,
    account,
    coverage,
    powerKwh: power.kwh,
    agrees: agrees(account),
    suspicion: account.regime === 1 ? suspicion : null,
  }));
}

function agrees(account: RegisterAccount): boolean {
  const sums = [account.quartersKwh, account.hoursKwh, account.daysKwh].map(Number);
  const curve = Number(account.curveKwh);
  const asCounted = account.closingKwh - account.openingKwh;
  return sums.every((sum) => sum === curve) && (account.resets > 0 || curve === asCounted);
}

/** Both registers against the power measured, where there are readings without a gap. */
function suspicionOf(registers: readonly RegisterAccount[], power: ValveAccount['power']): string | null {
  const countedKwh = registers.reduce((sum, { coveredKwh }) => sum + coveredKwh, 0);
  const explainedKwh = ROUNDING_KWH + SENSOR_SHARE * Math.max(countedKwh, power.kwh) + SIGMAS * power.sigmaKwh;
  if (Math.abs(power.kwh - countedKwh) <= explainedKwh) return null;
  if (countedKwh === 0) return 'the counter stands still though power is measured';
  if (power.kwh === 0) return 'the counter counts though no power is measured';
  const share = Math.round((power.kwh / countedKwh) * 100);
  return `power measured comes to ${share} % of the counter: wrong register or sensor?`;
}

const COLUMNS: Column[] = [
  { heading: 'valve' },
  { heading: 'serial' },
  { heading: 'register', align: 'right' },
  { heading: 'opening', align: 'right' },
  { heading: 'closing', align: 'right' },
  { heading: 'counted kWh', align: 'right' },
  { heading: 'buckets kWh', align: 'right' },
  { heading: 'by power kWh', align: 'right' },
  { heading: 'covered', align: 'right' },
  { heading: 'resets', align: 'right' },
  { heading: 'glitches', align: 'right' },
  { heading: '' },
];

export function verifyTable(lines: readonly Verification[]): string {
  return formatTable(
    COLUMNS,
    lines.map(({ valve, account, coverage, powerKwh, agrees: sound, suspicion }) => [
      printable(valveLabel(valve), 32),
      printable(valve.shortSn ?? '–', 24),
      String(account.regime),
      String(account.openingKwh),
      String(account.closingKwh),
      Number(account.curveKwh).toFixed(3),
      Number(account.hoursKwh).toFixed(3),
      account.regime === 1 ? powerKwh.toFixed(1) : '',
      `${Math.round(coverage * 100)} %`,
      String(account.resets),
      String(account.glitches),
      [sound ? 'agrees' : 'DISAGREES', suspicion].filter((part) => part !== null).join('; '),
    ]),
  );
}

const FIELDS = [
  'tasmart_id',
  'short_sn',
  'user_id',
  'backend_ref',
  'register',
  'opening_time',
  'closing_time',
  'opening_kwh',
  'closing_kwh',
  'difference_kwh',
  'curve_kwh',
  'quarters_kwh',
  'hours_kwh',
  'days_kwh',
  'power_kwh',
  'coverage',
  'resets',
  'glitches',
  'implausible',
  'agrees',
  'suspicion',
] as const;

function fields(line: Verification): Record<(typeof FIELDS)[number], string | number | boolean | null> {
  const { valve, account } = line;
  return {
    tasmart_id: valve.id,
    short_sn: valve.shortSn,
    user_id: valve.userId,
    backend_ref: valve.backendRef,
    register: account.regime,
    opening_time: formatRfc3339(account.openingUs),
    closing_time: formatRfc3339(account.closingUs),
    opening_kwh: account.openingKwh,
    closing_kwh: account.closingKwh,
    difference_kwh: account.closingKwh - account.openingKwh,
    curve_kwh: account.curveKwh,
    quarters_kwh: account.quartersKwh,
    hours_kwh: account.hoursKwh,
    days_kwh: account.daysKwh,
    power_kwh: line.powerKwh,
    coverage: line.coverage,
    resets: account.resets,
    glitches: account.glitches,
    implausible: account.implausible,
    agrees: line.agrees,
    suspicion: line.suspicion,
  };
}

export function verifyJson(lines: readonly Verification[]): string {
  return formatJson(lines.map(fields));
}

export function verifyCsv(lines: readonly Verification[]): string {
  return formatCsv(
    FIELDS,
    lines.map((line) => FIELDS.map((name) => fields(line)[name])),
  );
}
