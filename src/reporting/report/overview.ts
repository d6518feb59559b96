/** What comes first: the consumption of the fleet, how complete it is, and what is wrong. */
import type { RecordedRun } from '../../database/runs.ts';
import { count } from '../../domain/text.ts';
import { epochSeconds } from '../../domain/time.ts';
import { age } from '../units.ts';
import type { ReportData } from './data.ts';
import { barsIn, change, fleetTotal, kwhText, percentText, signed, totalText } from './energy.ts';
import { markup, type Markup } from './markup.ts';
import { completeness, name, sectionId, sumOf, type Messages } from './messages.ts';
import { dayText, wallOf } from './page/local-time.ts';
import { grouped } from './page/numbers.ts';
import type { Problems } from './problems.ts';

const RANKED = 10;

export function consumption(data: ReportData, messages: Messages): Markup {
  const registers = ([1, 2] as const).filter((regime) => regime === 1 || fleetTotal(data.valves, 2).isWorthShowing);
  return markup`<section aria-labelledby="consumption">
    <h2 id="consumption">Consumption</h2>
    ${registers.map((regime) => registerConsumption(regime, registers.length > 1, data, messages))}
  </section>`;
}

function registerConsumption(regime: 1 | 2, isOneOfTwo: boolean, data: ReportData, messages: Messages): Markup {
  return markup`<div class="consumption">
    <div>
      <p class="total">
        <b>${fleetTotal(data.valves, regime).text}</b> kWh
        ${isOneOfTwo && markup`<small>register ${regime}</small>`}
      </p>
      <p class="hint">${comparison(regime, data, messages)}</p>
      ${days(regime, data, messages)}
    </div>
    ${data.valves.length > 1 && ranking(regime, data)}
  </div>`;
}

function comparison(regime: 1 | 2, data: ReportData, { date }: Messages): string {
  const found = change(data.valves, regime);
  const span = `${date(data.previous.fromUs)} – ${date(data.previous.toUs)}`;
  if (!found) return `No valve has kWh throughout the previous period, ${span}.`;
  const { percent, differenceKwh, previousKwh, compared } = found;
  const some = compared < data.valves.length ? `, of the ${count(compared, 'valve')} that have both` : '';
  const share = percent === null ? '' : ` (${percentText(percent)})`;
  return `${signed(differenceKwh)} kWh${share} against ${kwhText(previousKwh)} kWh in ${span}${some}`;
}

/** Labels stand under their bars; where days are many, under some of them. */
const LABELS = 16;

