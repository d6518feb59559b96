/** The table of all valves. page/overview.ts sorts, searches and filters it by the attributes `data-…`. */
import { escapeAndCut } from '../../domain/text.ts';
import { epochSeconds } from '../../domain/time.ts';
import { completePercent } from './completeness.ts';
import type { ReportData, ValveSummary } from './data.ts';
import { changePercent, fleetTotal, signedText, totalText } from './energy.ts';
import { markup, type Markup } from './markup.ts';
import { nameMarkup, sectionId, stateClass, stateText, type Messages } from './messages.ts';
import { countValves, type ProblemGroup } from './problem-list.ts';
import type { Problems, ValveProblem } from './problems.ts';
import { strip, stripKeys, stripRange } from './strip.ts';

export function overviewTable(
  data: ReportData,
  problems: Problems,
  groups: readonly ProblemGroup[],
  messages: Messages,
): Markup {
  const { valves } = data;
  const accounts = namesOf(valves.map(({ account }) => account));
  const projects = namesOf(valves.map(({ projectName }) => projectName));
  const context = {
    messages,
    totalKwh: fleetTotal(valves, 1).totalKwh ?? 0,
    hasRegime2: fleetTotal(valves, 2).isWorthShowing,
    hasProjects: projects.length > 1,
    hasAccounts: accounts.length > 1,
  };
  // Text and `data-kind`, in the order of the cells in `row`. '' ascends at the first click, other kinds descend; 'plain' is
  // not sorted.
  const heads = [
    ['Valve', ''],
    ['kWh', 'number'],
    ...(context.hasRegime2 ? [['kWh, regime 2', 'number']] : []),
    ['Share, %', 'number'],
    ['Change, %', 'number'],
    ['Problems', 'worst'],
    ['Complete, %', 'number'],
    [markup`Readings by day<br>${stripRange(valves[0]?.days ?? [], messages)}`, 'plain'],
    ['Newest reading', 'number'],
    ...(context.hasProjects ? [['Project', '']] : []),
    ...(context.hasAccounts ? [['Account', '']] : []),
  ] as const;
  const groupsByValve = valves.map((): number[] => []);
  for (const [group, { entries }] of groups.entries()) {
    for (const { index } of entries) groupsByValve[index]?.push(group);
  }
  return markup`<section aria-labelledby="valves">
    <h2 id="valves">All valves</h2>
    <form class="filters" role="search">
      <label>Search <input type="search" name="q" placeholder="name, serial, id" autocomplete="off"></label>
      ${context.hasAccounts && select('Account', 'account', accounts)}
      ${context.hasProjects && select('Project', 'project', projects)}
      ${groups.length > 0 && problemSelect(groups)}
      <button type="button" id="table-csv">CSV of this table</button>
      <output id="count"></output>
    </form>
    <div class="scroll" role="region" aria-label="Table of all valves" tabindex="0">
      <table id="overview-table">
        <thead>
          <tr>${heads.map(([head = '', kind = '']) => markup`<th scope="col" data-kind="${kind}">${head}</th>`)}</tr>
        </thead>
        <tbody>
          ${valves.map((valve, index) => row(valve, index, problems.valves[index] ?? [], groupsByValve[index] ?? [], context))}
        </tbody>
      </table>
    </div>
    <p><button type="button" id="more">Show all</button></p>
    ${stripKeys()}
  </section>`;
}

/** Each filter value once, sorted. */
function namesOf(names: readonly (string | null)[]): string[] {
  return [...new Set(names.map(filterValue))].sort();
}

/** An account or project as its filter names it. Never '': that filter value means all. */
function filterValue(name: string | null): string {
  return escapeAndCut(name ?? '') || '(none)';
}

function select(label: string, field: string, names: readonly string[]): Markup {
  return markup`<label>${label} <select name="${field}"><option value="">all</option>${names.map((name) => markup`<option value="${name}">${name}</option>`)}</select></label>`;
}

function problemSelect(groups: readonly ProblemGroup[]): Markup {
  return markup`<label>Problem <select name="problem"><option value="">with and without</option><option value="any">any</option>${groups.map(({ title, entries }, index) => markup`<option value="${index}">${shortTitle(title)} (${countValves(entries)})</option>`)}</select></label>`;
}

/** The part before the colon. The list of problems and the valve's section show the whole title. */
function shortTitle(title: string): string {
  return escapeAndCut(title.split(': ')[0] ?? title);
}

interface RowContext {
  messages: Messages;
  /** kWh of regime 1 of all valves */
  totalKwh: number;
  hasRegime2: boolean;
  hasProjects: boolean;
  hasAccounts: boolean;
}

/**
 * `data-v` of a cell is the number to sort by; without it, the text is.
 *
 * @param groups the numbers of the valve's problem groups, as in `problemSelect`
 */
function row(
  valve: ValveSummary,
  index: number,
  problems: readonly ValveProblem[],
  groups: readonly number[],
  { messages, totalKwh, hasRegime2, hasProjects, hasAccounts }: RowContext,
): Markup {
  const [regime1, regime2] = [1, 2].map((regime) => valve.energy.find((counter) => counter.regime === regime));
  const kwh = regime1?.totalKwh ?? null;
  const share = kwh === null || totalKwh === 0 ? null : (kwh / totalKwh) * 100;
  const change = regime1 ? changePercent(regime1) : null;
  const complete = completePercent(valve.days);
  const state = stateText(valve.state);
  // The label last: a long one is cut.
  const search = [valve.shortSn, valve.fullSn, valve.id, valve.backendRef, valve.label].join(' ').toLowerCase();
  const worst = problems[0];
  // Orders by the worst problem, then by the number of problems.
  const problemOrder = worst ? 100 * (99 - worst.rank) + problems.length : 0;
  const newestS = valve.newestUs === null ? null : epochSeconds(valve.newestUs);
  const text = (value: string | null): Markup => markup`<td class="text">${value !== null && nameMarkup(value)}</td>`;
  return markup`<tr data-search="${escapeAndCut(search, 300)}" data-account="${filterValue(valve.account)}" data-project="${filterValue(valve.projectName)}" data-problems=" ${groups.join(' ')} ">
    <th scope="row"><span class="state ${stateClass(valve.state)}" title="${state}"><span class="hidden">${state}: </span></span><a href="#${sectionId(index)}">${nameMarkup(valve.label)}</a></th>
    <td data-v="${kwh}">${regime1 ? totalText(regime1) : '–'}</td>
    ${hasRegime2 && markup`<td data-v="${regime2?.totalKwh}">${regime2 ? totalText(regime2) : '–'}</td>`}
    <td data-v="${share?.toFixed(3)}">${share === null ? '–' : share.toFixed(1)}</td>
    <td data-v="${change?.toFixed(3)}">${change === null ? '–' : signedText(change)}</td>
    <td class="text" data-v="${problemOrder}">${worst && shortTitle(worst.title)}${problems.length > 1 && ` +${problems.length - 1} more`}</td>
    <td data-v="${complete}">${complete ?? '–'}</td>
    <td>${strip(valve.days)}</td>
    <td data-v="${newestS}">${valve.newestUs === null ? 'none' : messages.time(valve.newestUs)}</td>
    ${hasProjects && text(valve.projectName)}
    ${hasAccounts && text(valve.account)}
  </tr>`;
}
