/** All valves in one table, which the page's script sorts, searches and filters. */
import { printable } from '../../domain/text.ts';
import { epochSeconds } from '../../domain/time.ts';
import type { DayCompleteness, ReportData, ValveReport } from './data.ts';
import { fleetTotal, signed, totalText } from './energy.ts';
import { markup, trusted, type Markup } from './markup.ts';
import { completeness, name, sectionId, stateText, type Messages } from './messages.ts';
import type { ProblemGroup } from './overview.ts';
import { dayText, wallOf } from './page/local-time.ts';
import type { Problems } from './problems.ts';

export function overviewTable(
  data: ReportData,
  problems: Problems,
  groups: readonly ProblemGroup[],
  messages: Messages,
): Markup {
  const { valves } = data;
  const projects = [...new Set(valves.map(projectOf))].sort();
  const hasSecond = fleetTotal(valves, 2).isWorthShowing;
  const totals = [fleetTotal(valves, 1).totalKwh ?? 0, fleetTotal(valves, 2).totalKwh ?? 0];
  const labels = new Map<string, number>();
  for (const { label } of valves) labels.set(label, (labels.get(label) ?? 0) + 1);
  const days = dayRange(valves[0]?.days ?? [], messages);
  const heads = [
    ['Valve', ''],
    ...(projects.length > 1 ? [['Project', '']] : []),
    ['kWh', 'number'],
    ...(hasSecond ? [['kWh, register 2', 'number']] : []),
    ['Share, %', 'number'],
    ['Change, %', 'number'],
    ['Complete, %', 'number'],
    [`Readings by day${days}`, 'plain'],
    ['Newest reading', 'number'],
    ['Problems', 'number'],
  ] as const;
  return markup`<section aria-labelledby="valves">
    <h2 id="valves">All valves</h2>
    <form class="filters" role="search">
      <label>Search <input type="search" name="q" placeholder="name, serial, id" autocomplete="off"></label>
      ${
        projects.length > 1 &&
        markup`<label>Project <select name="project"><option value="">all</option>${projects.map((project) => markup`<option value="${project}">${project === '' ? '(none)' : project}</option>`)}</select></label>`
      }
      ${
        groups.length > 0 &&
        markup`<label>Problem <select name="problem"><option value="">with and without</option><option value="any">any</option>${groups.map(({ title, entries }, index) => markup`<option value="${index}">${printable(title)} (${entries.length})</option>`)}</select></label>`
      }
      <button type="button" id="table-csv">CSV of this table</button>
      <output id="count"></output>
    </form>
    <div class="scroll" role="region" aria-label="Table of all valves" tabindex="0">
      <table id="overview-table">
        <thead>
          <tr>${heads.map(([head = '', kind = '']) => markup`<th scope="col" data-kind="${kind}">${head}</th>`)}</tr>
        </thead>
        <tbody>
          ${valves.map((valve, index) => {
            const own = groups.flatMap(({ entries }, group) =>
              entries.some((each) => each.index === index) ? [group] : [],
            );
            return row(valve, index, {
              problems: problems.valves[index] ?? [],
              own,
              messages,
              totals,
              hasSecond,
              hasProjects: projects.length > 1,
              isNamesake: (labels.get(valve.label) ?? 0) > 1,
            });
          })}
        </tbody>
      </table>
    </div>
    <p><button type="button" id="more">Show all</button></p>
    <ul class="keys" aria-label="Readings by day">
      <li><span class="swatch c4"></span>complete</li>
      <li><span class="swatch c3"></span>95 % and more</li>
      <li><span class="swatch c2"></span>50 % and more</li>
      <li><span class="swatch c1"></span>less</li>
      <li><span class="swatch c0"></span>no reading</li>
      <li><span class="swatch cn"></span>none expected</li>
    </ul>
  </section>`;
}