function days(regime: 1 | 2, { valves, toUs, timezone, fromUs }: ReportData, { offsets }: Messages): Markup | null {
  const starts = valves[0]?.days.map(({ startUs }) => startUs) ?? [];
  const sums = starts.map(() => ({ kwh: 0, isWhole: true }));
  for (const { energy, days: own, state } of valves) {
    let day = 0;
    const register = energy.find((each) => each.regime === regime);
    for (const { startS, kwh, quality } of register ? barsIn(register, fromUs) : []) {
      while (day + 1 < starts.length && startS >= epochSeconds(starts[day + 1] ?? Infinity)) day++;
      const sum = sums[day];
      if (!sum) continue;
      sum.kwh += kwh ?? 0;
      // A valve that left, or is still to come, lacks nothing.
      const isExpected = state !== 'left' && (own[day]?.expected ?? 0) > 0;
      if (isExpected && (quality === 'missing' || quality === 'provisional')) sum.isWhole = false;
    }
  }
  const most = Math.max(...sums.map(({ kwh }) => kwh), 0.001);
  const isCut = (index: number): boolean =>
    (index === 0 && !isMidnight(fromUs)) || (index === sums.length - 1 && !isMidnight(toUs));
  const isMidnight = (timeUs: number): boolean => wallOf(offsets, epochSeconds(timeUs)) % 86_400 === 0;
  const step = Math.ceil(sums.length / LABELS);
  const bars = sums.map(({ kwh, isWhole }, index) => {
    const [weekday = '', day = '', month = ''] = dayText(wallOf(offsets, epochSeconds(starts[index] ?? 0))).split(' ');
    const note = isCut(index) ? ', part of the day' : isWhole ? '' : ', some kWh are missing or provisional';
    const text = `${weekday} ${day} ${month}: ${kwhText(kwh)} kWh${note}`;
    const height = Math.max((kwh / most) * 100, 0.5).toFixed(1);
    const label = (sums.length - 1 - index) % step === 0;
    return markup`<li title="${text}">
      ${sums.length <= RANKED && markup`<b aria-hidden="true">${kwhText(kwh)}</b>`}
      <svg viewBox="0 0 10 100" preserveAspectRatio="none" aria-hidden="true" class="${(isCut(index) || !isWhole) && 'part'}"><rect y="${(100 - Number(height)).toFixed(1)}" width="10" height="${height}"/></svg>
      <span class="hidden">${text}</span>
      <span aria-hidden="true">${label && [sums.length <= LABELS && markup`${weekday}<br>`, day, markup`<br><small>${(index === 0 || day === '1' || index < step) && month}</small>`]}</span>
    </li>`;
  });
  return markup`<ol class="days" aria-label="kWh by day (${timezone})">
    ${bars}
  </ol>
  ${sums.some(({ isWhole }, index) => !isWhole || isCut(index)) && markup`<p class="hint">Pale: part of a day, or some kWh are missing or provisional.</p>`}`;
}

function ranking(regime: 1 | 2, { valves }: ReportData): Markup {
  const total = fleetTotal(valves, regime).totalKwh ?? 0;
  const ranked = valves
    .flatMap((valve, index) => {
      const register = valve.energy.find((each) => each.regime === regime);
      const kwh = register?.totalKwh ?? 0;
      return register && kwh > 0 ? [{ valve, index, register, kwh }] : [];
    })
    .sort((a, b) => b.kwh - a.kwh)
    .slice(0, RANKED);
  const most = Math.max(ranked[0]?.kwh ?? 0, 0.001);
  const heading =
    valves.length > RANKED ? `The ${RANKED} of ${valves.length} valves that consume most` : 'Valves by consumption';
  return markup`<div>
    <h3 class="group">${heading}</h3>
    <ol class="ranking">
      ${ranked.map(
        ({ valve, index, register, kwh }) =>
          markup`<li>
            <a href="#${sectionId(index)}">${name(valve.label)}</a>
            <span>${totalText(register)} kWh</span>
            <span>${total > 0 && `${((kwh / total) * 100).toFixed(1)} %`}</span>
            <svg viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true"><rect width="${((kwh / most) * 100).toFixed(1)}" height="1"/></svg>
          </li>`,
      )}
    </ol>
  </div>`;
}

/** How the data stand, in three tiles. */
export function tiles(data: ReportData, messages: Messages): Markup {
  return markup`<dl class="tiles">
    ${valvesTile(data)}${completenessTile(data)}${runTile(data.newestRun, messages)}
  </dl>`;
}

function tile(label: string, value: Markup, note: string): Markup {
  return markup`<div>
    <dt>${label}</dt>
    <dd class="value">${value}</dd>
    <dd class="note">${note}</dd>
  </div>`;
}

function valvesTile({ valves }: ReportData): Markup {
  const states = { ok: 0, silent: 0, behind: 0, left: 0, unregistered: 0 };
  for (const { state } of valves) states[state ?? 'unregistered']++;
  const watched = states.ok + states.silent + states.behind;
  const note = [
    `${states.silent} silent`,
    `${states.behind} failing`,
    `${states.left} left`,
    ...(states.unregistered > 0 ? [`${states.unregistered} unregistered`] : []),
  ].join(' · ');
  return tile('Valves reporting', markup`${states.ok}<small> of ${watched}</small>`, note);
}

