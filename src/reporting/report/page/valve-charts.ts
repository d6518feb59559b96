/** The charts of one valve: made when the valve is opened, and following the zoom while it is open. */
import uPlot from 'uplot';
import type { LinesPayload, ReportPayload, ValvePayload } from '../payload.ts';
import { drawAnalysis, type Analysis, type NamedBars } from './analysis.ts';
import { barsShown, drawBars, drawLines, follow, SYNC_KEY } from './chart.ts';
import { saveCsv } from './csv.ts';
import { decodeBars, decodeTimes, decodeValues, type Bar } from './decode.ts';
import { barsReadout, linesReadout, spansOf } from './readout.ts';
import type { View } from './view.ts';

/** The widths of charts on paper: two beside each other between the margins of A4, or one across. */
const PAPER_PX = { narrow: 336, wide: 688 };

export interface ValveCharts {
  /** Charts in sight follow the view and each other's cursor. */
  setInSight: (isInSight: boolean) => void;
  /** To be called when the page's width or colours have changed, or before and after printing. */
  refit: (isOnPaper: boolean) => void;
  /** Draws the analysis charts: of this valve and another one, or of this valve alone (null). Call it once at first. */
  compare: (other: { id: string; name: string } | null) => void;
  /** Saves the energy bars that are shown as CSV. */
  saveEnergy: () => void;
  /** Saves the readings that are shown as CSV. */
  saveReadings: () => void;
}

export function createValveCharts(container: HTMLElement, report: ReportPayload, view: View): ValveCharts {
  const name = container.closest('.valve')?.querySelector('h2 bdi')?.textContent ?? '';
  const payload = payloadOf(container.dataset['valve'] ?? '');
  /** the charts of the figures that the page came with; null: not drawn yet */
  let plots: uPlot[] | null = null;
  let analysis: Analysis | null = null;
  /** id of the other valve; '': this valve alone; null: the analysis is not drawn yet */
  let comparedId: string | null = null;
  let isInSight = false;

  const timedPlots = (): uPlot[] => [...(plots ?? []), ...(analysis ? [analysis.timed] : [])];
  const allPlots = (): uPlot[] => [...timedPlots(), ...(analysis?.untimed ?? [])];
  /** Joins the group of charts that share a cursor, or leaves it. */
  const sync = (): void => {
    const group = uPlot.sync(SYNC_KEY);
    for (const plot of timedPlots()) {
      group.unsub(plot);
      if (isInSight) group.sub(plot);
    }
  };
  const refresh = (): void => {
    plots ??= drawFigures(container, payload, report, view);
    for (const plot of timedPlots()) follow(plot, view);
  };
  view.onChange(() => {
    if (isInSight) refresh();
  });
  return {
    setInSight: (isNowInSight) => {
      isInSight = isNowInSight;
      if (isInSight) {
        refresh();
        fit(allPlots(), false);
      }
      sync();
    },
    refit: (isOnPaper) => {
      if (isInSight) fit(allPlots(), isOnPaper);
    },
    compare: (other) => {
      const id = other?.id ?? '';
      if (comparedId === id) return;
      comparedId = id;
      for (const plot of analysis ? [analysis.timed, ...analysis.untimed] : []) {
        uPlot.sync(SYNC_KEY).unsub(plot);
        plot.destroy();
      }
      analysis?.root.remove();
      analysis = null;
      const thisValve = firstBars(payload, name, report);
      if (!thisValve) return;
      const otherValve = other && firstBars(payloadOf(`${other.id}-data`), other.name, report);
      const around = { view, offsets: report.offsets, ...spansOf(payload, report.fromS) };
      analysis = drawAnalysis(container, thisValve, otherValve, flowAndPower(payload, report), around);
      sync();
    },
    saveEnergy: () => {
      const rows = payload.charts.flatMap((chart) => {
        if (chart.kind !== 'bars') return [];
        const { fromS, toS } = view.span();
        return barsShown(decodeBars(chart, report.fromS), view, report.offsets)
          .filter(({ startS, endS }) => endS > fromS && startS < toS)
          .map((bar) => [
            chart.regime,
            ...[bar.startS, bar.endS].map(rfc3339),
            bar.kwh,
            bar.percent / 100,
            bar.quality,
          ]);
      });
      saveCsv(`${fileName(name)}-kwh.csv`, [['regime', 'start', 'end', 'kwh', 'coverage', 'quality'], ...rows]);
    },
    saveReadings: () => {
      const { fromS, toS } = view.span();
      const chartTimes = decodeTimes(payload, report.fromS);
      const columns = lineChartsOf(payload).flatMap((chart) => {
        const valuesOfLines = decodeValues(chart, chartTimes);
        return chart.lines.map(({ name }, line) => {
          return { head: `${name}, ${chart.unit}`, values: valuesOfLines[line] ?? [] };
        });
      });
      const rows = chartTimes.times.flatMap((timeS, index) => {
        if (timeS < fromS || timeS > toS || chartTimes.breaks.has(timeS)) return [];
        return [[rfc3339(timeS), ...columns.map(({ values }) => values[index] ?? null)]];
      });
      saveCsv(`${fileName(name)}-readings.csv`, [['time', ...columns.map(({ head }) => head)], ...rows]);
    },
  };
}

