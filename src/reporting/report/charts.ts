/** The frames of a valve’s charts, and the data that the script draws into them. */
import type { Micros } from '../../domain/time.ts';
import type { RegimeEnergy, ReportFrame, Series, ValveReport } from './data.ts';
import { decimalsOf, linesPayload, type Line } from './embedded.ts';
import { barsOf, isWorthShowing, totalText } from './energy.ts';
import { markup, type Markup } from './markup.ts';
import type { ValvePayload } from './payload.ts';
import { groupedCount, valveName } from './messages.ts';
import { groupThousands } from './page/numbers.ts';

/** A chart: its frame, which is in the page, and the data that the script draws into it. */
export interface Chart {
  figure: Markup;
  payload: ValvePayload['charts'][number];
}

/** The series that share a chart, if the valve has them. */
interface Group {
  title: string;
  /** the axis begins at 0 */
  isFromZero: boolean;
  /** the name and the colour of each series; a colour is a custom property of page/colours.css */
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
  const measured = lineChartsOf(valve).map((chart) => ({
    figure: linesFigure(chart, valve),
    payload: linesPayload(chart.unit, chart.isFromZero, chart.lines),
  }));
  return [...energy, ...measured];
}

interface LineChart {
  title: string;
  isFromZero: boolean;
  unit: string;
  lines: readonly Line[];
}

/** The valve's series, grouped into charts. */
export function lineChartsOf({ series, deltaT }: ValveReport): LineChart[] {
  return GROUPS.map(({ title, isFromZero, names }) => {
    const lines = series.flatMap((candidate): Line[] => {
      const [name, colour] = names[candidate.property] ?? [];
      if (name === undefined || colour === undefined) return [];
      return [{ ...lineNames(candidate, name, deltaT), colour, series: candidate }];
    });
    return { title, isFromZero, unit: lines[0]?.series.unit ?? '', lines };
  }).filter(({ lines }) => lines.length > 0);
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
  const label = `Energy of regime ${counter.regime}, ${valveName(valve)}: ${total} in ${groupedCount(bars.length, 'bar')}, ${doubtful} of them not measured throughout.`;
  return figure({
    title: `Energy, regime ${counter.regime}`,
    unit: 'kWh',
    resting: `total ${total}`,
    label,
    width: 'wide',
  });
}

function linesFigure({ title, unit, lines }: LineChart, valve: ValveReport): Markup {
  const ranges = lines.map((line) => `${lines.length > 1 ? `${line.name} ` : ''}${rangeText(line.series)}`).join(', ');
  const isEmpty = lines.every(({ series }) => series.values.every((value) => value === null));
  const range = isEmpty ? 'no values' : `${ranges} ${unit}`;
  const faults = `${groupedCount(valve.gaps.length, 'gap')}, ${groupedCount(valve.errors.length, 'error period')}`;
  const keys =
    lines.length > 1 &&
    lines.map(({ key, colour }) => markup`<span class="line-key ${colour.slice('--'.length)}">${key}</span>`);
  return figure({
    title,
    unit,
    resting: range,
    label: `${title} of ${valveName(valve)} over time: ${range}. ${faults}.`,
    keys,
    width: null,
  });
}

interface Figure {
  title: string;
  unit: string;
  /** the readout while nothing is pointed at */
  resting: string;
  /** the chart for screen readers */
  label: string;
  keys?: readonly Markup[] | false;
  /** across all columns; null: one */
  width: 'wide' | null;
}

function figure({ title, unit, resting, label, keys, width }: Figure): Markup {
  return markup`<figure class="${width}">
    <figcaption><b>${title}</b> <span class="unit">${unit}</span> ${keys}<output>${resting}</output></figcaption>
    <div class="plot" role="img" aria-label="${label}"></div>
  </figure>`;
}

/** `0.1 – 24.5` */
function rangeText(series: Series): string {
  const known = series.values.filter((value) => value !== null);
  if (known.length === 0) return 'no values';
  const places = Math.min(decimalsOf(series), 2);
  // Math.min(...known) would fail: a year of readings exceeds the number of arguments of a call.
  const least = known.reduce((low, value) => Math.min(low, value));
  const most = known.reduce((high, value) => Math.max(high, value));
  return `${groupThousands(least.toFixed(places))} – ${groupThousands(most.toFixed(places))}`;
}