function completenessTile({ valves }: ReportData): Markup {
  const days = valves.flatMap((valve) => (valve.state === 'left' ? [] : valve.days));
  const { expected, present } = sumOf(days);
  const percent = completeness(days, 1);
  return tile(
    'Data complete',
    percent === null ? markup`–` : markup`${percent}<small> %</small>`,
    `${grouped(String(present))} of ${grouped(String(expected))} readings`,
  );
}

function runTile(run: RecordedRun | null, { time }: Messages): Markup {
  if (!run) return tile('Last run', markup`none`, 'no poll has run yet');
  const { outcome, ageUs, startedUs, stored, failed } = run;
  const counts = `${count(stored, 'reading')} stored, ${failed} failed`;
  return tile(
    'Last run',
    markup`<span class="run run-${outcome}">${outcome}</span>`,
    [`${time(startedUs)}, ${age(ageUs)} ago`, ...(outcome === 'running' ? [] : [counts])].join(' · '),
  );
}

/** How many valves are named at once; the others are a click away. */
const SHOWN = 8;

/** A warning, with all valves that have it. */
export interface ProblemGroup {
  title: string;
  rank: number;
  entries: { index: number; detail: string }[];
}

/** The same warning of many valves is one group; the worst group first, then the one of most valves. */
export function groupProblems({ valves }: Problems): ProblemGroup[] {
  const groups = new Map<string, ProblemGroup>();
  valves.forEach((problems, index) => {
    for (const { title, rank, detail } of problems) {
      const group = groups.get(title) ?? { title, rank, entries: [] };
      group.entries.push({ index, detail });
      groups.set(title, group);
    }
  });
  return [...groups.values()].sort((a, b) => a.rank - b.rank || b.entries.length - a.entries.length);
}

export function problemList(data: ReportData, { fleet }: Problems, groups: readonly ProblemGroup[]): Markup {
  const affected = new Set(groups.flatMap(({ entries }) => entries.map(({ index }) => index))).size;
  if (fleet.length === 0 && affected === 0) {
    return markup`<section aria-labelledby="problems">
      <h2 id="problems" class="verdict good">No problem found.</h2>
    </section>`;
  }
  const parts = [
    ...(fleet.length > 0 ? [`${count(fleet.length, 'problem')} of the polling`] : []),
    ...(affected > 0 ? [`problems at ${affected} of ${count(data.valves.length, 'valve')}`] : []),
  ];
  const heading = parts.join(', ');
  return markup`<section aria-labelledby="problems">
    <h2 id="problems" class="verdict bad">${heading.charAt(0).toUpperCase() + heading.slice(1)}</h2>
    <ul class="problems">
      ${fleet.map((text) => markup`<li>${text}${!/[.?!]$/.test(text) && '.'}</li>`)}
      ${groups.map((group) => problemGroup(group, data))}
    </ul>
  </section>`;
}

function problemGroup({ title, entries }: ProblemGroup, { valves }: ReportData): Markup {
  const entry = ({ index, detail }: ProblemGroup['entries'][number]): Markup | undefined => {
    const valve = valves[index];
    return valve && markup`<a href="#${sectionId(index)}">${name(valve.label)}</a>${detail && `: ${detail}`}`;
  };
  const heading = markup`<b>${title.charAt(0).toUpperCase() + title.slice(1)}</b>`;
  const [first, ...others] = entries;
  if (first && others.length === 0) return markup`<li>${heading} · ${entry(first)}</li>`;
  const list = (some: ProblemGroup['entries']): Markup =>
    markup`<ul>
      ${some.map((each) => markup`<li>${entry(each)}</li>`)}
    </ul>`;
  const rest = entries.slice(SHOWN);
  return markup`<li>
    ${heading} · ${count(entries.length, 'valve')} ${list(entries.slice(0, SHOWN))}
    ${
      rest.length > 0 &&
      markup`<details>
        <summary>and ${count(rest.length, 'valve')} more</summary>
        ${list(rest)}
      </details>`
    }
  </li>`;
}
