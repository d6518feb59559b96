import { epochSeconds } from '../../domain/time.ts';
import type { DayCompleteness, ReportData, ValveReport } from './data.ts';
import { totalText } from './energy.ts';
import { markup, trusted, type Markup } from './markup.ts';
import { dayText, wallOf } from './page/local-time.ts';
import { completeness, name, sectionId, stateText, valveName, type Wording } from './wording.ts';

/** Valve by day: the share of the boundaries that have a reading. Numbers carry it; colour makes holes stand out. */
export function heatmap(data: ReportData, { offsets }: Wording): Markup {
  const longest = data.valves.reduce<readonly DayCompleteness[]>(
    (most, { days }) => (days.length > most.length ? days : most),
    [],
  );
  const heads = longest.map(({ startUs }) => {
    const [weekday = '', day = '', month = ''] = dayText(wallOf(offsets, epochSeconds(startUs))).split(' ');
    const weekend = weekday.startsWith('S') && 'weekend';
    return markup`<th scope="col" class="${weekend}">${weekday} <b>${day}</b> ${month}</th>`;
  });
  return markup`<section aria-labelledby="completeness">
    <h2 id="completeness">Completeness, day by day</h2>
    <p class="hint">
      Readings in percent of those there should be, one each ${data.intervalMinutes} minutes; and the kWh of register 1.
    </p>
    <div class="scroll" role="region" aria-label="Completeness by valve and day" tabindex="0">
      <table class="heatmap">
        <thead>
          <tr>
            <th scope="col">Valve</th>
            ${heads}
            <th scope="col">all</th>
            <th scope="col">kWh</th>
          </tr>
        </thead>
        <tbody>
          ${data.valves.map((valve, index) => row(valve, index))}
        </tbody>
      </table>
    </div>
    <ul class="keys">
      <li><span class="swatch c4"></span>complete</li>
      <li><span class="swatch c3"></span>95 % and more</li>
      <li><span class="swatch c2"></span>50 % and more</li>
      <li><span class="swatch c1"></span>less</li>
      <li><span class="swatch c0"></span>no reading</li>
      <li><span class="swatch none"></span>none expected</li>
    </ul>
  </section>`;
}

function row(valve: ValveReport, index: number): Markup {
  const first = valve.energy.find(({ regime }) => regime === 1);
  const total = completeness(valve.days, 1);
  const state = stateText(valve.state);
  const mark = markup`<span class="state ${state}" title="${state}"><span class="hidden">${state}: </span></span>`;
  return markup`<tr>
    <th scope="row">${mark}<a href="#${sectionId(index)}">${name(valve.label)}</a></th>
    ${trusted(valve.days.map(cell).join(''))}
    <td class="sum">${total === null ? '–' : `${total} %`}</td>
    <td class="sum">${first ? totalText(first) : '–'}</td>
  </tr>`;
}

/** Plain numbers only: nothing here needs escaping, and there may be thousands. */
function cell(day: DayCompleteness): string {
  const percent = completeness([day]);
  if (percent === null) return '<td class="none">–</td>';
  const { expected, present } = day;
  const level =
    present >= expected ? 4 : present / expected >= 0.95 ? 3 : present / expected >= 0.5 ? 2 : present > 0 ? 1 : 0;
  const title = level === 4 ? '' : ` title="${present} of ${expected} readings"`;
  return `<td class="c${level}"${title}>${percent}</td>`;
}

/** Where there are too many to scroll past. */
export function valveIndex({ valves }: ReportData): Markup | null {
  if (valves.length < 10) return null;
  const items = valves.map((valve, index) => {
    const state = stateText(valve.state);
    const link = markup`<a href="#${sectionId(index)}"><bdi>${valveName(valve)}</bdi></a>`;
    return markup`<li><span class="state ${state}"></span>${link} ${valve.state !== 'ok' && markup`<small>${state}</small>`}</li>`;
  });
  return markup`<nav aria-label="Valves">
    <details open>
      <summary>All ${valves.length} valves</summary>
      <ol class="index">
        ${items}
      </ol>
    </details>
  </nav>`;
}
