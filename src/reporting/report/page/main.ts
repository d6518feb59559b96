/** The page's script: the overview, one valve at a time, and their state in the page's address. */
import type { ReportPayload } from '../payload.ts';
import { readHash, setValues, writeHash } from './hash.ts';
import { spanText } from './local-time.ts';
import { connectOverview } from './overview.ts';
import { forgetPalette } from './palette.ts';
import { createValveCharts, type ValveCharts } from './valve-charts.ts';
import { createView, type Action, type View } from './view.ts';

start();

function start(): void {
  const report = JSON.parse(document.getElementById('report-data')?.textContent ?? 'null') as ReportPayload | null;
  if (!report) return;
  document.documentElement.classList.add('scripted');
  const view = createView(report, 2 * report.intervalS);
  const charts = connectValves(view, report);
  connectToolbar(view, report);
  connectOverview();
  connectTop();
  watchLooks(charts);
}

/** Shows the valve that the address names. Its charts are made when it is first opened. Returns the charts made so far. */
function connectValves(view: View, report: ReportPayload): ReadonlyMap<string, ValveCharts> {
  const sections = [...document.querySelectorAll<HTMLElement>('.valve')];
  const names = sections.map((section) => section.querySelector('h2 bdi')?.textContent ?? section.id);
  const compareSelect = document.querySelector<HTMLSelectElement>('#other');
  compareSelect?.append(...sections.map(({ id }, index) => new Option(names[index], id)));
  const made = new Map<string, ValveCharts>();
  let opened: HTMLElement | null = null;
  /** where the overview was left, to return there */
  let overviewY = 0;
  const chartsOf = (section: HTMLElement): ValveCharts | null => {
    const container = section.querySelector<HTMLElement>('.charts');
    if (!container) return null;
    const charts = made.get(section.id) ?? createValveCharts(container, report, view);
    made.set(section.id, charts);
    return charts;
  };
  const showSpan = (values: URLSearchParams): void => {
    const [fromS, toS] = [Number(values.get('from') ?? NaN), Number(values.get('to') ?? NaN)];
    if (fromS < toS) view.show({ fromS, toS });
    else view.move('reset');
  };
  const open = (section: HTMLElement, comparedId: string): void => {
    section.classList.add('open');
    const charts = chartsOf(section);
    charts?.setInSight(true);
    const compared = sections.findIndex(({ id }) => id === comparedId);
    if (compareSelect) {
      for (const option of compareSelect.options) option.hidden = option.value === section.id;
      compareSelect.value = compared < 0 ? '' : comparedId;
    }
    charts?.compare(compared < 0 ? null : { id: comparedId, name: names[compared] ?? '' });
  };

  /** Shows what the address asks for. */
  const apply = (): void => {
    const { valve, values } = readHash(location.hash);
    // A report of a single valve shows the valve below its consumption.
    const section = (sections.length === 1 ? sections[0] : sections.find(({ id }) => id === valve)) ?? null;
    const isNew = section !== opened;
    if (isNew && !opened) overviewY = scrollY;
    document.body.classList.toggle('viewing', section !== null && sections.length > 1);
    document.body.classList.toggle('opened', section !== null);
    if (isNew && opened) {
      opened.classList.remove('open');
      made.get(opened.id)?.setInSight(false);
    }
    opened = section;
    showSpan(values);
    if (section) open(section, values.get('with') ?? '');
    if (!isNew || sections.length === 1) return;
    scrollTo({ top: section ? 0 : overviewY });
    section?.querySelector<HTMLElement>('h2')?.focus({ preventScroll: true });
  };
  compareSelect?.addEventListener('change', () => {
    setValues({ with: compareSelect.value });
    apply();
  });
  const onClick = (buttonId: string, act: (charts: ValveCharts) => void): void => {
    document.getElementById(buttonId)?.addEventListener('click', () => {
      const charts = opened && made.get(opened.id);
      if (charts) act(charts);
    });
  };
  onClick('energy-csv', (charts) => charts.saveEnergy());
  onClick('readings-csv', (charts) => charts.saveReadings());
  // Links to valves keep the zoom and the filters of the address.
  document.addEventListener('click', (event) => {
    const link = (event.target as Element).closest<HTMLAnchorElement>('a[href^="#valve-"], a.back');
    if (!link) return;
    event.preventDefault();
    const { values } = readHash(location.hash);
    values.delete('with');
    location.hash = writeHash({ valve: link.getAttribute('href')?.slice(1) ?? '', values });
  });
  addEventListener('hashchange', apply);
  apply();
  return made;
}

/** The span that is shown, as text and in the address, and the buttons that change it. */
function connectToolbar(view: View, { offsets, fromS: wholeFromS, toS: wholeToS }: ReportPayload): void {
  const output = document.getElementById('shown');
  const showSpan = (): void => {
    const { fromS, toS } = view.span();
    if (output) output.textContent = spanText(offsets, fromS, toS);
  };
  view.onChange(() => {
    showSpan();
    const { fromS, toS } = view.span();
    const isWhole = fromS <= wholeFromS && toS >= wholeToS;
    const [from, to] = isWhole ? ['', ''] : [String(Math.round(fromS)), String(Math.round(toS))];
    const { values } = readHash(location.hash);
    if ((values.get('from') ?? '') !== from || (values.get('to') ?? '') !== to) setValues({ from, to });
  });
  showSpan();
  for (const button of document.querySelectorAll<HTMLElement>('[data-action]')) {
    button.addEventListener('click', () => view.move(button.dataset['action'] as Action));
  }
}

/** A link to #top would change the state in the address, so the script scrolls. */
function connectTop(): void {
  const link = document.querySelector<HTMLElement>('.top');
  if (!link) return;
  link.addEventListener('click', (event) => {
    event.preventDefault();
    scrollTo({ top: 0 });
    document.querySelector('h1')?.focus({ preventScroll: true });
  });
  addEventListener('scroll', () => (link.hidden = scrollY < innerHeight), { passive: true });
}

/** Redraws the charts when the page's width or colours change, and for paper. */
function watchLooks(charts: ReadonlyMap<string, ValveCharts>): void {
  let isPrinting = false;
  const refit = (): void => {
    forgetPalette();
    for (const chartsOfValve of charts.values()) chartsOfValve.refit(isPrinting);
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