function fileName(text: string): string {
  return text.replace(/[^\p{L}\p{M}\p{N}]+/gu, '-').replace(/^-|-$/g, '') || 'valve';
}

function rfc3339(timeS: number): string {
  return new Date(timeS * 1000).toISOString().replace('.000', '');
}

/** @param id of the block that embedded.ts has made; a valve without charts has none */
function payloadOf(id: string): ValvePayload {
  const none: ValvePayload = { times: [], gaps: [], errors: [], withoutValues: [], events: [], charts: [] };
  return JSON.parse(document.getElementById(id)?.textContent ?? JSON.stringify(none)) as ValvePayload;
}

/** The bars of the first chart: of regime 1, or of regime 2 if that alone has kWh. null: the valve has none. */
function firstBars({ charts }: ValvePayload, name: string, { fromS }: ReportPayload): NamedBars | null {
  const [first] = charts;
  return first?.kind === 'bars' ? { name, regime: first.regime, bars: decodeBars(first, fromS) } : null;
}

function lineChartsOf({ charts }: ValvePayload): LinesPayload[] {
  return charts.filter((chart) => chart.kind === 'lines');
}

/** Flow and power of the readings that have both. */
function flowAndPower(payload: ValvePayload, { fromS }: ReportPayload): [number, number][] {
  const times = decodeTimes(payload, fromS);
  const [flow, power] = ['m³/h', 'kW'].map((unit) => {
    const chart = lineChartsOf(payload).find((chart) => chart.unit === unit);
    return chart ? (decodeValues(chart, times)[0] ?? []) : [];
  });
  return (flow ?? []).flatMap((m3h, index): [number, number][] => {
    const kw = power?.[index] ?? null;
    return m3h === null || kw === null ? [] : [[m3h, kw]];
  });
}

/** Sets the plots' widths. All are read before any is set, so that the browser computes the layout once. */
function fit(plots: readonly uPlot[], isOnPaper: boolean): void {
  const widths = plots.map(({ root, width }) => {
    if (isOnPaper) return root.closest('.wide') ? PAPER_PX.wide : PAPER_PX.narrow;
    return root.parentElement?.clientWidth ?? width;
  });
  for (const [index, plot] of plots.entries()) {
    plot.setSize({ width: Math.max(widths[index] ?? 0, 200), height: plot.height });
  }
}

/** Draws the payload's charts into the page's figures, which are in the same order. */
function drawFigures(container: HTMLElement, payload: ValvePayload, report: ReportPayload, view: View): uPlot[] {
  const { fromS, offsets } = report;
  const times = decodeTimes(payload, fromS);
  const spans = spansOf(payload, fromS);
  return [...container.querySelectorAll('figure')].flatMap((figure, index) => {
    const chart = payload.charts[index];
    const plot = figure.querySelector<HTMLElement>('.plot');
    const output = figure.querySelector('output');
    if (!chart || !plot || !output) return [];
    const resting = output.textContent;
    const bars: Bar[] = chart.kind === 'bars' ? decodeBars(chart, fromS) : [];
    const events = spans.events.filter(([, , , regime]) => chart.kind === 'lines' || chart.regime === regime);
    const context = { offsets, ...spans, events };
    const readoutAt = (u: uPlot, timeS: number): string =>
      chart.kind === 'bars'
        ? barsReadout(barsShown(bars, view, offsets), timeS, context)
        : linesReadout(chart, u, timeS, context);
    const onCursor = (u: uPlot, timeS: number | null): void => {
      const text = timeS === null ? resting : readoutAt(u, timeS);
      if (output.textContent !== text) output.textContent = text;
    };
    const around = { view, ...context, onCursor };
    return [chart.kind === 'bars' ? drawBars(plot, bars, around) : drawLines(plot, chart, times, around)];
  });
}
