/** Draws a chart of lines or bars. */
import uPlot from 'uplot';
import type { LinesPayload } from '../payload.ts';
import { timeAxis } from './axis.ts';
import { daysOf, decodeValues, type Bar, type ChartTimes } from './decode.ts';
import { DAY_S, type ZoneOffsets } from './local-time.ts';
import { groupThousands } from './numbers.ts';
import { palette } from './palette.ts';
import { shading, type Marks, type TimeSpan } from './shading.ts';
import type { View } from './view.ts';

/** uPlot's name of the group of charts that share a cursor. */
export const SYNC_KEY = 'time';

/** What all charts of a valve have in common. */
export interface Surroundings extends Marks {
  view: View;
  offsets: ZoneOffsets;
  /** the cursor moved, in this chart or in another; null: it left */
  onCursor: (u: uPlot, timeS: number | null) => void;
}

// uPlot declares this enum for types, but does not export it at run time.
// eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment
const COLOUR = 3 as uPlot.Series.BarsPathBuilderFacetUnit;

const HEIGHT_PX = 168;
const FONT = '11px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';

export function drawLines(plot: HTMLElement, payload: LinesPayload, times: ChartTimes, around: Surroundings): uPlot {
  const series: uPlot.Series[] = payload.lines.map(({ colour }) => ({
    stroke: () => palette().colour(colour),
    width: 1.5,
    points: { show: false },
  }));
  const range: uPlot.Range.Function = (_u, lowest, highest) => linesRange(lowest, highest, payload.isFromZero);
  return drawTimed(plot, [times.times, ...decodeValues(payload, times)], series, range, around);
}

/** In longer spans, bars are added up to days. The stored bars are hours, or days already if the report is long. */
const MAX_HOURLY_S = 8.5 * DAY_S;

/** The bars for the span that is shown: the stored ones, or days of the report's zone. */
export function barsShown(stored: readonly Bar[], view: View, offsets: ZoneOffsets): readonly Bar[] {
  const { fromS, toS } = view.span();
  return toS - fromS > MAX_HOURLY_S ? daysOf(stored, offsets) : stored;
}

export function drawBars(plot: HTMLElement, stored: readonly Bar[], around: Surroundings): uPlot {
  const { view, offsets } = around;
  let bars = barsShown(stored, view, offsets);
  const looks = (pick: 'fill' | 'stroke'): uPlot.Series.BarsPathBuilderFacet => ({
    unit: COLOUR,
    // uPlot expects colours here, but hands them on to the canvas, which accepts patterns.
    values: () => bars.map(({ quality }) => palette().bar[quality][pick] as string),
  });
  const paths = uPlot.paths.bars?.({
    size: [1, Infinity, 1],
    align: 1,
    gap: 1,
    disp: { fill: looks('fill'), stroke: looks('stroke') },
  });
  // Each bar has its own fill and outline. Without these two, uPlot would draw neither.
  const series: uPlot.Series[] = [
    { ...(paths && { paths }), width: 1, fill: '#000', stroke: '#000', points: { show: false } },
  ];
  const dataOf = (): uPlot.AlignedData => [leftEdges(bars), bars.map(({ kwh }) => kwh)];
  const areDays = (): boolean => bars.some(({ startS, endS }) => endS - startS > DAY_S / 2);
  const u = drawTimed(plot, dataOf(), series, RANGE_FROM_ZERO, around, spansWithoutKwh(stored), areDays);
  view.onChange(() => {
    const barsNow = barsShown(stored, view, offsets);
    // Hours and days differ in number, so an equal number means the same bars.
    if (barsNow.length === bars.length) return;
    bars = barsNow;
    u.setData(dataOf(), false);
  });
  return u;
}

/** uPlot makes every bar as wide as the narrowest. So a first bar that is cut begins where it would begin if it were whole. */
function leftEdges(bars: readonly Bar[]): number[] {
  const [first, second] = bars;
  const wholeS = second ? second.endS - second.startS : 0;
  return bars.map((bar) => (bar === first ? Math.min(bar.startS, bar.endS - wholeS) : bar.startS));
}

/** Of the stored bars, also while days are shown: a day's bar may stand before an hour without kWh. */
function spansWithoutKwh(bars: readonly Bar[]): TimeSpan[] {
  return bars.filter(({ kwh }) => kwh === null).map(({ startS, endS }) => [startS, endS] as const);
}

/** The y axis of values that are never negative, with 8 % of padding. `highest` is null if no value is in sight. */
export const RANGE_FROM_ZERO: uPlot.Range.Function = (_u, _lowest, highest) => [0, highest > 0 ? highest * 1.08 : 1];

