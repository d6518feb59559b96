/** The frames of a valve’s charts, and the data that the script draws into them. */
import { count } from '../../domain/text.ts';
import type { Micros } from '../../domain/time.ts';
import type { RegimeEnergy, ReportFrame, Series, ValveReport } from './data.ts';
import { decimalsOf, linesPayload, type Line } from './embedded.ts';
import { barsOf, isWorthShowing, totalText } from './energy.ts';
import { markup, type Markup } from './markup.ts';
import type { ValvePayload } from './payload.ts';
import { valveName } from './messages.ts';
import { groupThousands } from './page/numbers.ts';

/** A chart: its frame, which is in the page, and the data that the script draws into it. */
export interface Chart {
  figure: Markup;
  payload: ValvePayload['charts'][number];
}

interface Group {
  title: string;
  isFromZero: boolean;
  /** the name and the colour of each series; a colour is a custom property of the style sheet */
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

/** The valve's charts in the order of the page: energy first, across the whole width. */
export function chartsOf(valve: ValveReport, { fromUs }: ReportFrame): Chart[] {
  const energy = valve.energy.filter(isWorthShowing).map((counter) => ({
    figure: energyFigure(counter, valve, fromUs),
    payload: counter.bars,
  }));
  const groups = groupsOf(valve);
  const lines = groups.map(({ title, isFromZero, unit, own }) => ({
    figure: linesFigure({ title, unit, own, valve }),
    payload: linesPayload(unit, isFromZero, own),
  }));
  return [...energy, ...lines];
}

/** The valve's series, groupThousands into charts. */
export function groupsOf({ series, deltaT }: Pick<ValveReport, 'series' | 'deltaT'>): {
  title: string;
  isFromZero: boolean;
  unit: string;
  own: readonly Line[];
}[] {
  return GROUPS.map(({ title, isFromZero, names }) => {
    const own = series.flatMap((each) => {
      const [name, colour] = names[each.property] ?? [];
      return name === undefined || colour === undefined
        ? []
        : [{ ...lineNames(each, name, deltaT), colour, series: each }];
    });
    return { title, isFromZero, unit: own[0]?.series.unit ?? '', own };
  }).filter(({ own }) => own.length > 0);
}

/** Supply and return instead of the sensors' names, if the temperatures show which is which. */
function lineNames({ property }: Series, name: string, deltaT: ValveReport['deltaT']): { name: string; key: string } {
  if (!deltaT?.supply || (property !== 'local_temp' && property !== 'remote_temp')) return { name, key: name };
  const pipe = property === `${deltaT.supply}_temp` ? 'supply' : 'return';
  return { name: pipe, key: `${pipe} (${name})` };
}

function energyFigure(counter: RegimeEnergy, valve: ValveReport, fromUs: Micros): Markup {
  const total = `${totalText(counter)} kWh`;
  const bars = barsOf(counter, fromUs);
  const doubtful = bars.filter(({ quality }) => quality !== 'measured').length;
  const words = `Energy of regime ${counter.regime}, ${valveName(valve)}: ${total} in ${count(bars.length, 'bar')}, ${doubtful} of them not measured throughout.`;
  return figure({
    title: `Energy, regime ${counter.regime}`,
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
    lines.length > 1 && lines.map(({ key, colour }) => markup`<span class="line-key ${colour.slice(2)}">${key}</span>`);
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
  /** shown while nothing is pointed at */
  rest: string;
  /** the chart for screen readers */
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
  // Math.min(...known) would fail: a year of readings exceeds the number of arguments of a call.
  const least = known.reduce((low, value) => Math.min(low, value));
  const most = known.reduce((high, value) => Math.max(high, value));
  return `${groupThousands(least.toFixed(places))} – ${groupThousands(most.toFixed(places))}`;
}
