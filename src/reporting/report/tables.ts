import type { Consumption } from '../../database/consumption.ts';
import { epochSeconds, type Micros } from '../../domain/time.ts';
import type { RegisterEnergy, ReportData, ValveReport } from './data.ts';
import { groupsOf } from './charts.ts';
import { decimalsOf } from './embedded.ts';
import { isWorthShowing, kwhText } from './energy.ts';
import { markup, trusted, type Markup } from './markup.ts';
import { DAY_S, dayText, wallOf } from './page/local-time.ts';
import { QUALITIES } from './page/quality.ts';
import { sumDecimals } from '../decimal.ts';
import { valveName, type Wording } from './wording.ts';

/** Where there are more hours than this, a table of them would be slower to open than it is worth: days must do. */
const MOST_HOURS = 20_000;

/** The numbers behind the charts, for whoever wants them, and where no script runs. */
export function tables(valve: ValveReport, data: ReportData, wording: Wording): Markup {
  const hours = data.valves.length * (valve.energy[0]?.buckets.length ?? 0);
  const isHourly = data.bucket === 'hour' && hours <= MOST_HOURS;
  return markup`<div class="numbers">
    ${dailyTable(valve, data, wording)}
    ${isHourly && valve.energy.filter(isWorthShowing).map((register) => energyTable(register, valve, wording))}
  </div>`;
}

function details(summary: string, label: string, table: Markup, hint: string): Markup {
  return markup`<details>
    <summary>${summary}</summary>
    <div class="scroll" role="region" aria-label="${label}" tabindex="0">${table}</div>
    <p class="hint">${hint}</p>
  </details>`;
}

function dailyTable(valve: ValveReport, data: ReportData, { offsets }: Wording): Markup {
  const lines = groupsOf(valve.series).flatMap(({ title, unit, own }) =>
    own.map(({ name, series }) => ({ head: `${own.length > 1 ? `${title}, ${name}` : title} (${unit})`, series })),
  );
  const registers = valve.energy.filter(isWorthShowing);
  const rows = valve.days.map(({ startUs, expected, present }, position) => {
    const endUs = valve.days[position + 1]?.startUs ?? data.toUs;
    const [from, to] = [lowerBound(valve.timesUs, startUs), lowerBound(valve.timesUs, endUs)];
    const cells = [
      expected === 0 ? '–' : `${present} of ${expected}`,
      ...registers.map(({ buckets }) => energyWithin(buckets, startUs, endUs)),
      ...lines.map(({ series }) => {
        const places = decimalsOf(series);
        const range = rangeOf(series.values, from, to);
        return range?.map((value) => value.toFixed(places)).join(' · ') ?? '–';
      }),
    ];
    const day = dayText(wallOf(offsets, epochSeconds(startUs)));
    return `<tr><th scope="row">${day}<td>${cells.join('<td>')}`;
  });
  const heads = [
    'Readings',
    ...registers.map(({ regime }) => `Energy ${regime} (kWh)`),
    ...lines.map(({ head }) => head),
  ].map((head) => markup`<th scope="col">${head}</th>`);
  return details(
    'Day by day',
    `${valveName(valve)}, day by day`,
    markup`<table>
      <thead>
        <tr>
          <th scope="col">Day</th>
          ${heads}
        </tr>
      </thead>
      <tbody>
        ${trusted(rows.join(''))}
      </tbody>
    </table>`,
    `Measured values: least · most of the readings that the charts show. ${MARKS}.`,
  );
}

/** Of the buckets that begin there; the mark is that of the worst. */
function energyWithin(buckets: readonly Consumption[], fromUs: Micros, toUs: Micros): string {
  const own = buckets.filter(({ startUs }) => fromUs <= startUs && startUs < toUs);
  const sum = sumDecimals(own.map(({ kwh }) => kwh));
  if (sum === null) return '–';
  const worst = SEVERITY.find((quality) => own.some((bucket) => bucket.quality === quality)) ?? 'measured';
  return `${QUALITIES[worst].mark}${sum.toFixed(1)}`;
}

/** What matters most about a sum comes first. */
const SEVERITY = ['jump', 'reset', 'estimated', 'provisional'] as const;
const MARKS = SEVERITY.map((quality) => `${QUALITIES[quality].mark} ${QUALITIES[quality].text}`).join('; ');

/** Least and most of the values from one index to before another. */
function rangeOf(values: readonly (number | null)[], from: number, to: number): [number, number] | null {
  const own = values.slice(from, to).filter((value) => value !== null);
  return own.length === 0 ? null : [Math.min(...own), Math.max(...own)];
}

function energyTable(register: RegisterEnergy, valve: ValveReport, wording: Wording): Markup {
  return details(
    `Energy of register ${register.regime}, hour by hour`,
    `Energy of register ${register.regime} of ${valveName(valve)}, kWh hour by hour`,
    hourlyTable(register, wording),
    `kWh. ${MARKS}; – ${QUALITIES.missing.text}.`,
  );
}

const HOURS = Array.from({ length: 24 }, (_, hour) => hour);

/** A row per day, a column per hour of the clock; the hour that comes twice holds two numbers. */
function hourlyTable({ buckets }: RegisterEnergy, { offsets }: Wording): Markup {
  const days = new Map<number, { cells: string[]; total: number | null }>();
  for (const bucket of buckets) {
    const wallS = wallOf(offsets, epochSeconds(bucket.startUs));
    const dayS = Math.floor(wallS / DAY_S) * DAY_S;
    const hour = Math.floor((wallS - dayS) / 3600);
    const day = days.get(dayS) ?? { cells: HOURS.map(() => ''), total: null };
    const before = day.cells[hour] ?? '';
    day.cells[hour] = `${before}${before === '' ? '' : ' + '}${kwhCell(bucket)}`;
    if (bucket.kwh !== null) day.total = (day.total ?? 0) + Number(bucket.kwh);
    days.set(dayS, day);
  }
  const heads = HOURS.map((hour) => `<th scope="col">${String(hour).padStart(2, '0')}`);
  const rows = [...days].map(
    ([dayS, { cells, total }]) =>
      `<tr><th scope="row">${dayText(dayS)}<td>${cells.join('<td>')}<td><b>${total === null ? '–' : kwhText(total)}</b>`,
  );
  return markup`<table>
    <thead>
      <tr>
        <th scope="col">Day</th>
        ${trusted(heads.join(''))}
        <th scope="col">all</th>
      </tr>
    </thead>
    <tbody>
      ${trusted(rows.join(''))}
    </tbody>
  </table>`;
}

function kwhCell({ kwh, quality }: Consumption): string {
  return kwh === null ? '–' : `${QUALITIES[quality].mark}${Number(kwh).toFixed(1)}`;
}

/** Index of the first time at or after `timeUs`. */
function lowerBound(timesUs: readonly Micros[], timeUs: Micros): number {
  let [low, high] = [0, timesUs.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((timesUs[middle] ?? 0) < timeUs) low = middle + 1;
    else high = middle;
  }
  return low;
}
