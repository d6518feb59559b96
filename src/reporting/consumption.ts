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

interface View {
  timezone: string;
  bucket: Bucket;
  /** the terminal can show block characters */
  isDrawn: boolean;
}

export function consumptionFormat(format: 'table' | 'json' | 'csv', view: View): ConsumptionFormat {
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

function number(text: string | number | null): number | null {
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
  month: 'yyyy-LL',
};

/** A table per valve, with its total; a register without any energy is one line. */
function table({ timezone, bucket, isDrawn }: View): ConsumptionFormat {
  return {
    begin: () => '',
    valve: (valve, buckets) => {
      const names = [valve.shortSn, valve.backendRef === null ? null : `register ${valve.backendRef}`];
      const title = [valveLabel(valve), ...names].filter((name) => name !== null).map((name) => printable(name));
      const registers = [...new Set(buckets.map(({ regime }) => regime))];
      const parts = registers.map((regime) => {
        const own = buckets.filter((each) => each.regime === regime);
        return registerTable(regime, own, { timezone, bucket });
      });
      const curve = isDrawn ? shape(buckets.filter(({ regime }) => regime === 1)) : '';
      return `${title.join(' · ')}${curve}\n${parts.join('')}\n`;
    },
    end: () => '',
  };
}

const MAX_CELLS = 32;

/** What the buckets look like side by side; nothing, where there is nothing to compare. */
function shape(buckets: readonly Consumption[]): string {
  const kwh = buckets.map((bucket) => (bucket.kwh === null ? null : Number(bucket.kwh)));
  return kwh.filter((value) => value !== null).length < 2 ? '' : `  ${sparkline(inCells(kwh, MAX_CELLS))}`;
}

function registerTable(
  regime: number,
  buckets: readonly Consumption[],
  { timezone, bucket }: Pick<View, 'timezone' | 'bucket'>,
): string {
  const total = sumDecimals(buckets.map(({ kwh }) => kwh));
  if (total === null) return `  kWh ${regime}: no readings\n`;
  if (total === 0 && regime === 2) return '  kWh 2: nothing\n';
  const rows = buckets.map(({ startUs, kwh, coverage, quality }) => [
    local(startUs, timezone).toFormat(START_FORMATS[bucket]),
    kwh === null ? '–' : Number(kwh).toFixed(3),
    `${Math.round(Number(coverage) * 100)} %`,
    quality === 'measured' ? '' : quality,
  ]);
  return formatTable(
    [
      { heading: `  from (${timezone})` },
      { heading: `kWh ${regime}`, align: 'right' },
      { heading: 'covered', align: 'right' },
      { heading: '' },
    ],
    [...rows.map(([start = '', ...rest]) => [`  ${start}`, ...rest]), ['  total', total.toFixed(3), '', '']],
  );
}

function local(timeUs: Micros, timezone: string): DateTime {
  return DateTime.fromMillis(Math.floor(timeUs / 1000), { zone: timezone });
}
