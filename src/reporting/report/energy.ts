/** kWh of a counter and of all valves, and their texts. */
import { epochSeconds, type Micros } from '../../domain/time.ts';
import type { RegimeEnergy, ValveSummary } from './data.ts';
import { decodeBars, type Bar } from './page/decode.ts';
import { groupThousands } from './page/numbers.ts';

/** `1 234.5`; with ≥ if it is a lower bound; `–` where there is no curve. */
export function totalText(counter: RegimeEnergy): string {
  return boundedText(counter.totalKwh, counter.isLowerBound);
}

function boundedText(totalKwh: number | null, isAtLeast: boolean): string {
  if (totalKwh === null) return '–';
  return `${isAtLeast ? '≥\u00a0' : ''}${kwhText(totalKwh)}`;
}

/** The counter's buckets, decoded. @param fromUs the report's start, as `barsPayload` was given it */
export function barsOf({ bars }: RegimeEnergy, fromUs: Micros): Bar[] {
  return decodeBars(bars, epochSeconds(fromUs));
}

/** Whole kWh from 1 000 on, tenths below. 999.95 would be 1000.0 in tenths. */
export function kwhText(kwh: number): string {
  return groupThousands(kwh.toFixed(kwh >= 999.95 ? 0 : 1));
}

/** Whether the counter needs a chart: the second counter of most valves is always 0. */
export function isWorthShowing(counter: RegimeEnergy): boolean {
  const { regime, totalKwh, isLowerBound, bars } = counter;
  if (regime === 1) return bars.steps.length > 0;
  return totalKwh !== null && (totalKwh !== 0 || isLowerBound);
}

/** Sum over all valves of one regime; `totalKwh` null: no counter has a curve. */
export function fleetTotal(
  valves: readonly ValveSummary[],
  regime: 1 | 2,
): { totalKwh: number | null; text: string; isWorthShowing: boolean } {
  const counters = countersOf(valves, regime);
  const totals = counters.flatMap(({ totalKwh }) => totalKwh ?? []);
  const totalKwh = totals.length === 0 ? null : sum(totals);
  const text = boundedText(
    totalKwh,
    counters.some((counter) => counter.isLowerBound),
  );
  return { totalKwh, text, isWorthShowing: counters.some(isWorthShowing) };
}

/** Compares with the previous span, over the counters that have kWh in both; null: none has. `percent` null: it was 0. */
export function compareWithPrevious(
  valves: readonly ValveSummary[],
  regime: 1 | 2,
): { percent: number | null; differenceKwh: number; previousKwh: number; comparedValves: number } | null {
  const comparable = countersOf(valves, regime).flatMap(({ totalKwh, previousKwh }) =>
    totalKwh === null || previousKwh === null ? [] : { totalKwh, previousKwh },
  );
  if (comparable.length === 0) return null;
  const previousKwh = sum(comparable.map((counter) => counter.previousKwh));
  const differenceKwh = sum(comparable.map(({ totalKwh }) => totalKwh)) - previousKwh;
  const percent = previousKwh > 0 ? (differenceKwh / previousKwh) * 100 : null;
  return { percent, differenceKwh, previousKwh, comparedValves: comparable.length };
}

function countersOf(valves: readonly ValveSummary[], regime: 1 | 2): RegimeEnergy[] {
  return valves.flatMap(({ energy }) => energy.filter((counter) => counter.regime === regime));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** The change of one counter against the previous span; null: it cannot be compared. */
export function changePercent({ totalKwh, previousKwh }: RegimeEnergy): number | null {
  return totalKwh === null || previousKwh === null || previousKwh === 0 ? null : (totalKwh / previousKwh - 1) * 100;
}

/** `+12.3 %`, `−4.0 %` */
export function percentText(percent: number): string {
  return `${signedText(percent)} %`;
}

/** `+1 234.5`, `−0.4`, `±0.0` */
export function signedText(value: number): string {
  const text = groupThousands(Math.abs(value).toFixed(1));
  return `${text === '0.0' ? '±' : value > 0 ? '+' : '−'}${text}`;
}
