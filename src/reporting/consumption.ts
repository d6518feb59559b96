/** Prints kWh per bucket: a table per valve, JSON or CSV. */
import { DateTime } from 'luxon';
import type { Bucket, Consumption, MeteredValve } from '../database/consumption.ts';
import { printable } from '../domain/text.ts';
import { formatRfc3339, type Micros } from '../domain/time.ts';
import { valveLabel } from '../domain/valve.ts';
import { formatCsv } from './csv.ts';
import { sumDecimals } from './decimal.ts';
import { formatJson } from './json.ts';
import { inCells, sparkline } from './sparkline.ts';
import { formatTable } from './table.ts';

/** Turns the buckets of one valve after the other into text; each piece is written before the next valve is read. */
export interface ConsumptionFormat {
  begin: () => string;
  valve: (valve: MeteredValve, buckets: readonly Consumption[]) => string;
  end: () => string;
}

const FIELDS = [
  'tasmart_id',
  'short_sn',
  'full_sn',
  'user_id',
  'backend_ref',
  'regime',
  'bucket_start',
  'bucket_end',
  'bucket_start_local',
  'kwh',
  'coverage',
  'quality',
] as const;

type Fields = Record<(typeof FIELDS)[number], string | number | null>;

export interface ConsumptionView {
  timezone: string;
  bucket: Bucket;
  nowUs: Micros;
  /** the terminal can show block characters */
  isDrawn: boolean;
}

export function consumptionFormat(format: 'table' | 'json' | 'csv', view: ConsumptionView): ConsumptionFormat {
  return { table, json, csv }[format](view);
}

function csv({ timezone }: { timezone: string }): ConsumptionFormat {
  return {
    begin: () => formatCsv(FIELDS, []),
    valve: (valve, buckets) => {
      const rows = buckets.map((bucket) => fields(valve, bucket, timezone));
      return formatCsv(
        null,
        rows.map((row) => FIELDS.map((name) => row[name])),
      );
    },
    end: () => '',
  };
}

/** One array, an object per bucket. */
function json({ timezone }: { timezone: string }): ConsumptionFormat {
  let separator = '[';
  return {
    begin: () => '',
    valve: (valve, buckets) =>
      buckets
        .map((bucket) => {
          const { kwh, coverage, ...row } = fields(valve, bucket, timezone);
          const object = formatJson({ ...row, kwh: number(kwh), coverage: number(coverage) }).trimEnd();
          const text = `${separator}\n${object}`;
          separator = ',';
          return text;
        })
        .join(''),
    end: () => (separator === '[' ? '[]\n' : '\n]\n'),
  };
}

export function number(text: string | number | null): number | null {
  return text === null ? null : Number(text);
}

function fields(valve: MeteredValve, bucket: Consumption, timezone: string): Fields {
  return {
    tasmart_id: valve.id,
    short_sn: valve.shortSn,
    full_sn: valve.fullSn,
    user_id: valve.userId,
    backend_ref: valve.backendRef,
    regime: bucket.regime,
    bucket_start: formatRfc3339(bucket.startUs),
    bucket_end: formatRfc3339(bucket.endUs),
    bucket_start_local: local(bucket.startUs, timezone).toISO({ suppressMilliseconds: true }),
    kwh: bucket.kwh,
    coverage: bucket.coverage,
    quality: bucket.quality,
  };
}

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
 * A counter of whole kWh leaves each edge of a bucket uncertain by up to a kWh. Within that, measured power spreads the
 * kWh: for a valve of 2 kW, to some 0.1 kWh an hour. So two decimals show the shape of hours, and one that of days; more
 * would be noise. JSON and CSV keep them all, so that sums stay exact.
 */
export function kwhText(kwh: number | null, bucket: Bucket): string {
  if (kwh === null) return '–';
  return kwh.toFixed(bucket === '15min' || bucket === 'hour' ? 2 : 1);
}

/** Rounded down: 100 % means that nothing is missing. */
function coverageText(coverage: number): string {
  return `${Math.floor(coverage * 100)} %`;
}

/** Marks a bucket that ends in the future. */
export const RUNNING_MARK = '*';
export const RUNNING_NOTE = `${RUNNING_MARK} not over yet`;

/** A table per valve, with its totals. */
function table(view: ConsumptionView): ConsumptionFormat {
  return {
    begin: () => '',
    valve: (valve, buckets) => {
      const names = [valve.shortSn, valve.backendRef === null ? null : `register ${valve.backendRef}`];
      const title = [valveLabel(valve), ...names].filter((name) => name !== null).map((name) => printable(name));
      const parts = [...byRegime(buckets)].map(([regime, own]) => regimeTable(regime, own, view));
      const curve = view.isDrawn ? shape(buckets.filter(({ regime }) => regime === 1)) : '';
      const isRunning = buckets.some(({ endUs }) => endUs > view.nowUs);
      return `${title.join(' · ')}${curve}\n${parts.join('')}${isRunning ? `  ${RUNNING_NOTE}\n` : ''}\n`;
    },
    end: () => '',
  };
}

export function byRegime(buckets: readonly Consumption[]): Map<number, Consumption[]> {
  const regimes = new Map<number, Consumption[]>();
  for (const bucket of buckets) {
    const own = regimes.get(bucket.regime);
    if (own) own.push(bucket);
    else regimes.set(bucket.regime, [bucket]);
  }
  return regimes;
}

const MAX_CELLS = 32;

/** The buckets as a sparkline. Empty if there is nothing to compare. */
function shape(buckets: readonly Consumption[]): string {
  const kwh = buckets.map((bucket) => number(bucket.kwh));
  return kwh.filter((value) => value !== null).length < 2 ? '' : `  ${sparkline(inCells(kwh, MAX_CELLS))}`;
}

function regimeTable(
  regime: number,
  buckets: readonly Consumption[],
  { timezone, bucket, nowUs }: ConsumptionView,
): string {
  const total = sumDecimals(buckets.map(({ kwh }) => kwh));
  if (total === null) return `  regime ${regime}: no readings\n`;
  if (total === 0 && regime === 2) return '  regime 2: nothing\n';
  const rows = buckets.map(({ startUs, endUs, kwh, coverage, quality }) => [
    `  ${local(startUs, timezone).toFormat(START_FORMATS[bucket])}${endUs > nowUs ? ` ${RUNNING_MARK}` : ''}`,
    kwhText(number(kwh), bucket),
    coverageText(Number(coverage)),
    quality === 'measured' ? '' : quality,
  ]);
  const totalRow = ['  total', kwhText(total, bucket), '', ''];
  return formatTable(
    [
      { heading: `  regime ${regime} (${timezone})` },
      { heading: 'kWh', align: 'right' },
      { heading: 'coverage', align: 'right' },
      { heading: '' },
    ],
    buckets.length === 1 ? rows : [...rows, totalRow],
  );
}

export function local(timeUs: Micros, timezone: string): DateTime {
  return DateTime.fromMillis(Math.floor(timeUs / 1000), { zone: timezone });
}