interface RowContext {
  problems: Problems['valves'][number];
  /** numbers of its groups */
  own: readonly number[];
  messages: Messages;
  /** kWh of the fleet, by register */
  totals: readonly number[];
  hasSecond: boolean;
  hasProjects: boolean;
  isNamesake: boolean;
}

function row(valve: ValveReport, index: number, context: RowContext): Markup {
  const { problems, own, messages, totals, hasSecond, hasProjects, isNamesake } = context;
  const [first, second] = ([1, 2] as const).map((regime) => valve.energy.find((each) => each.regime === regime));
  const kwh = first?.totalKwh ?? null;
  const share = kwh === null || !totals[0] ? null : (kwh / totals[0]) * 100;
  const previous = first?.previousKwh ?? 0;
  const change = kwh === null || previous === 0 ? null : (kwh / previous - 1) * 100;
  const complete = completeness(valve.days, 1);
  const state = stateText(valve.state);
  const search = [valve.label, valve.shortSn, valve.fullSn, valve.id, valve.backendRef].join(' ').toLowerCase();
  const worst = problems[0];
  return markup`<tr data-search="${printable(search, 300)}" data-project="${projectOf(valve)}" data-problems=" ${own.join(' ')} ">
    <th scope="row"><span class="state ${state}" title="${state}"><span class="hidden">${state}: </span></span><a href="#${sectionId(index)}">${name(valve.label)}</a>${isNamesake && markup` <small>${valve.shortSn ?? valve.id.slice(0, 8)}</small>`}</th>
    ${hasProjects && markup`<td class="text">${valve.projectName !== null && name(valve.projectName)}</td>`}
    <td data-v="${kwh}">${first ? totalText(first) : '–'}</td>
    ${hasSecond && markup`<td data-v="${second?.totalKwh}">${second ? totalText(second) : '–'}</td>`}
    <td data-v="${share?.toFixed(3)}">${share === null ? '–' : share.toFixed(1)}</td>
    <td data-v="${change?.toFixed(3)}">${change === null ? '–' : signed(change)}</td>
    <td data-v="${complete}">${complete ?? '–'}</td>
    <td class="strip">${trusted(strip(valve.days))}</td>
    <td data-v="${valve.newestUs === null ? null : epochSeconds(valve.newestUs)}">${valve.newestUs === null ? 'none' : messages.time(valve.newestUs)}</td>
    <td class="text" data-v="${worst ? 100 * (9 - worst.rank) + problems.length : 0}">${worst && printable(worst.title)}${problems.length > 1 && ` and ${problems.length - 1} more`}</td>
  </tr>`;
}

function projectOf({ projectName }: ValveReport): string {
  return printable(projectName ?? '');
}

function dayRange(days: readonly DayCompleteness[], { offsets }: Messages): string {
  const [first, last] = [days[0], days.at(-1)].map((day) => day && dayText(wallOf(offsets, epochSeconds(day.startUs))));
  return first && last ? `, ${first} – ${last}` : '';
}

/** A cell per day, the newest on the right; equal days share a path, so a sound valve costs one. */
function strip(days: readonly DayCompleteness[]): string {
  const levels = days.map(({ expected, present }) => {
    if (expected === 0) return 'cn';
    const share = present / expected;
    return `c${share >= 1 ? 4 : share >= 0.95 ? 3 : share >= 0.5 ? 2 : share > 0 ? 1 : 0}`;
  });
  const paths = [...new Set(levels)].map((level) => {
    const cells = levels.flatMap((each, day) => (each === level ? [`M${day} 0h.9v1h-.9z`] : []));
    return `<path class="${level}" d="${cells.join('')}"/>`;
  });
  const short = levels.filter((level) => level !== 'c4' && level !== 'cn').length;
  const words = short === 0 ? 'no day is incomplete' : `${short} of ${days.length} days incomplete`;
  return `<svg viewBox="0 0 ${days.length} 1" preserveAspectRatio="none" role="img" aria-label="${words}">${paths.join('')}</svg>`;
}
