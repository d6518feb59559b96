/** Prints kWh as a matrix: a row per valve, a column per bucket, a matrix per regime. */
import stringWidth from 'fast-string-width';
import type { Bucket, Consumption, MeteredValve } from '../database/consumption.ts';
import { escapeAndCut } from '../domain/text.ts';
import { valveLabel } from '../domain/valve.ts';
import { groupByRegime, kwhText, NO_VALVES, RUNNING_MARK, RUNNING_NOTE, type ConsumptionView } from './consumption.ts';
import { formatCsv } from './csv.ts';
import { parseDecimal, sumDecimals } from './decimal.ts';
import { recordOf, VALVE_COLUMNS, type ValveFormat } from './records.ts';
import { bar } from './sparkline.ts';
import { cut, formatTable, GAP, wrapText } from './table.ts';
import { localDateTime } from './units.ts';

/** One valve, in one regime. */
interface Row {
  valve: MeteredValve;
  buckets: readonly Consumption[];
  /** kWh; null: no bucket has kWh */
  total: number | null;
}

interface Matrix {
  regime: number;
  rows: Row[];
}

/** Collects all valves and prints the matrices at the end. All valves have the same buckets. */
export function matrixFormat(format: 'table' | 'csv', view: ConsumptionView): ValveFormat<Consumption> {
  const rowsByRegime = new Map<number, Row[]>();
  return {
    begin: () => '',
    valve: (valve, allBuckets) => {
      for (const [regime, buckets] of groupByRegime(allBuckets)) {
        const rows = rowsByRegime.get(regime) ?? [];
        rows.push({ valve, buckets, total: sumDecimals(buckets.map(({ kwh }) => kwh)) });
        rowsByRegime.set(regime, rows);
      }
      return '';
    },
    end: () => {
      const matrices = [...rowsByRegime].map(([regime, rows]) => ({ regime, rows }));
      matrices.sort((a, b) => a.regime - b.regime);
      if (format === 'csv') return csv(matrices, view);
      if (matrices.length === 0) return NO_VALVES;
      return matrices.map((matrix) => table(matrix, view)).join('\n');
    },
  };
}

/** One CSV for all regimes: a line per valve and regime. */
function csv(matrices: readonly Matrix[], { timezone }: ConsumptionView): string {
  const buckets = matrices[0]?.rows[0]?.buckets ?? [];
  const starts = buckets.map(
    ({ startUs }) => localDateTime(startUs, timezone).toISO({ suppressMilliseconds: true }) ?? '',
  );
  const heading = [...Object.keys(VALVE_COLUMNS), 'regime', ...starts, 'total'];
  const lines = matrices.flatMap(({ regime, rows }) =>
    rows.map((row) => {
      const cells = row.buckets.map(({ kwh }) => parseDecimal(kwh));
      return [...Object.values(recordOf(VALVE_COLUMNS, row)), regime, ...cells, row.total];
    }),
  );
  return formatCsv(heading, lines);
}

/** The heading of a bucket's column, in Luxon's tokens. */
const HEADINGS: Record<Bucket, string> = {
  '15min': 'LL-dd HH:mm',
  hour: 'LL-dd HH:mm',
  day: 'LL-dd',
  week: "kkkk-'W'WW",
  month: 'yyyy-LL',
  year: 'yyyy',
  total: "'kWh'",
};

/** What `markOf` may put behind a cell's kWh, in the order of the footnotes. */
const MARKS = [
  { mark: RUNNING_MARK, note: RUNNING_NOTE },
  { mark: '?', note: '? undecided yet' },
  { mark: '+', note: '+ at least: a reset or jump lies in it' },
  { mark: '~', note: '~ part of it is estimated' },
] as const;
type Mark = (typeof MARKS)[number]['mark'] | '';

/** '' for a measured bucket, and for one without kWh. */
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
  /** one per valve, then the cell of the last row, which holds the totals */
  cells: readonly string[];
  align: 'left' | 'right';
}

