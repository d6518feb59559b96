/** Sums of kWh, and their texts. */
import { epochSeconds, type Micros } from '../../domain/time.ts';
import type { RegimeEnergy, ValveSummary } from './data.ts';
import { barsOf, type Bar } from './page/decode.ts';
import { grouped } from './page/numbers.ts';
import { QUALITIES } from './page/quality.ts';

/** `1 234.5`; with ≥ where a reset or a jump makes it a lower bound; `–` where there is no curve. */
export function totalText(counter: RegimeEnergy): string {
  return boundText(counter.totalKwh, isBound(counter));
}

function boundText(totalKwh: number | null, isAtLeast: boolean): string {
  if (totalKwh === null) return '–';
  return `${isAtLeast ? '≥\u00a0' : ''}${kwhText(totalKwh)}`;
}

/** The counter's buckets, unpacked. */
export function barsIn({ bars }: RegimeEnergy, fromUs: Micros): Bar[] {
  return barsOf(bars, epochSeconds(fromUs));
}

/** Whether a reset or a jump makes the kWh a lower bound. */
function isBound({ bars }: RegimeEnergy): boolean {
  const broken = [QUALITIES.reset.letter, QUALITIES.jump.letter];
  return broken.some((letter) => bars.qualities.includes(letter));
}

/** Whole kWh from 1 000 on, tenths below. */
export function kwhText(kwh: number): string {
  return grouped(kwh.toFixed(kwh >= 1000 ? 0 : 1));
}

/** The second counter of most valves is always 0 and needs no chart. */
export function isWorthShowing(counter: RegimeEnergy): boolean {
  const { regime, totalKwh, bars } = counter;
  if (regime === 1) return bars.steps.length > 0;
  return totalKwh !== null && (totalKwh !== 0 || isBound(counter));
}

/** Sum over all valves of one regime; null: there is no curve anywhere. */
export function fleetTotal(
  valves: readonly ValveSummary[],
  regime: 1 | 2,
): { totalKwh: number | null; text: string; isWorthShowing: boolean } {
  const own = valves.flatMap(({ energy }) => energy.filter((each) => each.regime === regime));
  const totals = own.flatMap(({ totalKwh }) => totalKwh ?? []);
  const totalKwh = totals.length === 0 ? null : sum(totals);
  return { totalKwh, text: boundText(totalKwh, own.some(isBound)), isWorthShowing: own.some(isWorthShowing) };
}

/** Change against the previous span, of the valves that have both; null: no valve has both. */
export function change(
  valves: readonly ValveSummary[],
  regime: 1 | 2,
): { percent: number | null; differenceKwh: number; previousKwh: number; compared: number } | null {
  const both = valves
    .flatMap(({ energy }) => energy.filter((each) => each.regime === regime))
    .flatMap(({ totalKwh, previousKwh }) =>
      totalKwh === null || previousKwh === null ? [] : { totalKwh, previousKwh },
    );
  if (both.length === 0) return null;
  const previousKwh = sum(both.map((each) => each.previousKwh));
  const differenceKwh = sum(both.map(({ totalKwh }) => totalKwh)) - previousKwh;
  const percent = previousKwh > 0 ? (differenceKwh / previousKwh) * 100 : null;
  return { percent, differenceKwh, previousKwh, compared: both.length };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

/** Of one counter; null: it cannot be compared. */
export function changePercent({ totalKwh, previousKwh }: RegimeEnergy): number | null {
  return totalKwh === null || previousKwh === null || previousKwh === 0 ? null : (totalKwh / previousKwh - 1) * 100;
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
