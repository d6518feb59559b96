import type { RegisterEnergy, ValveReport } from './data.ts';
import { grouped } from './wording.ts';

/** `1 234.5`; with ≥ where a reset makes it a lower bound; `–` where there is no curve. */
export function totalText({ totalKwh, buckets }: RegisterEnergy): string {
  if (totalKwh === null) return '–';
  const isBound = buckets.some(({ quality }) => quality === 'reset');
  return `${isBound ? '≥\u00a0' : ''}${kwhText(totalKwh)}`;
}

/** Whole kWh from a thousand on, a tenth below. */
export function kwhText(kwh: number): string {
  return grouped(kwh.toFixed(kwh >= 1000 ? 0 : 1));
}

/** The second register of a valve that only heats holds nothing, ever: not worth a chart. */
export function isWorthShowing({ regime, totalKwh, buckets }: RegisterEnergy): boolean {
  if (regime === 1) return buckets.length > 0;
  return totalKwh !== null && (totalKwh !== 0 || buckets.some(({ quality }) => quality === 'reset'));
}

/** Sum over all valves of one register; null: there is no curve anywhere. */
export function fleetTotal(valves: readonly ValveReport[], regime: 1 | 2): RegisterEnergy {
  const own = valves.flatMap(({ energy }) => energy.filter((each) => each.regime === regime));
  const totals = own.flatMap(({ totalKwh }) => totalKwh ?? []);
  return {
    regime,
    totalKwh: totals.length === 0 ? null : totals.reduce((sum, kwh) => sum + kwh, 0),
    buckets: own.flatMap(({ buckets }) => buckets.filter(({ quality }) => quality === 'reset')),
  };
}
