/** Prints counter events: a table per counter, JSON or CSV. */
import type { MeteredValve } from '../database/consumption.ts';
import type { StoredEvent } from '../database/events.ts';
import { count, escapeAndCut } from '../domain/text.ts';
import { formatRfc3339 } from '../domain/time.ts';
import { valveLabel } from '../domain/valve.ts';
import { NO_VALVES } from './consumption.ts';
import { sumDecimals } from './decimal.ts';
import { VALVE_COLUMNS, valveRecords, type Columns, type ValveFormat } from './records.ts';
import type { Screen } from './screen.ts';
import { formatTable, titleOf, wrapText } from './table.ts';
import { durationText, localTime } from './units.ts';

export interface EventsView {
  timezone: string;
  screen: Pick<Screen, 'width' | 'textWidth'>;
}

export function eventsFormat(format: 'table' | 'json' | 'csv', view: EventsView): ValveFormat<StoredEvent> {
  return format === 'table' ? table(view) : valveRecords(format, COLUMNS);
}

const COLUMNS: Columns<StoredEvent & { valve: MeteredValve }> = {
  ...VALVE_COLUMNS,
  regime: ({ regime }) => regime,
  kind: ({ kind }) => kind,
  starts: ({ fromUs }) => formatRfc3339(fromUs),
  ends: ({ toUs }) => formatRfc3339(toUs),
  from_kwh: ({ fromKwh }) => fromKwh,
  to_kwh: ({ toKwh }) => toKwh,
  stray_kwh: ({ strayKwh }) => strayKwh,
  counted_kwh: ({ countedKwh }) => countedKwh,
};

/** What happened, in words. */
function eventText({ kind, strayKwh }: StoredEvent): string {
  const texts = {
    gap: 'gap: no readings',
    glitch: `glitch: showed ${strayKwh ?? '?'}`,
    reset: 'reset: fell for good',
    jump: 'jump: rose too fast',
    undecided: `undecided: shows ${strayKwh ?? '?'}`,
    excluded: 'excluded by correction',
    replaced: 'replaced by correction',
  };
  return texts[kind];
}

/** Each kind with its noun for one event and for many, in the order of the last line. */
const KINDS = [
  ['gap', 'gap', 'gaps'],
  ['glitch', 'glitch', 'glitches'],
  ['reset', 'reset', 'resets'],
  ['jump', 'jump', 'jumps'],
  ['undecided', 'undecided end', 'undecided ends'],
  ['excluded', 'exclusion', 'exclusions'],
  ['replaced', 'replacement', 'replacements'],
] as const;

/** A table per counter, then the number of events of each kind. Leaves out the second counter if it is not used. */
function table(view: EventsView): ValveFormat<StoredEvent> {
  const counts = new Map<StoredEvent['kind'], number>();
  let hasValves = false;
  return {
    begin: () => '',
    valve: (valve, events) => {
      hasValves = true;
      const tables = [1, 2].map((regime) => {
        const eventsOfCounter = events.filter((event) => event.regime === regime);
        if (eventsOfCounter.length === 0 || (regime === 2 && eventsOfCounter.every(isUnused))) return '';
        for (const { kind } of eventsOfCounter) counts.set(kind, (counts.get(kind) ?? 0) + 1);
        return counterTable(valve, regime, eventsOfCounter, view);
      });
      return tables.join('');
    },
    end: () => {
      const texts = KINDS.flatMap(([kind, one, many]) => {
        const amount = counts.get(kind);
        return amount === undefined ? [] : count(amount, one, many);
      });
      if (texts.length > 0) return `${wrapText(texts.join(', '), view.screen.textWidth, 2)}\n`;
      return hasValves ? 'no events: every counter is read as it stands\n' : NO_VALVES;
    },
  };
}

/** Whether the counter is 0 before, in and after the event: it has never counted. */
function isUnused({ fromKwh, toKwh, strayKwh }: StoredEvent): boolean {
  return fromKwh === 0 && toKwh === 0 && (strayKwh ?? 0) === 0;
}

function counterTable(
  valve: MeteredValve,
  regime: number,
  events: readonly StoredEvent[],
  { timezone, screen }: EventsView,
): string {
  const label = valveLabel(valve);
  const serial = valve.shortSn === null || valve.shortSn === label ? [] : [escapeAndCut(valve.shortSn)];
  const rows = events.map((event) => [
    `  ${localTime(event.fromUs, timezone).slice(0, -':00'.length)}`,
    durationText(event.toUs - event.fromUs),
    eventText(event),
    `${event.fromKwh} → ${event.toKwh}`,
    event.countedKwh.toFixed(1),
  ]);
  const total = sumDecimals(events.map(({ countedKwh }) => countedKwh));
  const totalRow = ['  total', '', '', '', total === null ? '–' : total.toFixed(1)];
  const title = titleOf(escapeAndCut(label), [...serial, `regime ${regime}`], screen.width);
  const body = formatTable(
    [
      { heading: `  from (${timezone})`, minWidth: '  2026-11-29 13:45'.length },
      { heading: 'lasts', rank: 1 },
      { heading: 'what' },
      { heading: 'counter', align: 'right', rank: 2 },
      { heading: 'kWh counted', align: 'right' },
    ],
    events.length === 1 ? rows : [...rows, totalRow],
    screen.width,
  );
  return `${title}\n${body}\n`;
}
