/** How many valves report, how complete the readings are, and how the last run ended. */
import type { RecordedRun } from '../../database/last-polls.ts';
import { hasCounts } from '../status.ts';
import { durationText } from '../units.ts';
import { completePercent, totalCompleteness } from './completeness.ts';
import type { ReportData } from './data.ts';
import { markup, type Markup } from './markup.ts';
import { groupedCount, type Messages } from './messages.ts';
import { groupThousands } from './page/numbers.ts';
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
  // A valve that left or is unregistered is not polled.
  const watched = states.ok + states.silent + states.behind;
  const note = [
    `${groupThousands(states.silent)} silent`,
    `${groupThousands(states.behind)} failing`,
    `${groupThousands(states.left)} no longer listed`,
    ...(states.unregistered > 0 ? [`${groupThousands(states.unregistered)} unregistered`] : []),
  ].join(' · ');
  return tile(
    'Valves reporting',
    markup`${groupThousands(states.ok)}<small> of ${groupThousands(watched)}</small>`,
    note,
  );
}

function completenessTile({ valves }: ReportData, messages: Messages): Markup {
  const daysOfValves = valves.filter(({ state }) => state !== 'left').map(({ days }) => days);
  // All valves have the same days.
  const days = (daysOfValves[0] ?? []).map(({ startUs }, index) => ({
    startUs,
    ...totalCompleteness(daysOfValves.flatMap((ofValve) => ofValve[index] ?? [])),
  }));
  const { expected, present } = totalCompleteness(days);
  const percent = completePercent(days);
  return tile(
    'Data complete',
    percent === null ? markup`–` : markup`${percent}<small> %</small> ${strip(days)}`,
    [`${groupThousands(present)} of ${groupThousands(expected)} readings`, stripRange(days, messages)]
      .filter((part) => part !== '')
      .join(', '),
  );
}

function runTile(run: RecordedRun | null, { time }: Messages): Markup {
  if (!run) return tile('Last run', markup`none`, 'no poll has run yet');
  const { outcome, ageUs, startedUs, stored, failed } = run;
  const counts = `${groupedCount(stored, 'reading')} stored, ${groupThousands(failed)} failed`;
  return tile(
    'Last run',
    markup`<span class="run run-${outcome}">${outcome}</span>`,
    [`${time(startedUs)}, ${durationText(ageUs)} ago`, ...(hasCounts(run) ? [counts] : [])].join(' · '),
  );
}
