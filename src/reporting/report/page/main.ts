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
  const other = document.querySelector<HTMLSelectElement>('#other');
  const made = new Map<string, ValveCharts>();
  let opened: HTMLElement | null = null;
  let overviewY = 0;
  const chartsOf = (section: HTMLElement): ValveCharts | null => {
    const container = section.querySelector<HTMLElement>('.charts');
    if (!container) return null;
    const charts = made.get(section.id) ?? createValveCharts(container, report, view);
    made.set(section.id, charts);
    return charts;
  };
  const names = sections.map((section) => section.querySelector('h2 bdi')?.textContent ?? section.id);
  other?.append(...sections.map(({ id }, index) => new Option(names[index], id)));

  const apply = (): void => {
    const { valve, values } = readHash(location.hash);
    // A report of a single valve shows the valve below its consumption.
    const section = sections.length === 1 ? sections[0] : sections.find(({ id }) => id === valve);
    const isNew = (section ?? null) !== opened;
    if (isNew && !opened) overviewY = scrollY;
    document.body.classList.toggle('viewing', section !== undefined && sections.length > 1);
    document.body.classList.toggle('opened', section !== undefined);
    if (isNew && opened) {
      opened.classList.remove('open');
      made.get(opened.id)?.setInSight(false);
    }
    opened = section ?? null;
    const [fromS, toS] = [Number(values.get('from') ?? NaN), Number(values.get('to') ?? NaN)];
    if (fromS < toS) view.show({ fromS, toS });
    else view.move('reset');
    if (section) {
      section.classList.add('open');
      const charts = chartsOf(section);
      charts?.setInSight(true);
      const compared = values.get('with') ?? '';
      if (other) {
        for (const option of other.options) option.hidden = option.value === section.id;
        other.value = sections.some(({ id }) => id === compared) ? compared : '';
      }
      const index = sections.findIndex(({ id }) => id === compared);
      charts?.compare(index < 0 ? null : { id: compared, name: names[index] ?? '' });
    }
    if (!isNew || sections.length === 1) return;
    scrollTo({ top: section ? 0 : overviewY });
    section?.querySelector<HTMLElement>('h2')?.focus({ preventScroll: true });
  };
  other?.addEventListener('change', () => {
    setValues({ with: other.value });
    apply();
  });
  const onOpened = (button: string, act: (charts: ValveCharts) => void): void => {
    document.getElementById(button)?.addEventListener('click', () => {
      const charts = opened && made.get(opened.id);
      if (charts) act(charts);
    });
  };
  onOpened('energy-csv', (charts) => charts.saveEnergy());
  onOpened('readings-csv', (charts) => charts.saveReadings());
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

function connectToolbar(view: View, { offsets, fromS: wholeFromS, toS: wholeToS }: ReportPayload): void {
  const shown = document.getElementById('shown');
  const say = (): void => {
    const { fromS, toS } = view.span();
    if (shown) shown.textContent = spanText(offsets, fromS, toS);
  };
  view.onChange(() => {
    say();
    const { fromS, toS } = view.span();
    const isWhole = fromS <= wholeFromS && toS >= wholeToS;
    const shownNow = isWhole ? { from: '', to: '' } : { from: String(Math.round(fromS)), to: String(Math.round(toS)) };
    const { values } = readHash(location.hash);
    if ((values.get('from') ?? '') !== shownNow.from || (values.get('to') ?? '') !== shownNow.to) setValues(shownNow);
  });
  say();
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
    for (const each of charts.values()) each.refit(isPrinting);
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
