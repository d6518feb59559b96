/** A valve's cumulative energy, load duration, power against flow, and energy by day and hour. */
import uPlot from 'uplot';
import { drawTimed, drawUntimed, RANGE_FROM_ZERO, type Surroundings } from './chart.ts';
import { addUp, type Bar } from './decode.ts';
import { DAY_S, dayText, timeText, wallOf, type ZoneOffsets } from './local-time.ts';
import { groupThousands } from './numbers.ts';
import { palette } from './palette.ts';
import { QUALITIES } from './quality.ts';

/** A valve's energy of one regime. */
export interface NamedBars {
  name: string;
  regime: number;
  bars: readonly Bar[];
}

export interface Analysis {
  root: HTMLElement;
  /** the chart over time: it follows the view */
  timed: uPlot;
  untimed: readonly uPlot[];
}

/** @param otherValve null: no other valve is compared */
export function drawAnalysis(
  parent: HTMLElement,
  thisValve: NamedBars,
  otherValve: NamedBars | null,
  flowAndPower: readonly (readonly [flow: number, power: number])[],
  around: Omit<Surroundings, 'onCursor'>,
): Analysis {
  const root = document.createElement('div');
  root.className = 'analysis';
  parent.append(root);
  const valves = otherValve ? [thisValve, otherValve] : [thisValve];
  const timed = drawCumulative(root, valves, around);
  const untimed = [drawDuration(root, valves)];
  if (flowAndPower.length > 0) untimed.push(drawScatter(root, flowAndPower));
  const areHours = thisValve.bars.every(({ startS, endS }) => endS - startS <= 3600);
  if (thisValve.bars.length > 1 && areHours) root.append(heatMap(thisValve, around.offsets));
  return { root, timed, untimed };
}

/** A line per valve. The other valve's line is dashed. */
function seriesOf(valves: readonly NamedBars[]): uPlot.Series[] {
  return valves.map((_, index) => ({
    stroke: () => palette().colour(index === 0 ? '--energy' : '--pink'),
    width: 1.5,
    ...(index > 0 && { dash: [5, 3] }),
    points: { show: false },
  }));
}

function drawCumulative(
  root: HTMLElement,
  valves: readonly NamedBars[],
  around: Omit<Surroundings, 'onCursor'>,
): uPlot {
  const tables = valves.map(({ bars }): uPlot.AlignedData => {
    let sum = 0;
    const sums = bars.map(({ kwh }) => (kwh === null ? null : (sum += kwh)));
    return [
      [bars[0]?.startS ?? 0, ...bars.map(({ endS }) => endS)],
      [0, ...sums],
    ];
  });
  const data = uPlot.join(tables);
  const resting = valves.map(({ bars }) => kwhText(addUp(bars).kwh)).join(' · ');
  const { plot, output } = figure(root, 'Cumulative energy', 'kWh', resting, valves);
  return drawTimed(plot, data, seriesOf(valves), RANGE_FROM_ZERO, {
    ...around,
    onCursor: (u, timeS) => {
      const index = timeS === null ? -1 : u.valToIdx(timeS);
      const atS = data[0][index];
      const values = valves.map((_, series) => kwhText(data[series + 1]?.[index] ?? null));
      output.textContent = atS === undefined ? resting : [timeText(around.offsets, atS), ...values].join(' · ');
    },
  });
}

/** For how many hours the valve passed at least this power. */
function drawDuration(root: HTMLElement, valves: readonly NamedBars[]): uPlot {
  const tables = valves.map(({ bars }): uPlot.AlignedData => {
    const loads = bars
      .filter(({ kwh }) => kwh !== null)
      .map(({ kwh, startS, endS }) => ({ hours: (endS - startS) / 3600, kw: ((kwh ?? 0) * 3600) / (endS - startS) }))
      .sort((a, b) => b.kw - a.kw);
    let sum = 0;
    // Rounded, so that equal hours of two valves share a row in `join`.
    return [loads.map(({ hours }) => Math.round((sum += hours) * 100) / 100), loads.map(({ kw }) => kw)];
  });
  const data = uPlot.join(tables);
  const resting = tables.map((table) => `at most ${loadText(table, 0)}`).join(' · ');
  const { plot, output } = figure(root, 'Load duration', 'kW over hours', resting, valves);
  return drawUntimed(plot, data, seriesOf(valves), (index) => {
    const hours = index === null ? undefined : data[0][index];
    output.textContent =
      hours === undefined
        ? resting
        : `${groupThousands(hours)} h at least ${tables.map((table) => loadText(table, hours)).join(' · ')}`;
  });
}

/** The least power of a valve's `atHours` hours of most power; –: it has fewer hours. Other valves' rows may lie between its own. */
function loadText([hours, kw]: uPlot.AlignedData, atHours: number): string {
  const load = kw?.[hours.findIndex((own) => own >= atHours)];
  return load === undefined || load === null ? '–' : `${load.toFixed(2)} kW`;
}

