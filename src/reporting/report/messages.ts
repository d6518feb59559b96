/** Texts for times, names, states and counts. */
import { printable } from '../../domain/text.ts';
import { epochSeconds, type Micros, type Span } from '../../domain/time.ts';
import type { DayCompleteness, ReportFrame, ValveSummary } from './data.ts';
import { markup, type Markup } from './markup.ts';
import { grouped } from './page/numbers.ts';
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
  // The page also shows times outside its span: the last success, the newest reading of a silent valve.
  const runs = [frame.newestRun, frame.lastSuccess].flatMap((run) => run?.startedUs ?? []);
  const times = [frame.previous.fromUs, frame.fromUs, frame.toUs, frame.generatedUs, ...runs, ...frame.newestUs];
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

/** A name in its own writing direction. A long one is cut; more of it is shown while it is pointed at. */
export function name(text: string): Markup {
  const shown = printable(text, NAME_LENGTH);
  return shown.endsWith('…') && shown !== text
    ? markup`<bdi title="${printable(text, TITLE_LENGTH)}">${shown}</bdi>`
    : markup`<bdi>${shown}</bdi>`;
}

export function sentence(text: string): string {
  return /[.?!]$/.test(text) ? text : `${text}.`;
}

export function valveName(valve: ValveSummary): string {
  return printable(valve.label, NAME_LENGTH);
}

/** In percent, rounded down: 100 means that nothing is missing. null: nothing was expected. */
export function completeness(days: readonly DayCompleteness[], places = 0): string | null {
  const { expected, present } = sumOf(days);
  if (expected === 0) return null;
  const scale = 10 ** places;
  return (Math.floor((present / expected) * 100 * scale) / scale).toFixed(present >= expected ? 0 : places);
}

export function sumOf(days: readonly DayCompleteness[]): { expected: number; present: number } {
  return days.reduce((sum, day) => ({ expected: sum.expected + day.expected, present: sum.present + day.present }), {
    expected: 0,
    present: 0,
  });
}

const STATES = {
  ok: 'reporting',
  silent: 'silent',
  behind: 'failing',
  left: 'no longer listed',
} as const;

export function stateText(state: ValveSummary['state']): string {
  return state === null ? 'unregistered' : STATES[state];
}

/** `1 valve`, `1 000 valves` */
export function count(amount: number, one: string): string {
  return `${grouped(String(amount))} ${amount === 1 ? one : `${one}s`}`;
}

export function sectionId(index: number): string {
  return `valve-${index + 1}`;
}
