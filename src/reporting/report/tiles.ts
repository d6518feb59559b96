/** How many valves report, how complete the readings are, and how the last run ended. */
import type { RecordedRun } from '../../database/last-polls.ts';
import { durationText } from '../units.ts';
import type { ReportData } from './data.ts';
import { markup, type Markup } from './markup.ts';
import { completeness, count, sumOf, type Messages } from './messages.ts';
import { grouped } from './page/numbers.ts';
import { strip, stripRange } from './strip.ts';

export function tiles(data: ReportData, messages: Messages): Markup {
  return markup`<dl class="tiles">
    ${data.valves.length > 1 && valvesTile(data)}${completenessTile(data, messages)}${runTile(data.newestRun, messages)}
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
    `${grouped(String(states.silent))} silent`,
    `${grouped(String(states.behind))} failing`,
    `${grouped(String(states.left))} no longer listed`,
    ...(states.unregistered > 0 ? [`${grouped(String(states.unregistered))} unregistered`] : []),
  ].join(' · ');
  return tile(
    'Valves reporting',
    markup`${grouped(String(states.ok))}<small> of ${grouped(String(watched))}</small>`,
    note,
  );
}

function completenessTile({ valves }: ReportData, messages: Messages): Markup {
  const own = valves.filter(({ state }) => state !== 'left').map(({ days }) => days);
  const all = (own[0] ?? []).map(({ startUs }, day) => ({
    startUs,
    ...sumOf(own.flatMap((days) => days.slice(day, day + 1))),
  }));
  const { expected, present } = sumOf(all);
  const percent = completeness(all, 1);
  return tile(
    'Data complete',
    percent === null ? markup`–` : markup`${percent}<small> %</small> ${strip(all)}`,
    `${grouped(String(present))} of ${grouped(String(expected))} readings, ${stripRange(all, messages)}`,
  );
}

function runTile(run: RecordedRun | null, { time }: Messages): Markup {
  if (!run) return tile('Last run', markup`none`, 'no poll has run yet');
  const { outcome, ageUs, startedUs, stored, failed } = run;
  const counts = `${count(stored, 'reading')} stored, ${grouped(String(failed))} failed`;
  return tile(
    'Last run',
    markup`<span class="run run-${outcome}">${outcome}</span>`,
    [`${time(startedUs)}, ${durationText(ageUs)} ago`, ...(outcome === 'running' ? [] : [counts])].join(' · '),
  );
}
