/** Prints kWh per bucket: a table per valve, JSON or CSV. */
import stringWidth from 'fast-string-width';
import type { Bucket, Consumption } from '../database/consumption.ts';
import { escapeAndCut } from '../domain/text.ts';
import { formatRfc3339, type Micros } from '../domain/time.ts';
import { valveLabel } from '../domain/valve.ts';
import { exactNumber, parseDecimal, sumDecimals } from './decimal.ts';
import { VALVE_COLUMNS, valveRecords, type ValveFormat } from './records.ts';
import type { Screen } from './screen.ts';
import { inCells, sparkline } from './sparkline.ts';
import { formatTable, titleOf } from './table.ts';
import { localDateTime } from './units.ts';

export interface ConsumptionView {
  timezone: string;
  bucket: Bucket;
  nowUs: Micros;
  screen: Pick<Screen, 'width' | 'textWidth' | 'drawsBlocks'>;
}

export function consumptionFormat(format: 'table' | 'json' | 'csv', view: ConsumptionView): ValveFormat<Consumption> {
  if (format === 'table') return table(view);
  return valveRecords<Consumption>(format, {
    ...VALVE_COLUMNS,
    regime: ({ regime }) => regime,
    bucket_start: ({ startUs }) => formatRfc3339(startUs),
    bucket_end: ({ endUs }) => formatRfc3339(endUs),
    bucket_start_local: ({ startUs }) => localDateTime(startUs, view.timezone).toISO({ suppressMilliseconds: true }),
    kwh: ({ kwh }) => exactNumber(kwh),
    coverage: ({ coverage }) => Number(coverage),
    quality: ({ quality }) => quality,
  });
}

/** How a bucket's start is printed, in Luxon's tokens. */
const START_FORMATS: Record<Bucket, string> = {
  '15min': 'ccc yyyy-LL-dd HH:mm ZZ',
  hour: 'ccc yyyy-LL-dd HH:mm ZZ',
  day: 'ccc yyyy-LL-dd',
  week: "kkkk-'W'WW ccc yyyy-LL-dd",
  month: 'yyyy-LL',
  year: 'yyyy',
  total: 'yyyy-LL-dd HH:mm',
};

/**
 * The counter has whole kWh, so each edge of a bucket is uncertain by up to 1 kWh. Measured power spreads the kWh, to about
 * 0.1 kWh per hour for a valve of 2 kW. So hours get two decimals and days one: more would be noise. JSON and CSV have all
 * decimals, so that sums are exact.
 */
export function kwhText(kwh: number | null, bucket: Bucket): string {
  if (kwh === null) return '–';
  return kwh.toFixed(bucket === '15min' || bucket === 'hour' ? 2 : 1);
}

/** In percent, rounded down: 100 % means that nothing is missing. */
function coverageText(coverage: number): string {
  return `${Math.floor(coverage * 100)} %`;
}

export const NO_VALVES = 'no valve has readings yet\n';

/** Marks a bucket that ends in the future. */
export const RUNNING_MARK = '*';
export const RUNNING_NOTE = `${RUNNING_MARK} not over yet`;

/** A table per valve, with its totals. */
function table(view: ConsumptionView): ValveFormat<Consumption> {
  let hasValves = false;
  return {
    begin: () => '',
    valve: (valve, buckets) => {
      hasValves = true;
      const label = valveLabel(valve);
      const details = [
        ...(valve.shortSn === null || valve.shortSn === label ? [] : [escapeAndCut(valve.shortSn)]),
        ...(valve.backendRef === null ? [] : [`register ${escapeAndCut(valve.backendRef)}`]),
      ];
      const byRegime = groupByRegime(buckets);
      const tables = [...byRegime].map(([regime, ofRegime]) => regimeTable(regime, ofRegime, view)).join('');
      const bars = view.screen.drawsBlocks ? sparklineOf(byRegime.get(1) ?? []) : '';
      const title = titleOf(escapeAndCut(label), details, view.screen.width - stringWidth(bars));
      const note = tables.includes(` ${RUNNING_MARK}`) ? `  ${RUNNING_NOTE}\n` : '';
      return `${title}${bars}\n${tables}${note}\n`;
    },
    end: () => (hasValves ? '' : NO_VALVES),
  };
}

export function groupByRegime(buckets: readonly Consumption[]): Map<number, Consumption[]> {
  const regimes = new Map<number, Consumption[]>();
  for (const bucket of buckets) {
    const ofRegime = regimes.get(bucket.regime) ?? [];
    ofRegime.push(bucket);
    regimes.set(bucket.regime, ofRegime);
  }
  return regimes;
}

/** Of a sparkline. */
const MAX_CELLS = 32;

/** The kWh of the buckets as a sparkline. Empty if fewer than two are known: there is nothing to compare. */
function sparklineOf(buckets: readonly Consumption[]): string {
  const values = buckets.map(({ kwh }) => parseDecimal(kwh));
  const known = values.filter((value) => value !== null);
  return known.length < 2 ? '' : `  ${sparkline(inCells(values, MAX_CELLS))}`;
}

function regimeTable(
  regime: number,
  buckets: readonly Consumption[],
  { timezone, bucket, nowUs, screen }: ConsumptionView,
): string {
  const total = sumDecimals(buckets.map(({ kwh }) => kwh));
  if (total === null) return `  regime ${regime}: no readings\n`;
  if (total === 0 && regime === 2) return '  regime 2: nothing\n';
  const rows = buckets.map(({ startUs, endUs, kwh, coverage, quality }) => [
    `  ${localDateTime(startUs, timezone).toFormat(START_FORMATS[bucket])}${endUs > nowUs ? ` ${RUNNING_MARK}` : ''}`,
    kwhText(parseDecimal(kwh), bucket),
    coverageText(Number(coverage)),
    quality === 'measured' ? '' : quality,
  ]);
  // Math.max(...widths) would fail: years of quarter hours exceed the number of arguments of a call.
  const startWidth = rows.reduce((width, [start = '']) => Math.max(width, start.length), 0);
  const totalRow = ['  total', kwhText(total, bucket), '', ''];
  return formatTable(
    [
      { heading: `  regime ${regime} (${timezone})`, minWidth: startWidth },
      { heading: 'kWh', align: 'right' },
      { heading: 'coverage', align: 'right', rank: 1 },
      { heading: '' },
    ],
    buckets.length === 1 ? rows : [...rows, totalRow],
    screen.width,
  );
}
