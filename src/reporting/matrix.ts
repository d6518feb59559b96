/** Prints kWh as a matrix: a row per valve, a column per bucket, a matrix per regime. */
import stringWidth from 'fast-string-width';
import type { Bucket, Consumption, MeteredValve } from '../database/consumption.ts';
import { printable } from '../domain/text.ts';
import { valveLabel } from '../domain/valve.ts';
import {
  byRegime,
  kwhText,
  local,
  NO_VALVES,
  numberOf,
  RUNNING_MARK,
  RUNNING_NOTE,
  type ConsumptionView,
} from './consumption.ts';
import { formatCsv } from './csv.ts';
import { sumDecimals } from './decimal.ts';
import type { ValveFormat } from './records.ts';
import { bar } from './sparkline.ts';
import { cut, formatTable, GAP, wrapped } from './table.ts';

interface Row {
  valve: MeteredValve;
  buckets: readonly Consumption[];
  total: number | null;
}

/** Collects all valves and prints the matrix at the end. All valves have the same buckets. */
export function matrixFormat(format: 'table' | 'csv', view: ConsumptionView): ValveFormat<Consumption> {
  const regimes = new Map<number, Row[]>();
  return {
    begin: () => '',
    valve: (valve, buckets) => {
      for (const [regime, own] of byRegime(buckets)) {
        const rows = regimes.get(regime) ?? [];
        rows.push({ valve, buckets: own, total: sumDecimals(own.map(({ kwh }) => kwh)) });
        regimes.set(regime, rows);
      }
      return '';
    },
    end: () => {
      const matrices = [...regimes].sort(([a], [b]) => a - b);
      if (format === 'csv') return csv(matrices, view);
      if (matrices.length === 0) return NO_VALVES;
      return matrices.map(([regime, rows]) => table(regime, rows, view)).join('\n');
    },
  };
}

function csv(matrices: readonly (readonly [number, readonly Row[]])[], { timezone }: ConsumptionView): string {
  const starts = matrices[0]?.[1][0]?.buckets.map(({ startUs }) => local(startUs, timezone)) ?? [];
  return formatCsv(
    [
      ...['tasmart_id', 'short_sn', 'full_sn', 'user_id', 'register', 'regime'],
      ...starts.map((start) => start.toISO({ suppressMilliseconds: true }) ?? ''),
      'total',
    ],
    matrices.flatMap(([regime, rows]) =>
      rows.map(({ valve: { id, shortSn, fullSn, userId, backendRef }, buckets, total }) => {
        const cells = buckets.map(({ kwh }) => numberOf(kwh));
        return [id, shortSn, fullSn, userId, backendRef, regime, ...cells, total];
      }),
    ),
  );
}

const HEADINGS: Record<Bucket, string> = {
  '15min': 'LL-dd HH:mm',
  hour: 'LL-dd HH:mm',
  day: 'LL-dd',
  week: "kkkk-'W'WW",
  month: 'yyyy-LL',
  year: 'yyyy',
  total: "'kWh'",
};

/** In order of the footnotes. */
const MARKS = [
  { mark: RUNNING_MARK, note: RUNNING_NOTE },
  { mark: '?', note: '? undecided yet' },
  { mark: '+', note: '+ at least: a reset or jump lies in it' },
  { mark: '~', note: '~ part of it is estimated' },
] as const;
type Mark = (typeof MARKS)[number]['mark'] | '';

function markOf({ kwh, endUs, quality }: Consumption, nowUs: number): Mark {
  if (kwh === null) return '';
  if (endUs > nowUs) return RUNNING_MARK;
  if (quality === 'provisional') return '?';
  if (quality === 'reset' || quality === 'jump') return '+';
  return quality === 'estimated' ? '~' : '';
}

const MIN_LABEL_WIDTH = 24;
const BAR_CELLS = 8;

interface MatrixColumn {
  heading: string;
  cells: readonly string[];
  align: 'left' | 'right';
}

