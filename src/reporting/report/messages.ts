/** Texts for times, names, states and counts on the page. */
import { escapeAndCut } from '../../domain/text.ts';
import { epochSeconds, type Micros, type Span } from '../../domain/time.ts';
import type { ReportFrame, ValveSummary } from './data.ts';
import { markup, type Markup } from './markup.ts';
import { groupThousands } from './page/numbers.ts';
import { clockText, dayText, spanText, timeText, wallOf, type ZoneOffsets } from './page/local-time.ts';
import { zoneOffsets } from './zone.ts';

/** Texts for times, all in the report's time zone. */
export interface Messages {
  offsets: ZoneOffsets;
  /** `Mon 16 Nov 13:45` */
  time: (timeUs: Micros) => string;
  /** `Mon 16 Nov 2026 13:45` */
  date: (timeUs: Micros) => string;
  /** `Mon 16 Nov 03:00 – 06:15` */
  span: (span: Span) => string;
}

export function createMessages(frame: ReportFrame): Messages {
  // The page also shows times outside its span: of runs, of a silent valve's newest reading, and of events that began before.
  // A time that the offsets do not cover gets a wrong one.
  const runs = [frame.newestRun, frame.lastSuccess].flatMap((run) => run?.startedUs ?? []);
  const stored = frame.stored ? [frame.stored.fromUs, frame.stored.toUs] : [];
  const times = [frame.previous.fromUs, frame.toUs, frame.generatedUs, ...runs, ...stored];
  const offsets = zoneOffsets(frame.timezone, Math.min(...times), Math.max(...times));
  return {
    offsets,
    time: (timeUs) => timeText(offsets, epochSeconds(timeUs)),
    date: (timeUs) => {
      const wallS = wallOf(offsets, epochSeconds(timeUs));
      return `${dayText(wallS)} ${new Date(wallS * 1000).getUTCFullYear()} ${clockText(wallS)}`;
    },
    span: ({ fromUs, toUs }) => spanText(offsets, epochSeconds(fromUs), epochSeconds(toUs)),
  };
}

const NAME_LENGTH = 60;
const TITLE_LENGTH = 300;

/** A name in its own writing direction. A long name is cut; the title, shown on pointing at it, has more of it. */
export function nameMarkup(text: string): Markup {
  const shown = escapeAndCut(text, NAME_LENGTH);
  return shown.endsWith('…') && shown !== text
    ? markup`<bdi title="${escapeAndCut(text, TITLE_LENGTH)}">${shown}</bdi>`
    : markup`<bdi>${shown}</bdi>`;
}

/** The text with a full stop, if it does not end with a mark already. */
export function sentence(text: string): string {
  return /[.?!]$/.test(text) ? text : `${text}.`;
}

export function valveName(valve: ValveSummary): string {
  return escapeAndCut(valve.label, NAME_LENGTH);
}

const STATES = {
  ok: 'reporting',
  silent: 'silent',
  behind: 'failing',
  left: 'no longer listed',
} as const;

/** The class beside `.state` (page/table.css) and `.badge` (page/valve.css). */
export function stateClass(state: ValveSummary['state']): string {
  return state ?? 'unregistered';
}

export function stateText(state: ValveSummary['state']): string {
  return state === null ? 'unregistered' : STATES[state];
}

/** Like `count` in domain/text.ts, but with groups of thousands: `1 valve`, `1 000 valves`. */
export function groupedCount(amount: number, one: string): string {
  return `${groupThousands(amount)} ${amount === 1 ? one : `${one}s`}`;
}

/** The id of a valve's section. The page's script expects this form: page/hash.ts. */
export function sectionId(index: number): string {
  return `valve-${index + 1}`;
}
