import uPlot from 'uplot';
import type { ReportPayload, ValvePayload } from '../payload.ts';
import { drawBars, drawLines, follow, SYNC_KEY } from './chart.ts';
import { barsOf, timesOf } from './decode.ts';
import { barsReadout, linesReadout, spansOf } from './readout.ts';
import type { View } from './view.ts';

/** How wide a chart is on paper: two beside each other between the margins of A4, or one across. */
const PAPER_PX = { narrow: 336, wide: 688 };

/** The charts of one valve. */
export interface ValveCharts {
  /** in sight, they follow the view and the cursor of the others; out of it, they rest */
  setInSight: (isInSight: boolean) => void;
  /** the page's width or colours have changed; or it goes onto paper, which shows them all */
  refit: (isOnPaper: boolean) => void;
}

export function createValveCharts(container: HTMLElement, report: ReportPayload, view: View): ValveCharts {
  let plots: uPlot[] | null = null;
  let isInSight = false;
  let isStale = false;
  let isUnfit = false;
  let isOnPaper = false;

  /** Draws what was not drawn yet, and what changed meanwhile. */
  const refresh = (): void => {
    plots ??= drawAll(container, report, view);
    if (isUnfit) fit(plots, isOnPaper);
    if (isStale) for (const plot of plots) follow(plot, view);
    isStale = isUnfit = false;
  };
  view.onChange(() => {
    isStale = true;
    if (isInSight) refresh();
  });
  return {
    setInSight: (now) => {
      isInSight = now;
      if (now) refresh();
      const sync = uPlot.sync(SYNC_KEY);
      for (const plot of plots ?? []) {
        sync.unsub(plot);
        if (now) sync.sub(plot);
      }
    },
    refit: (isNowOnPaper) => {
      isUnfit = true;
      isOnPaper = isNowOnPaper;
      if (isInSight || isOnPaper) refresh();
    },
  };
}

/** Widths are read before any is set: a layout of the page for each chart would take seconds. */
function fit(plots: readonly uPlot[], isOnPaper: boolean): void {
  const widths = plots.map(({ root, width }) => {
    if (isOnPaper) return root.closest('.wide, .double') ? PAPER_PX.wide : PAPER_PX.narrow;
    return root.parentElement?.clientWidth ?? width;
  });
  for (const [index, plot] of plots.entries()) {
    plot.setSize({ width: Math.max(widths[index] ?? 0, 200), height: plot.height });
  }
}

function drawAll(container: HTMLElement, report: ReportPayload, view: View): uPlot[] {
  const { fromS, offsets } = report;
  const payload = JSON.parse(
    document.getElementById(container.dataset['valve'] ?? '')?.textContent ?? '{}',
  ) as ValvePayload;
  const times = timesOf(payload, fromS);
  const context = { offsets, ...spansOf(payload, fromS) };
  const errors = context.errors.map(([startS, endS]) => [startS, endS] as const);
  return [...container.querySelectorAll('figure')].flatMap((figure, index) => {
    const chart = payload.charts[index];
    const plot = figure.querySelector<HTMLElement>('.plot');
    const output = figure.querySelector('output');
    if (!chart || !plot || !output) return [];
    const resting = output.textContent;
    const bars = chart.kind === 'bars' ? barsOf(chart, fromS) : [];
    const around = {
      ...{ view, offsets, gaps: context.gaps, errors },
      onCursor: (u: uPlot, timeS: number | null): void => {
        const text =
          timeS === null
            ? resting
            : chart.kind === 'bars'
              ? barsReadout(bars, timeS, context)
              : linesReadout(chart, u, timeS, context);
        if (output.textContent !== text) output.textContent = text;
      },
    };
    return [chart.kind === 'bars' ? drawBars(plot, chart, fromS, around) : drawLines(plot, chart, times, around)];
  });
}
