import type { RecordedRun } from '../../database/runs.ts';
import { count } from '../../domain/text.ts';
import { age } from '../units.ts';
import type { ReportData } from './data.ts';
import { fleetTotal, isWorthShowing, totalText } from './energy.ts';
import { markup, type Markup } from './markup.ts';
import type { Problems, ValveProblems } from './problems.ts';
import { completeness, grouped, name, sectionId, sentence, sumOf, type Wording } from './wording.ts';

/** The fleet in four tiles. */
export function glance(data: ReportData, wording: Wording): Markup {
  return markup`<dl class="glance">
    ${valvesTile(data)}${completenessTile(data)}${energyTile(data)}${runTile(data.newestRun, wording)}
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

function energyTile({ valves }: ReportData): Markup {
  const [first, second] = [fleetTotal(valves, 1), fleetTotal(valves, 2)];
  return tile(
    'Energy, register 1',
    markup`${totalText(first)}<small> kWh</small>`,
    `register 2: ${isWorthShowing(second) ? `${totalText(second)} kWh` : 'nothing'}`,
  );
}

function runTile(run: RecordedRun | null, { time }: Wording): Markup {
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
const SHOWN = 12;

/** What is wrong, in words: first as things stand, then what happened. */
export function problemList(data: ReportData, problems: Problems): Markup {
  const now = entries(data, problems, ({ now }) => now);
  const past = entries(data, problems, ({ past }) => past);
  const affected = problems.valves.filter(({ now, past }) => now.length + past.length > 0).length;
  if (problems.fleet.length === 0 && affected === 0) {
    return markup`<section aria-labelledby="problems">
      <h2 id="problems" class="verdict good">No problem found.</h2>
    </section>`;
  }
  const total = problems.fleet.length + [...now, ...past].reduce((sum, { texts }) => sum + texts.length, 0);
  const valves = affected === 0 ? '' : ` at ${affected} of ${count(data.valves.length, 'valve')}`;
  return markup`<section aria-labelledby="problems">
    <h2 id="problems" class="verdict bad">${count(total, 'problem')}${valves}</h2>
    ${
      problems.fleet.length > 0 &&
      markup`<ul class="problems">
        ${problems.fleet.map((text) => markup`<li>${sentence(text)}</li>`)}
      </ul>`
    }
    ${group('Now', now)} ${group('Within this span', past)}
  </section>`;
}

interface Entry {
  link: Markup;
  texts: readonly string[];
}

function entries(
  data: ReportData,
  { valves }: Problems,
  textsOf: (problems: ValveProblems) => readonly string[],
): Entry[] {
  return data.valves.flatMap((valve, index) => {
    const texts = textsOf(valves[index] ?? { now: [], past: [] });
    return texts.length === 0 ? [] : [{ link: markup`<a href="#${sectionId(index)}">${name(valve.label)}</a>`, texts }];
  });
}

function group(heading: string, all: readonly Entry[]): Markup | null {
  if (all.length === 0) return null;
  const list = (some: readonly Entry[]): Markup =>
    markup`<ul class="problems">
      ${some.map(({ link, texts }) => markup`<li>${link}: ${sentence(texts.join('; '))}</li>`)}
    </ul>`;
  const rest = all.slice(SHOWN);
  return markup`<h3 class="group">${heading}</h3>
    ${list(all.slice(0, SHOWN))}
    ${
      rest.length > 0 &&
      markup`<details>
        <summary>and ${count(rest.length, 'valve')} more</summary>
        ${list(rest)}
      </details>`
    }`;
}
