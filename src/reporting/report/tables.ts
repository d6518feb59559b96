/** A valve’s days and events as tables. */
import { epochSeconds } from '../../domain/time.ts';
import type { ReportFrame, ValveReport } from './data.ts';
import type { Range } from './day-ranges.ts';
import { lineChartsOf } from './charts.ts';
import { decimalsOf } from './embedded.ts';
import { barsOf, isWorthShowing, kwhText } from './energy.ts';
import { markup, trustHtml, type Markup } from './markup.ts';
import { dayText, wallOf } from './page/local-time.ts';
import { groupThousands } from './page/numbers.ts';
import { QUALITIES } from './page/quality.ts';
import { addUp, type Bar } from './page/decode.ts';
import { groupedCount, valveName, type Messages } from './messages.ts';

/** Days in the tables of all valves. With more, there are no such tables: the page would take seconds to open. */
const MAX_DAY_ROWS = 10_000;

/** Events in the table of one valve. */
const MAX_EVENTS = 100;

/** The numbers of the charts, also for readers without scripts. */
export function tables(valve: ValveReport, frame: ReportFrame, messages: Messages): Markup {
  const isShort = frame.valveCount * valve.days.length <= MAX_DAY_ROWS;
  return markup`<div class="numbers">${isShort && dailyTable(valve, frame, messages)}${eventTable(valve, messages)}</div>`;
}

/** The counter events, the newest first. */
function eventTable({ events }: ValveReport, { span }: Messages): Markup | null {
  if (events.length === 0) return null;
  const more = events.length > MAX_EVENTS ? ` The newest ${MAX_EVENTS}; "tasmart events" lists them all.` : '';
  return details(
    groupedCount(events.length, 'event'),
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
          .slice(0, MAX_EVENTS)
          .map(
            (event) =>
              markup`<tr>
              <th scope="row">${span(event)}</th>
              <td>${event.kind}</td>
              <td>${event.regime}</td>
              <td>${groupThousands(event.fromKwh)}</td>
              <td>${groupThousands(event.toKwh)}</td>
              <td>${kwhText(event.countedKwh)}</td>
            </tr>`,
          )}
      </tbody>
    </table>`,
    `Counted: the kWh that the consumption holds for this time.${more}`,
  );
}

/** A table that opens when its summary is clicked. */
function details(summary: string, label: string, table: Markup, hint: string): Markup {
  return markup`<details>
    <summary>${summary}</summary>
    <div class="scroll" role="region" aria-label="${label}" tabindex="0">${table}</div>
    <p class="hint">${hint}</p>
  </details>`;
}

function dailyTable(valve: ValveReport, frame: ReportFrame, { offsets }: Messages): Markup {
  const lines = lineChartsOf(valve).flatMap(({ title, unit, lines }) =>
    lines.map(({ name, series }) => ({
      head: `${lines.length > 1 ? `${title}, ${name}` : title} (${unit})`,
      ranges: series.dayRanges,
      decimals: decimalsOf(series),
    })),
  );
  const counters = valve.energy.filter(isWorthShowing);
  const barsOfCounters = counters.map((counter) => barsOf(counter, frame.fromUs));
  const rows = valve.days.map(({ startUs, expected, present }, index) => {
    // Bars are whole hours or days, so the first may begin before the report.
    const fromS = index === 0 ? -Infinity : epochSeconds(startUs);
    const endUs = valve.days[index + 1]?.startUs ?? frame.toUs;
    const cells = [
      expected === 0 ? '–' : `${present} of ${expected}`,
      ...barsOfCounters.map((bars) => energyText(bars, fromS, epochSeconds(endUs))),
      ...lines.map(({ ranges, decimals }) => rangeText(ranges[index] ?? null, decimals)),
    ];
    const day = dayText(wallOf(offsets, epochSeconds(startUs)));
    // Without closing tags, which HTML does not need: a page may have 10 000 rows.
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
        ${trustHtml(rows.toReversed().join(''))}
      </tbody>
    </table>`,
    `Measured values: least · most of the day. ${MARKS}.`,
  );
}

/** The sum of the bars that begin in this time, with the mark of its quality. */
function energyText(bars: readonly Bar[], fromS: number, toS: number): string {
  const { kwh, quality } = addUp(bars.filter(({ startS }) => fromS <= startS && startS < toS));
  return kwh === null ? '–' : `${QUALITIES[quality].mark}${kwh.toFixed(1)}`;
}

/** The qualities whose sums have a mark, and what the marks mean. */
const MARKED = ['provisional', 'reset', 'jump', 'estimated'] as const;
const MARKS = MARKED.map((quality) => `${QUALITIES[quality].mark} ${QUALITIES[quality].text}`).join('; ');

/** `0.1 · 24.5` */
function rangeText(range: Range | null, decimals: number): string {
  return range === null ? '–' : `${range.least.toFixed(decimals)} · ${range.most.toFixed(decimals)}`;
}
