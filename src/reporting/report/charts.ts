import { count } from '../../domain/text.ts';
import type { Micros } from '../../domain/time.ts';
import type { RegisterEnergy, ReportData, Series, ValveReport } from './data.ts';
import { decimalsOf, linesPayload, type Line } from './embedded.ts';
import { barsIn, isWorthShowing, totalText } from './energy.ts';
import { markup, type Markup } from './markup.ts';
import type { ValvePayload } from './payload.ts';
import { valveName } from './messages.ts';

/** A chart to be: its frame, which is in the page from the start, and what the script draws into it. */
export interface Chart {
  figure: Markup;
  payload: ValvePayload['charts'][number];
}

interface Group {
  title: string;
  isFromZero: boolean;
  /** what each series is called, and its colour: a custom property of the style sheet */
  names: Partial<Record<Series['property'], readonly [name: string, colour: string]>>;
}

const GROUPS: readonly Group[] = [
  { title: 'Flow', isFromZero: true, names: { measured_flow: ['flow', '--blue'] } },
  { title: 'Power', isFromZero: true, names: { measured_power: ['power', '--orange'] } },
  {
    title: 'Temperatures',
    isFromZero: false,
    names: { local_temp: ['local', '--teal'], remote_temp: ['remote', '--pink'] },
  },
  { title: 'ΔT', isFromZero: true, names: { delta_t: ['ΔT', '--teal'] } },
  {
    title: 'Opening and load',
    isFromZero: true,
    names: {
      position: ['position', '--violet'],
      relative_flow: ['flow', '--blue'],
      relative_power: ['power', '--orange'],
    },
  },
  { title: 'Control signal', isFromZero: true, names: { input_signal: ['input signal', '--violet'] } },
];

/** The valve's charts, in the order in which they stand: energy first, across the page. */
export function chartsOf(valve: ValveReport, { fromUs }: ReportData): Chart[] {
  const energy = valve.energy.filter(isWorthShowing).map((register) => ({
    figure: energyFigure(register, valve, fromUs),
    payload: register.bars,
  }));
  const groups = groupsOf(valve.series);
  const lines = groups.map(({ title, isFromZero, unit, own }) => ({
    figure: linesFigure({ title, unit, own, valve }),
    payload: linesPayload(unit, isFromZero, own),
  }));
  return [...energy, ...lines];
}

export function groupsOf(
  series: readonly Series[],
): { title: string; isFromZero: boolean; unit: string; own: readonly Line[] }[] {
  return GROUPS.map(({ title, isFromZero, names }) => {
    const own = series.flatMap((each) => {
      const [name, colour] = names[each.property] ?? [];
      return name === undefined || colour === undefined ? [] : [{ name, colour, series: each }];
    });
    return { title, isFromZero, unit: own[0]?.series.unit ?? '', own };
  }).filter(({ own }) => own.length > 0);
}

function energyFigure(register: RegisterEnergy, valve: ValveReport, fromUs: Micros): Markup {
  const total = `${totalText(register)} kWh`;
  const bars = barsIn(register, fromUs);
  const doubtful = bars.filter(({ quality }) => quality !== 'measured').length;
  const words = `Energy of register ${register.regime}, ${valveName(valve)}: ${total} in ${count(bars.length, 'bar')}, ${doubtful} of them not measured throughout.`;
  return figure({
    title: `Energy, register ${register.regime}`,
    unit: 'kWh',
    rest: `total ${total}`,
    words,
    width: 'wide',
  });
}

interface LinesFrame {
  title: string;
  unit: string;
  own: readonly Line[];
  valve: ValveReport;
}

function linesFigure({ title, unit, own: lines, valve }: LinesFrame): Markup {
  const ranges = lines.map((line) => `${lines.length > 1 ? `${line.name} ` : ''}${rangeText(line.series)}`).join(', ');
  const faults = `${count(valve.gaps.length, 'gap')}, ${count(valve.errors.length, 'error period')}`;
  const keys =
    lines.length > 1 &&
    lines.map(({ name, colour }) => markup`<span class="line-key ${colour.slice(2)}">${name}</span>`);
  return figure({
    title,
    unit,
    rest: `${ranges} ${unit}`,
    words: `${title} of ${valveName(valve)} over time: ${ranges} ${unit}. ${faults}.`,
    keys,
    width: null,
  });
}

interface Frame {
  title: string;
  unit: string;
  /** what stands there while nothing is pointed at */
  rest: string;
  /** the chart, for those who do not see it */
  words: string;
  keys?: readonly Markup[] | false;
  /** across all columns; null: one */
  width: 'wide' | null;
}

function figure({ title, unit, rest, words, keys, width }: Frame): Markup {
  return markup`<figure class="${width}">
    <figcaption><b>${title}</b> <span class="unit">${unit}</span> ${keys}<output>${rest}</output></figcaption>
    <div class="plot" role="img" aria-label="${words}"></div>
  </figure>`;
}

function rangeText(series: Series): string {
  const known = series.values.filter((value) => value !== null);
  if (known.length === 0) return 'no values';
  const places = Math.min(decimalsOf(series), 2);
  // Not by Math.min(...known): a year of readings is more than a call may have arguments.
  const least = known.reduce((low, value) => Math.min(low, value));
  const most = known.reduce((high, value) => Math.max(high, value));
  return `${least.toFixed(places)} – ${most.toFixed(places)}`;
}
