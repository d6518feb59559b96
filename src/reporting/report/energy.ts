import { exactDecimal, formatDecimal, parseDecimal, sumDecimals } from '../decimal.ts';
import type { RegisterEnergy, ValveReport } from './data.ts';
import { grouped } from './wording.ts';

/** `1 234.5`; with ≥ where a reset makes it a lower bound; `–` where there is no curve. */
export function totalText({ totalKwh, buckets }: RegisterEnergy): string {
  if (totalKwh === null) return '–';
  const isBound = buckets.some(({ quality }) => quality === 'reset');
  return `${isBound ? '≥\u00a0' : ''}${kwhText(totalKwh)}`;
}

/** Whole kWh from a thousand on, a tenth below. */
export function kwhText(kwh: string): string {
  const value = parseDecimal(kwh);
  return grouped(formatDecimal(value, Number(kwh) >= 1000 ? 0 : 1));
}

/** The second register of a valve that only heats holds nothing, ever: not worth a chart. */
export function isWorthShowing({ regime, totalKwh, buckets }: RegisterEnergy): boolean {
  if (regime === 1) return buckets.length > 0;
  return totalKwh !== null && (parseDecimal(totalKwh) !== 0n || buckets.some(({ quality }) => quality === 'reset'));
}

/** Sum over all valves of one register, exact; null: there is no curve anywhere. */
export function fleetTotal(valves: readonly ValveReport[], regime: 1 | 2): RegisterEnergy {
  const own = valves.flatMap(({ energy }) => energy.filter((each) => each.regime === regime));
  const sum = sumDecimals(own.map(({ totalKwh }) => totalKwh));
  return {
    regime,
    totalKwh: sum === null ? null : exactDecimal(sum),
    buckets: own.flatMap(({ buckets }) => buckets.filter(({ quality }) => quality === 'reset')),
  };
}
