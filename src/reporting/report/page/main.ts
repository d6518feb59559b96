import type { ReportPayload } from '../payload.ts';
import { spanText } from './local-time.ts';
import { forgetPalette } from './palette.ts';
import { createValveCharts, type ValveCharts } from './valve-charts.ts';
import { createView, type Action, type View } from './view.ts';

/** How far ahead of the window charts are drawn, so that scrolling meets none that is missing. */
const AHEAD = '300px';

start();

function start(): void {
  const report = JSON.parse(document.getElementById('report-data')?.textContent ?? 'null') as ReportPayload | null;
  if (!report) return;
  document.documentElement.classList.add('scripted');
  const view = createView(report, 2 * report.intervalS);
  const containers = [...document.querySelectorAll<HTMLElement>('.charts')];
  const charts = new Map<Element, ValveCharts>(
    containers.map((container) => [container, createValveCharts(container, report, view)]),
  );
  connectToolbar(view, report);
  watchSight(charts);
  watchLooks([...charts.values()]);
}

function connectToolbar(view: View, { offsets }: ReportPayload): void {
  const shown = document.getElementById('shown');
  view.onChange(() => {
    const { fromS, toS } = view.span();
    if (shown) shown.textContent = spanText(offsets, fromS, toS);
  });
  for (const button of document.querySelectorAll<HTMLElement>('[data-action]')) {
    button.addEventListener('click', () => view.move(button.dataset['action'] as Action));
  }
}

/** A hundred valves have four hundred charts: only those in sight are drawn, and follow. */
function watchSight(charts: ReadonlyMap<Element, ValveCharts>): void {
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) charts.get(target)?.setInSight(isIntersecting);
    },
    { rootMargin: AHEAD },
  );
  for (const container of charts.keys()) observer.observe(container);
}

/** Width, colours, and paper. */
function watchLooks(charts: readonly ValveCharts[]): void {
  let isPrinting = false;
  const refit = (): void => {
    forgetPalette();
    for (const each of charts) each.refit(isPrinting);
  };
  const print = (isNow: boolean): void => {
    if (isPrinting === isNow) return;
    isPrinting = isNow;
    document.documentElement.classList.toggle('printing', isNow);
    refit();
  };
  addEventListener('beforeprint', () => print(true));
  addEventListener('afterprint', () => print(false));
  matchMedia('print').addEventListener('change', ({ matches }) => print(matches));
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', refit);
  let frame = 0;
  addEventListener('resize', () => {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(() => isPrinting || refit());
  });
}