function table({ regime, rows }: Matrix, view: ConsumptionView): string {
  const total = sumDecimals(rows.map((row) => row.total));
  if (total === 0 && regime === 2) return 'regime 2: nothing\n';
  const labels = [...rows.map(({ valve }) => escapeAndCut(valveLabel(valve))), 'total'];
  const columns = columnsOf(rows, total, view);
  const { width } = view.screen;
  const blocks = inBlocks(columns, width, Math.min(widthOf(labels), MIN_LABEL_WIDTH));
  const labelRoom = width - Math.max(...blocks.map(widthOfBlock));
  const tables = blocks.map((block) =>
    formatTable(
      [{ heading: 'valve' }, ...block],
      labels.map((label, row) => [cut(label, labelRoom), ...block.map(({ cells }) => cells[row] ?? '')]),
      width,
    ),
  );
  const marks = new Set(rows.flatMap(({ buckets }) => buckets.map((bucket) => markOf(bucket, view.nowUs))));
  const notes = MARKS.filter(({ mark }) => marks.has(mark)).map(({ note }) => `${note}\n`);
  const title = wrapText(`kWh of regime ${regime}, ${spanText(rows, view)}`, view.screen.textWidth, 2);
  return `${title}\n${tables.join('\n')}${notes.join('')}`;
}

/** A column per bucket, then the valves' totals and their shares of `total` if there is something to add up. */
function columnsOf(rows: readonly Row[], total: number | null, view: ConsumptionView): MatrixColumn[] {
  const buckets = rows[0]?.buckets ?? [];
  const columns = buckets.map(({ startUs }, index): MatrixColumn => {
    const bucketOfEachValve = rows.flatMap((row) => row.buckets[index] ?? []);
    // A cell ends with its mark or a space, so the digits are aligned.
    const cells = bucketOfEachValve.map((bucket) => {
      return `${kwhText(parseDecimal(bucket.kwh), view.bucket)}${markOf(bucket, view.nowUs) || ' '}`;
    });
    const sum = sumDecimals(bucketOfEachValve.map(({ kwh }) => kwh));
    return {
      heading: `${localDateTime(startUs, view.timezone).toFormat(HEADINGS[view.bucket])} `,
      cells: [...cells, `${kwhText(sum, view.bucket)} `],
      align: 'right',
    };
  });
  if (columns.length > 1) {
    const cells = [...rows.map((row) => row.total), total].map((kwh) => kwhText(kwh, view.bucket));
    columns.push({ heading: 'total', cells, align: 'right' });
  }
  if (total !== null && total > 0 && rows.length > 1) columns.push(shares(rows, total, view.screen.drawsBlocks));
  return columns;
}

/** `2026-11-16 00:00 – 2026-11-23 00:00 (Europe/Rome)` */
function spanText([row]: readonly Row[], { timezone }: ConsumptionView): string {
  const [from, to] = [row?.buckets[0]?.startUs ?? 0, row?.buckets.at(-1)?.endUs ?? 0];
  const [first, last] = [from, to].map((timeUs) => localDateTime(timeUs, timezone).toFormat('yyyy-LL-dd HH:mm'));
  return `${first} – ${last} (${timezone})`;
}

/** The column with each valve's share of the total, in percent and perhaps as a bar. */
function shares(rows: readonly Row[], total: number, drawsBars: boolean): MatrixColumn {
  const cells = rows.map((row) => {
    const share = (row.total ?? 0) / total;
    const percent = `${Math.round(share * 100)} %`.padStart('100 %'.length);
    return drawsBars ? `${percent} ${bar(share, BAR_CELLS)}` : percent;
  });
  return { heading: 'share', cells: [...cells, ''], align: 'left' };
}

/** Splits the columns into blocks that fit beside the labels; each block is printed as a table. A block has at least one column. */
function inBlocks(columns: readonly MatrixColumn[], maxWidth: number, labelWidth: number): MatrixColumn[][] {
  const blocks: MatrixColumn[][] = [];
  let freeWidth = 0;
  for (const column of columns) {
    const columnWidth = widthOfBlock([column]);
    const block = blocks.at(-1);
    if (block && columnWidth <= freeWidth) {
      block.push(column);
      freeWidth -= columnWidth;
    } else {
      blocks.push([column]);
      freeWidth = maxWidth - labelWidth - columnWidth;
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