function drawScatter(root: HTMLElement, points: readonly (readonly [number, number])[]): uPlot {
  const byFlow = [...points].sort((a, b) => a[0] - b[0]);
  const resting = `${groupThousands(points.length)} readings`;
  const { plot, output } = figure(root, 'Power against flow', 'kW over m³/h', resting, []);
  const series: uPlot.Series[] = [
    {
      paths: () => null,
      stroke: () => palette().colour('--orange'),
      points: { show: true, size: 3, width: 0, fill: () => palette().colour('--orange') },
    },
  ];
  const data: uPlot.AlignedData = [byFlow.map(([flow]) => flow), byFlow.map(([, power]) => power)];
  return drawUntimed(plot, data, series, (index) => {
    const [flow, power] = byFlow[index ?? -1] ?? [];
    output.textContent =
      flow === undefined || power === undefined ? resting : `${flow.toFixed(4)} m³/h · ${power.toFixed(4)} kW`;
  });
}

const HOURS = Array.from({ length: 24 }, (_, hour) => hour);
/** The classes h1 to h5 in valve.css. */
const LEVELS = 5;

/** A table: one row per day, the newest first. An hour that the clock shows twice holds the sum of both. */
function heatMap({ bars, regime }: NamedBars, offsets: ZoneOffsets): HTMLElement {
  const days = new Map<number, Bar[][]>();
  for (const bar of bars) {
    const wallS = wallOf(offsets, bar.startS);
    const day = Math.floor(wallS / DAY_S);
    const row = days.get(day) ?? HOURS.map(() => []);
    row[Math.floor((wallS % DAY_S) / 3600)]?.push(bar);
    days.set(day, row);
  }
  const most = bars.reduce((high, { kwh }) => Math.max(high, kwh ?? 0), 0.001);
  const table = element('table', { className: 'hours' });
  const head = element('tr', {}, element('th', { scope: 'col', textContent: 'Day' }));
  head.append(...HOURS.map((hour) => element('th', { scope: 'col', textContent: String(hour).padStart(2, '0') })));
  const body = element('tbody');
  for (const [day, row] of [...days].reverse()) {
    const cells = row.map((barsOfHour) => heatCell(barsOfHour, most));
    body.append(element('tr', {}, element('th', { scope: 'row', textContent: dayText(day * DAY_S) }), ...cells));
  }
  table.append(
    element('caption', { textContent: `Energy by day and hour, regime ${regime}, kWh` }),
    element('thead', {}, head),
    body,
  );
  const scroll = element('div', { className: 'scroll wide', tabIndex: 0 }, table);
  scroll.setAttribute('role', 'region');
  scroll.setAttribute('aria-label', 'Energy by day and hour');
  return scroll;
}

/** @param most the kWh of the darkest cell */
function heatCell(bars: readonly Bar[], most: number): HTMLElement {
  const known = bars.filter(({ kwh }) => kwh !== null);
  if (known.length === 0) return element('td', { textContent: bars.length === 0 ? '' : '–', className: 'hnone' });
  const kwh = known.reduce((sum, bar) => sum + (bar.kwh ?? 0), 0);
  const mark = bars.map(({ quality }) => QUALITIES[quality].mark).find((candidate) => candidate !== '') ?? '';
  const level = Math.min(LEVELS, Math.ceil((kwh / most) * LEVELS));
  return element('td', { textContent: `${mark}${kwh.toFixed(kwh < 10 ? 1 : 0)}`, className: `h${level}` });
}

function figure(
  root: HTMLElement,
  title: string,
  unit: string,
  resting: string,
  valves: readonly NamedBars[],
): { plot: HTMLElement; output: HTMLOutputElement } {
  const keys =
    valves.length < 2
      ? []
      : valves.map(({ name }, index) =>
          element('span', { className: `line-key ${index === 0 ? 'energy' : 'pink'}`, textContent: name }),
        );
  const output = element('output', { textContent: resting });
  const caption = element(
    'figcaption',
    {},
    element('b', { textContent: title }),
    element('span', { className: 'unit', textContent: unit }),
    ...keys,
    output,
  );
  const plot = element('div', { className: 'plot' });
  plot.setAttribute('role', 'img');
  plot.setAttribute('aria-label', `${title}, ${unit}: ${resting}`);
  // The names of two valves need the width.
  root.append(element('figure', { className: valves.length > 1 ? 'wide' : '' }, caption, plot));
  return { plot, output };
}

function kwhText(kwh: number | null | undefined): string {
  return kwh === null || kwh === undefined ? '–' : `${groupThousands(kwh.toFixed(1))} kWh`;
}

function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Partial<HTMLElementTagNameMap[K]> = {},
  ...children: Node[]
): HTMLElementTagNameMap[K] {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}