/** The range of the y axis of lines, with 8 % of padding. `lowest` and `highest` are null if no value is in sight. */
function linesRange(lowest: number | null, highest: number | null, isFromZero: boolean): [number, number] {
  const [low, high] = [lowest ?? 0, highest ?? 1];
  const padding = (high - low || Math.abs(high) || 1) * 0.08;
  const floor = isFromZero && low >= 0 ? 0 : low - padding;
  return [floor, high + padding];
}

/**
 * A chart over time: it follows the view, and a drag across it changes the view.
 *
 * @param range of the y axis
 * @param withoutKwh spans of bars without kWh; null: the chart has lines
 * @param areDays whether each bar is a day: the time axis then labels days only
 */
export function drawTimed(
  plot: HTMLElement,
  data: uPlot.AlignedData,
  series: uPlot.Series[],
  range: uPlot.Range.Function,
  { view, offsets, onCursor, ...marks }: Surroundings,
  withoutKwh: readonly TimeSpan[] | null = null,
  areDays = (): boolean => false,
): uPlot {
  const ink = (property: string) => () => palette().colour(property);
  const lines = { font: FONT, stroke: ink('--muted'), ticks: { show: false } };
  const u: uPlot = new uPlot(
    {
      width: Math.max(plot.clientWidth, 200),
      height: HEIGHT_PX,
      // The last label needs half of its width on the right.
      padding: [8, 20, 0, 0],
      legend: { show: false },
      series: [{}, ...series],
      scales: {
        x: { time: false, range: () => [view.span().fromS, view.span().toS] },
        y: { range },
      },
      axes: [
        { ...lines, ...timeAxis(offsets, areDays), size: 40, gap: 7, grid: { stroke: ink('--grid'), width: 1 } },
        { ...lines, values: tickTexts, size: 54, gap: 4, space: 28, grid: { stroke: ink('--grid'), width: 1 } },
      ],
      cursor: {
        y: false,
        drag: { x: true, y: false, setScale: false, dist: 4 },
        // Marks the reading of a line. A bar needs no mark.
        points: { show: withoutKwh === null, size: 7 },
        // Other charts follow the pointer. Clicks are handled by the chart that is clicked.
        sync: { key: SYNC_KEY, scales: ['x', null], filters: { pub: (type) => type === 'mousemove', sub: () => true } },
        bind: {
          dblclick: () => () => {
            view.move('reset');
            return null;
          },
        },
      },
      hooks: {
        drawClear: [shading(marks, withoutKwh)],
        setCursor: [
          ({ cursor }) => {
            const left = cursor.left ?? -1;
            onCursor(u, left < 0 ? null : u.posToVal(left, 'x'));
          },
        ],
        setSelect: [
          ({ select }) => {
            if (select.width <= 0) return;
            view.show({ fromS: u.posToVal(select.left, 'x'), toS: u.posToVal(select.left + select.width, 'x') });
          },
        ],
        setScale: [
          (_u, key) => {
            if (key !== 'x') return;
            plot.dataset['from'] = String(Math.round(view.span().fromS));
            plot.dataset['to'] = String(Math.round(view.span().toS));
          },
        ],
      },
    },
    data,
    plot,
  );
  return u;
}

/** In the notation of the texts, with no more places than the ticks need. */
function tickTexts(_u: uPlot, ticks: number[], _axis: number, _space: number, step: number): string[] {
  const isWhole = (places: number): boolean => Math.abs(step * 10 ** places - Math.round(step * 10 ** places)) < 1e-6;
  const places = [0, 1, 2, 3].find(isWhole) ?? 4;
  return ticks.map((tick) => groupThousands(tick.toFixed(places)));
}

/** A chart whose horizontal axis is not time: the zoom leaves it alone. */
export function drawUntimed(
  plot: HTMLElement,
  data: uPlot.AlignedData,
  series: uPlot.Series[],
  onIndex: (index: number | null) => void,
): uPlot {
  const ink = (property: string) => () => palette().colour(property);
  const lines = { font: FONT, stroke: ink('--muted'), ticks: { show: false }, values: tickTexts };
  const grid = { stroke: ink('--grid'), width: 1 };
  return new uPlot(
    {
      width: Math.max(plot.clientWidth, 200),
      height: HEIGHT_PX,
      padding: [8, 20, 0, 0],
      legend: { show: false },
      series: [{}, ...series],
      scales: { x: { time: false }, y: { range: RANGE_FROM_ZERO } },
      axes: [
        { ...lines, size: 28, gap: 5, grid },
        { ...lines, size: 54, gap: 4, space: 28, grid },
      ],
      cursor: { y: false, drag: { x: false, y: false, setScale: false }, points: { show: true, size: 7 } },
      hooks: { setCursor: [({ cursor }) => onIndex(cursor.idx ?? null)] },
    },
    data,
    plot,
  );
}

/** Shows the span that the view has now. */
export function follow(u: uPlot, view: View): void {
  const { fromS, toS } = view.span();
  u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  u.setScale('x', { min: fromS, max: toS });
}
