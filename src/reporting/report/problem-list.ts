/** All problems in one list, the worst first. The same problem of many valves is listed once. */
import type { ReportData } from './data.ts';
import { markup, type Markup } from './markup.ts';
import { groupedCount, nameMarkup, sectionId, sentence } from './messages.ts';
import { groupThousands } from './page/numbers.ts';
import type { Problems } from './problems.ts';

/** More lines of a problem, or more valves in a line, are hidden until they are asked for. */
const MAX_SHOWN = { lines: 4, valves: 8 };

/** A problem, with all valves that have it. */
export interface ProblemGroup {
  title: string;
  rank: number;
  /** the index of the valve, and the problem's detail there */
  entries: { index: number; detail: string }[];
}

/** The worst problem first; of equally bad ones, the one that more valves have. */
export function groupProblems({ valves }: Problems): ProblemGroup[] {
  const groups = new Map<string, ProblemGroup>();
  valves.forEach((problems, index) => {
    for (const { title, rank, detail } of problems) {
      const group = groups.get(title) ?? { title, rank, entries: [] };
      group.entries.push({ index, detail });
      groups.set(title, group);
    }
  });
  return [...groups.values()].sort((a, b) => a.rank - b.rank || countValves(b.entries) - countValves(a.entries));
}

/** A valve may have a problem twice: once for each counter. */
export function countValves(entries: ProblemGroup['entries']): number {
  return new Set(entries.map(({ index }) => index)).size;
}

export function problemList(data: ReportData, { fleet }: Problems, groups: readonly ProblemGroup[]): Markup {
  const affected = new Set(groups.flatMap(({ entries }) => entries.map(({ index }) => index))).size;
  if (fleet.length === 0 && affected === 0) {
    return markup`<section aria-labelledby="problems">
      <h2 id="problems" class="verdict good">No problem found.</h2>
    </section>`;
  }
  const heading = [
    ...(fleet.length > 0 ? [`${groupedCount(fleet.length, 'problem')} of the polling`] : []),
    ...(affected > 0
      ? [`problems at ${groupThousands(affected)} of ${groupedCount(data.valves.length, 'valve')}`]
      : []),
  ].join(', ');
  return markup`<section aria-labelledby="problems">
    <h2 id="problems" class="verdict bad">${capitalise(heading)}</h2>
    <ul class="problems">
      ${fleet.map((text) => markup`<li>${sentence(text)}</li>`)}
      ${groups.map((group) => problemGroup(group, data))}
    </ul>
  </section>`;
}

function problemGroup({ title, entries }: ProblemGroup, data: ReportData): Markup {
  const heading = markup`<b>${capitalise(title)}</b>`;
  const lines = linesOf(entries, data);
  const valveCount = countValves(entries);
  if (lines.length === 1) {
    return markup`<li>${heading} · ${valveCount > 1 && `${groupedCount(valveCount, 'valve')}: `}${lines}</li>`;
  }
  const list = (items: readonly Markup[]): Markup =>
    markup`<ul>
      ${items.map((item) => markup`<li>${item}</li>`)}
    </ul>`;
  const hidden = lines.slice(MAX_SHOWN.lines);
  return markup`<li>
    ${heading} · ${groupedCount(valveCount, 'valve')} ${list(lines.slice(0, MAX_SHOWN.lines))}
    ${hidden.length > 0 && disclosure(`and ${hidden.length} more`, list(hidden))}
  </li>`;
}

/** Links to the valves, and the detail. Valves with the same detail share a line; the line of most valves first. */
function linesOf(entries: ProblemGroup['entries'], { valves }: ReportData): Markup[] {
  const byDetail = new Map<string, number[]>();
  for (const { index, detail } of entries) {
    const indexes = byDetail.get(detail) ?? [];
    indexes.push(index);
    byDetail.set(detail, indexes);
  }
  const link = (index: number): Markup | null => {
    const valve = valves[index];
    return valve ? markup`<a href="#${sectionId(index)}">${nameMarkup(valve.label)}</a>` : null;
  };
  const links = (indexes: readonly number[]): Markup[] =>
    indexes.map((index, position) => markup`${position > 0 && ', '}${link(index)}`);
  return [...byDetail]
    .sort(([, a], [, b]) => b.length - a.length)
    .map(([detail, indexes]) => {
      const shown = links(indexes.slice(0, MAX_SHOWN.valves));
      const hidden = indexes.slice(MAX_SHOWN.valves);
      const more =
        hidden.length > 0 && disclosure(`and ${groupedCount(hidden.length, 'valve')} more`, markup`${links(hidden)}`);
      return markup`${shown}${detail && `: ${detail}`}${more}`;
    });
}

function disclosure(summary: string, content: Markup): Markup {
  return markup`<details>
    <summary>${summary}</summary>
    ${content}
  </details>`;
}

export function capitalise(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
