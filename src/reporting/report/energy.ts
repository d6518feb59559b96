import { exactDecimal, formatDecimal, parseDecimal, sumDecimals } from '../decimal.ts';
import { epochSeconds, type Micros } from '../../domain/time.ts';
import type { RegisterEnergy, ValveReport } from './data.ts';
import { barsOf, type Bar } from './page/decode.ts';
import { grouped } from './page/numbers.ts';
import { QUALITIES } from './page/quality.ts';

/** `1 234.5`; with ≥ where a reset or a jump makes it a lower bound; `–` where there is no curve. */
export function totalText(register: RegisterEnergy): string {
  return boundText(register.totalKwh, isBound(register));
}

function boundText(totalKwh: string | null, isAtLeast: boolean): string {
  if (totalKwh === null) return '–';
  return `${isAtLeast ? '≥\u00a0' : ''}${kwhText(totalKwh)}`;
}

/** Its buckets, unpacked. */
export function barsIn({ bars }: RegisterEnergy, fromUs: Micros): Bar[] {
  return barsOf(bars, epochSeconds(fromUs));
}

/** A reset or a jump lies in it: the kWh are at least these. */
function isBound({ bars }: RegisterEnergy): boolean {
  const broken = [QUALITIES.reset.letter, QUALITIES.jump.letter];
  return broken.some((letter) => bars.qualities.includes(letter));
}

/** Whole kWh from a thousand on, a tenth below. */
export function kwhText(kwh: string): string {
  const value = parseDecimal(kwh);
  return grouped(formatDecimal(value, Number(kwh) >= 1000 ? 0 : 1));
}

/** The second register of a valve that only heats holds nothing, ever: not worth a chart. */
export function isWorthShowing(register: RegisterEnergy): boolean {
  const { regime, totalKwh, bars } = register;
  if (regime === 1) return bars.steps.length > 0;
  return totalKwh !== null && (parseDecimal(totalKwh) !== 0n || isBound(register));
}

/** Sum over all valves of one register, exact; null: there is no curve anywhere. */
export function fleetTotal(
  valves: readonly ValveReport[],
  regime: 1 | 2,
): { totalKwh: string | null; text: string; isWorthShowing: boolean } {
  const own = valves.flatMap(({ energy }) => energy.filter((each) => each.regime === regime));
  const sum = sumDecimals(own.map(({ totalKwh }) => totalKwh));
  const totalKwh = sum === null ? null : exactDecimal(sum);
  return { totalKwh, text: boundText(totalKwh, own.some(isBound)), isWorthShowing: own.some(isWorthShowing) };
}

/** Change in percent, of the valves that have both spans; null: none has. */
export function change(
  valves: readonly ValveReport[],
  regime: 1 | 2,
): { percent: number | null; differenceKwh: number; previousKwh: number; compared: number } | null {
  const own = valves.flatMap(({ energy }) => energy.filter((each) => each.regime === regime));
  const both = own.filter(({ totalKwh, previousKwh }) => totalKwh !== null && previousKwh !== null);
  if (both.length === 0) return null;
  const now = Number(exactDecimal(sumDecimals(both.map(({ totalKwh }) => totalKwh)) ?? 0n));
  const previousKwh = Number(exactDecimal(sumDecimals(both.map((each) => each.previousKwh)) ?? 0n));
  const differenceKwh = now - previousKwh;
  const percent = previousKwh > 0 ? (differenceKwh / previousKwh) * 100 : null;
  return { percent, differenceKwh, previousKwh, compared: both.length };
}

/** `+12.3 %`, `−4.0 %` */
export function percentText(percent: number): string {
  return `${signed(percent)} %`;
}

/** `+1 234.5`, `−0.4`, `±0.0` */
export function signed(value: number): string {
  const text = grouped(Math.abs(value).toFixed(1));
  return `${text === '0.0' ? '±' : value > 0 ? '+' : '−'}${text}`;
}