function table(regime: number, rows: readonly Row[], view: ConsumptionView): string {
  const total = sumOf(rows.map((row) => row.total));
  if (total === 0 && regime === 2) return 'regime 2: nothing\n';
  const labels = [...rows.map(({ valve }) => printable(valveLabel(valve))), 'total'];
  const marks = new Set<Mark>();
  const columns = (rows[0]?.buckets ?? []).map(({ startUs }, at): MatrixColumn => {
    const buckets = rows.flatMap(({ buckets }) => buckets[at] ?? []);
    const cells = buckets.map((bucket) => {
      const mark = markOf(bucket, view.nowUs);
      marks.add(mark);
      return `${kwhText(numberOf(bucket.kwh), view.bucket)}${mark || ' '}`;
    });
    const sum = `${kwhText(sumOf(buckets.map(({ kwh }) => numberOf(kwh))), view.bucket)} `;
    return {
      heading: `${local(startUs, view.timezone).toFormat(HEADINGS[view.bucket])} `,
      cells: [...cells, sum],
      align: 'right',
    };
  });
  if (columns.length > 1) {
    const cells = [...rows.map((row) => row.total), total].map((kwh) => kwhText(kwh, view.bucket));
    columns.push({ heading: 'total', cells, align: 'right' });
  }
  if (total !== null && total > 0 && rows.length > 1) columns.push(shares(rows, total, view.screen.drawsBlocks));
  const { width } = view.screen;
  const blocks = inBlocks(columns, width, Math.min(widthOf(labels), MIN_LABEL_WIDTH));
  const labelRoom = width - Math.max(...blocks.map(widthOfBlock));
  const tables = blocks.map((block) =>
    formatTable(
      [{ heading: 'valve' }, ...block],
      labels.map((label, at) => [cut(label, labelRoom), ...block.map(({ cells }) => cells[at] ?? '')]),
      width,
    ),
  );
  const notes = MARKS.filter(({ mark }) => marks.has(mark)).map(({ note }) => `${note}\n`);
  const title = wrapped(`kWh of regime ${regime}, ${spanText(rows, view)}`, view.screen.textWidth, 2);
  return `${title}\n${tables.join('\n')}${notes.join('')}`;
}

function spanText([row]: readonly Row[], { timezone }: ConsumptionView): string {
  const [from, to] = [row?.buckets[0]?.startUs ?? 0, row?.buckets.at(-1)?.endUs ?? 0];
  const [first, last] = [from, to].map((timeUs) => local(timeUs, timezone).toFormat('yyyy-LL-dd HH:mm'));
  return `${first} – ${last} (${timezone})`;
}

function sumOf(values: readonly (number | null)[]): number | null {
  return sumDecimals(values.map((value) => value?.toString() ?? null));
}

/** The column with each valve's share of the total in percent, and as a bar if `isDrawn`. */
function shares(rows: readonly Row[], total: number, isDrawn: boolean): MatrixColumn {
  const cells = rows.map((row) => {
    const share = (row.total ?? 0) / total;
    return `${`${Math.round(share * 100)} %`.padStart(5)}${isDrawn ? ` ${bar(share, BAR_CELLS)}` : ''}`;
  });
  return { heading: 'share', cells: [...cells, ''], align: 'left' };
}

/** Splits the columns into blocks that fit the width. A block has at least one column. */
function inBlocks(columns: readonly MatrixColumn[], maxWidth: number, labelWidth: number): MatrixColumn[][] {
  const blocks: MatrixColumn[][] = [];
  let left = 0;
  for (const column of columns) {
    const needed = widthOfBlock([column]);
    const block = blocks.at(-1);
    if (block && needed <= left) {
      block.push(column);
      left -= needed;
    } else {
      blocks.push([column]);
      left = maxWidth - labelWidth - needed;
    }
  }
  return blocks;
}

function widthOfBlock(columns: readonly MatrixColumn[]): number {
  return columns.reduce((width, { heading, cells }) => width + GAP.length + widthOf([heading, ...cells]), 0);
}

function widthOf(texts: readonly string[]): number {
  return texts.reduce((width, text) => Math.max(width, stringWidth(text)), 0);
}
