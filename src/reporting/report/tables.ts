/** A valve’s days and events as tables. */
import { count } from '../../domain/text.ts';
import { epochSeconds, type Micros } from '../../domain/time.ts';
import type { ReportFrame, ValveReport } from './data.ts';
import { groupsOf } from './charts.ts';
import { decimalsOf } from './embedded.ts';
import { barsOf, isWorthShowing, kwhText } from './energy.ts';
import { markup, trusted, type Markup } from './markup.ts';
import { dayText, wallOf } from './page/local-time.ts';
import { groupThousands } from './page/numbers.ts';
import { QUALITIES } from './page/quality.ts';
import { addUp, type Bar } from './page/decode.ts';
import { valveName, type Messages } from './messages.ts';

/** A page with more rows would take seconds to open. The heat map and the CSV still show every hour. */
const MOST_ROWS = 10_000;

/** Of one valve. */
const MOST_EVENTS = 100;

/** The numbers of the charts, also for readers without scripts. */
export function tables(valve: ValveReport, frame: ReportFrame, messages: Messages): Markup {
  const isShort = frame.valveCount * valve.days.length <= MOST_ROWS;
  return markup`<div class="numbers">${isShort && dailyTable(valve, frame, messages)}${eventTable(valve, messages)}</div>`;
}

/** The table of counter events: what happened, and the kWh counted across it. */
function eventTable({ events }: ValveReport, { span }: Messages): Markup | null {
  if (events.length === 0) return null;
  const counter = (kwh: number | null): string => (kwh === null ? '–' : groupThousands(kwh));
  const more = events.length > MOST_EVENTS ? ` The newest ${MOST_EVENTS}; "tasmart events" lists them all.` : '';
  return details(
    count(events.length, 'event'),
    'Events of the counters',
    markup`<table>
      <thead>
        <tr>
          <th scope="col">When</th>
          <th scope="col">What</th>
          <th scope="col">Regime</th>
          <th scope="col">From (kWh)</th>
          <th scope="col">To (kWh)</th>
          <th scope="col">Counted (kWh)</th>
        </tr>
      </thead>
      <tbody>
        ${events
          .toReversed()
          .slice(0, MOST_EVENTS)
          .map(
            (event) =>
              markup`<tr>
              <th scope="row">${span(event)}</th>
              <td>${event.kind}</td>
              <td>${event.regime}</td>
              <td>${counter(event.fromKwh)}</td>
              <td>${counter(event.toKwh)}</td>
              <td>${event.countedKwh === null ? '–' : kwhText(event.countedKwh)}</td>
            </tr>`,
          )}
      </tbody>
    </table>`,
    `Counted: the kWh that the consumption holds for this time.${more}`,
  );
}

function details(summary: string, label: string, table: Markup, hint: string): Markup {
  return markup`<details>
    <summary>${summary}</summary>
    <div class="scroll" role="region" aria-label="${label}" tabindex="0">${table}</div>
    <p class="hint">${hint}</p>
  </details>`;
}

function dailyTable(valve: ValveReport, frame: ReportFrame, { offsets }: Messages): Markup {
  const lines = groupsOf(valve).flatMap(({ title, unit, own }) =>
    own.map(({ name, series }) => ({ head: `${own.length > 1 ? `${title}, ${name}` : title} (${unit})`, series })),
  );
  const counters = valve.energy.filter(isWorthShowing);
  const bars = counters.map((counter) => barsOf(counter, frame.fromUs));
  const rows = valve.days.map(({ startUs, expected, present }, position) => {
    const endUs = valve.days[position + 1]?.startUs ?? frame.toUs;
    const [from, to] = [lowerBound(valve.timesUs, startUs), lowerBound(valve.timesUs, endUs)];
    const cells = [
      expected === 0 ? '–' : `${present} of ${expected}`,
      ...bars.map((own) => energyWithin(own, epochSeconds(startUs), epochSeconds(endUs))),
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
    ...counters.map(({ regime }) => `Energy ${regime} (kWh)`),
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
        ${trusted(rows.toReversed().join(''))}
      </tbody>
    </table>`,
    `Measured values: least · most of the readings that the charts show. ${MARKS}.`,
  );
}

/** The sum of the buckets that begin in this time, with the mark of its quality. */
function energyWithin(bars: readonly Bar[], fromS: number, toS: number): string {
  const { kwh, quality } = addUp(bars.filter(({ startS }) => fromS <= startS && startS < toS));
  return kwh === null ? '–' : `${QUALITIES[quality].mark}${kwh.toFixed(1)}`;
}

const MARKED = ['provisional', 'reset', 'jump', 'estimated'] as const;
const MARKS = MARKED.map((quality) => `${QUALITIES[quality].mark} ${QUALITIES[quality].text}`).join('; ');

/** Minimum and maximum of the values from one index (inclusive) to another (exclusive). */
function rangeOf(values: readonly (number | null)[], from: number, to: number): [number, number] | null {
  const own = values.slice(from, to).filter((value) => value !== null);
  return own.length === 0 ? null : [Math.min(...own), Math.max(...own)];
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
