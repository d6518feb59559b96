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
  let plots: uPlot[] | null = null;
  let analysis: Analysis | null = null;
  /** id of the other valve; '': this valve alone; null: the analysis is not drawn yet */
  let compared: string | null = null;
  let isInSight = false;

  const all = (): uPlot[] => [...(plots ?? []), ...(analysis ? [analysis.timed, ...analysis.plain] : [])];
  const timed = (): uPlot[] => [...(plots ?? []), ...(analysis ? [analysis.timed] : [])];
  const sync = (): void => {
    const group = uPlot.sync(SYNC_KEY);
    for (const plot of timed()) {
      group.unsub(plot);
      if (isInSight) group.sub(plot);
    }
  };
  const refresh = (): void => {
    plots ??= drawAll(container, payload, report, view);
    for (const plot of timed()) follow(plot, view);
  };
  view.onChange(() => {
    if (isInSight) refresh();
  });
  return {
    setInSight: (now) => {
      isInSight = now;
      if (now) {
        refresh();
        fit(all(), false);
      }
      sync();
    },
    refit: (isOnPaper) => {
      if (isInSight) fit(all(), isOnPaper);
    },
    compare: (other) => {
      const id = other?.id ?? '';
      if (compared === id) return;
      compared = id;
      for (const plot of analysis ? [analysis.timed, ...analysis.plain] : []) {
        uPlot.sync(SYNC_KEY).unsub(plot);
        plot.destroy();
      }
      analysis?.root.remove();
      analysis = null;
      const own = firstBars(payload, name, report);
      if (!own) return;
      const theirs = other && firstBars(payloadOf(`${other.id}-data`), other.name, report);
      const around = { view, offsets: report.offsets, ...spansOf(payload, report.fromS) };
      analysis = drawAnalysis(container, own, theirs, flowAndPower(payload, report), around);
      sync();
    },
    saveEnergy: () => {
      const rows = payload.charts.flatMap((chart) => {
        if (chart.kind !== 'bars') return [];
        const { fromS, toS } = view.span();
        const bars = barsShown(decodeBars(chart, report.fromS), view, report.offsets);
        return bars
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
      const { times, breaks } = decodeTimes(payload, report.fromS);
      const columns = linesOf(payload).flatMap(({ unit, lines, ...chart }) => {
        const values = decodeValues({ unit, lines, ...chart }, { times, breaks });
        return lines.map((line, index) => ({ head: `${line.name}, ${unit}`, values: values[index] ?? [] }));
      });
      const rows = times.flatMap((timeS, index) =>
        timeS < fromS || timeS > toS || breaks.has(timeS)
          ? []
          : [[rfc3339(timeS), ...columns.map(({ values }) => values[index] ?? null)]],
      );
      saveCsv(`${fileName(name)}-readings.csv`, [['time', ...columns.map(({ head }) => head)], ...rows]);
    },
  };
}

function fileName(text: string): string {
  return text.replace(/[^\p{L}\p{N}]+/gu, '-');
}

function rfc3339(timeS: number): string {
  return new Date(timeS * 1000).toISOString().replace('.000', '');
}

function payloadOf(id: string): ValvePayload {
  const none: ValvePayload = { times: [], gaps: [], errors: [], withoutValues: [], events: [], charts: [] };
  return JSON.parse(document.getElementById(id)?.textContent ?? JSON.stringify(none)) as ValvePayload;
}

function firstBars({ charts }: ValvePayload, name: string, { fromS }: ReportPayload): NamedBars | null {
  const [first] = charts;
  return first?.kind === 'bars' ? { name, bars: decodeBars(first, fromS) } : null;
}

function linesOf({ charts }: ValvePayload): LinesPayload[] {
  return charts.filter((chart) => chart.kind === 'lines');
}

/** The readings that hold both. */
function flowAndPower(payload: ValvePayload, { fromS }: ReportPayload): [number, number][] {
  const times = decodeTimes(payload, fromS);
  const [flow, power] = ['m³/h', 'kW'].map((unit) => {
    const chart = linesOf(payload).find((each) => each.unit === unit);
    return chart ? (decodeValues(chart, times)[0] ?? []) : [];
  });
  return (flow ?? []).flatMap((value, index) => {
    const kw = power?.[index] ?? null;
    return value === null || kw === null ? [] : [[value, kw] as [number, number]];
  });
}

/** All widths are read before any is set, so that the browser computes the layout once. */
function fit(plots: readonly uPlot[], isOnPaper: boolean): void {
  const widths = plots.map(({ root, width }) => {
    if (isOnPaper) return root.closest('.wide') ? PAPER_PX.wide : PAPER_PX.narrow;
    return root.parentElement?.clientWidth ?? width;
  });
  for (const [index, plot] of plots.entries()) {
    plot.setSize({ width: Math.max(widths[index] ?? 0, 200), height: plot.height });
  }
}

function drawAll(container: HTMLElement, payload: ValvePayload, report: ReportPayload, view: View): uPlot[] {
  const { fromS, offsets } = report;
  const times = decodeTimes(payload, fromS);
  const all = { offsets, ...spansOf(payload, fromS) };
  return [...container.querySelectorAll('figure')].flatMap((figure, index) => {
    const chart = payload.charts[index];
    const plot = figure.querySelector<HTMLElement>('.plot');
    const output = figure.querySelector('output');
    if (!chart || !plot || !output) return [];
    const resting = output.textContent;
    const hours: Bar[] = chart.kind === 'bars' ? decodeBars(chart, fromS) : [];
    const context = {
      ...all,
      events: all.events.filter(([, , , regime]) => chart.kind === 'lines' || chart.regime === regime),
    };
    const around = {
      view,
      ...context,
      onCursor: (u: uPlot, timeS: number | null): void => {
        const text =
          timeS === null
            ? resting
            : chart.kind === 'bars'
              ? barsReadout(barsShown(hours, view, offsets), timeS, context)
              : linesReadout(chart, u, timeS, context);
        if (output.textContent !== text) output.textContent = text;
      },
    };
    return [chart.kind === 'bars' ? drawBars(plot, hours, around) : drawLines(plot, chart, times, around)];
  });
}
