import { exactDecimal, formatDecimal, parseDecimal, sumDecimals } from '../decimal.ts';
import type { Consumption } from '../../database/consumption.ts';
import type { RegisterEnergy, ValveReport } from './data.ts';
import { grouped } from './page/numbers.ts';

/** `1 234.5`; with ≥ where a reset or a jump makes it a lower bound; `–` where there is no curve. */
export function totalText({ totalKwh, buckets }: RegisterEnergy): string {
  if (totalKwh === null) return '–';
  const isAtLeast = buckets.some(isBound);
  return `${isAtLeast ? '≥\u00a0' : ''}${kwhText(totalKwh)}`;
}

/** A break of the counter lies in it: the kWh are at least these. */
function isBound({ quality }: Consumption): boolean {
  return quality === 'reset' || quality === 'jump';
}

/** Whole kWh from a thousand on, a tenth below. */
export function kwhText(kwh: string): string {
  const value = parseDecimal(kwh);
  return grouped(formatDecimal(value, Number(kwh) >= 1000 ? 0 : 1));
}

/** The second register of a valve that only heats holds nothing, ever: not worth a chart. */
export function isWorthShowing({ regime, totalKwh, buckets }: RegisterEnergy): boolean {
  if (regime === 1) return buckets.length > 0;
  return totalKwh !== null && (parseDecimal(totalKwh) !== 0n || buckets.some(isBound));
}

/** Sum over all valves of one register, exact; null: there is no curve anywhere. */
export function fleetTotal(valves: readonly ValveReport[], regime: 1 | 2): RegisterEnergy {
  const own = valves.flatMap(({ energy }) => energy.filter((each) => each.regime === regime));
  const sum = sumDecimals(own.map(({ totalKwh }) => totalKwh));
  return {
    regime,
    totalKwh: sum === null ? null : exactDecimal(sum),
    previousKwh: null,
    buckets: own.flatMap(({ buckets }) => buckets.filter(isBound)),
  };
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
