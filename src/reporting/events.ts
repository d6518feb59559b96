/** Prints counter events: a table per counter, JSON or CSV. */
import type { MeteredValve } from '../database/consumption.ts';
import type { StoredEvent } from '../database/events.ts';
import { count, printable } from '../domain/text.ts';
import { formatRfc3339 } from '../domain/time.ts';
import { valveLabel } from '../domain/valve.ts';
import { formatCsv, type CsvValue } from './csv.ts';
import { sumDecimals } from './decimal.ts';
import { formatJson } from './json.ts';
import { formatTable } from './table.ts';
import { age, localTime } from './units.ts';

/** Turns the events of one valve after the other into text; each piece is written before the next valve is read. */
export interface EventsFormat {
  begin: () => string;
  valve: (valve: MeteredValve, events: readonly StoredEvent[]) => string;
  end: () => string;
}

export function eventsFormat(format: 'table' | 'json' | 'csv', timezone: string): EventsFormat {
  return { table, json, csv }[format](timezone);
}

const FIELDS = [
  'tasmart_id',
  'short_sn',
  'full_sn',
  'user_id',
  'backend_ref',
  'regime',
  'kind',
  'starts',
  'ends',
  'from_kwh',
  'to_kwh',
  'stray_kwh',
  'counted_kwh',
] as const;

function fields(valve: MeteredValve, event: StoredEvent): Record<(typeof FIELDS)[number], CsvValue> {
  return {
    tasmart_id: valve.id,
    short_sn: valve.shortSn,
    full_sn: valve.fullSn,
    user_id: valve.userId,
    backend_ref: valve.backendRef,
    regime: event.regime,
    kind: event.kind,
    starts: formatRfc3339(event.startUs),
    ends: formatRfc3339(event.endUs),
    from_kwh: exact(event.fromKwh),
    to_kwh: exact(event.toKwh),
    stray_kwh: exact(event.strayKwh),
    counted_kwh: exact(event.countedKwh),
  };
}

/** A number, or the text where a double would change it. */
function exact(text: string | null): CsvValue {
  return text === null || String(Number(text)) !== text ? text : Number(text);
}

function csv(): EventsFormat {
  return {
    begin: () => formatCsv(FIELDS, []),
    valve: (valve, events) => {
      const rows = events.map((event) => fields(valve, event));
      return formatCsv(
        null,
        rows.map((row) => FIELDS.map((name) => row[name])),
      );
    },
    end: () => '',
  };
}

/** One array, an object per event. */
function json(): EventsFormat {
  let separator = '[';
  return {
    begin: () => '',
    valve: (valve, events) => {
      const objects = events.map((event) => {
        const text = `${separator}\n${formatJson(fields(valve, event)).trimEnd()}`;
        separator = ',';
        return text;
      });
      return objects.join('');
    },
    end: () => (separator === '[' ? '[]\n' : '\n]\n'),
  };
}

/** What happened, in words. */
export function eventText({ kind, strayKwh }: StoredEvent): string {
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

const KINDS = [
  ['gap', 'gap', 'gaps'],
  ['glitch', 'glitch', 'glitches'],
  ['reset', 'reset', 'resets'],
  ['jump', 'jump', 'jumps'],
  ['undecided', 'undecided end', 'undecided ends'],
  ['excluded', 'exclusion', 'exclusions'],
  ['replaced', 'replacement', 'replacements'],
] as const;

/** A table per counter; then how many events there are. */
function table(timezone: string): EventsFormat {
  const counts = new Map<StoredEvent['kind'], number>();
  let hasValves = false;
  return {
    begin: () => '',
    valve: (valve, events) => {
      hasValves = true;
      for (const { kind } of events) counts.set(kind, (counts.get(kind) ?? 0) + 1);
      const regimes = [...new Set(events.map(({ regime }) => regime))];
      const tables = regimes.map((regime) => {
        const own = events.filter((event) => event.regime === regime);
        return counterTable(valve, regime, own, timezone);
      });
      return tables.join('');
    },
    end: () => {
      const found = KINDS.flatMap(([kind, one, many]) => {
        const amount = counts.get(kind);
        return amount === undefined ? [] : count(amount, one, many);
      });
      if (found.length > 0) return `${found.join(', ')}\n`;
      return hasValves ? 'no events: every counter is read as it stands\n' : 'no valve has readings yet\n';
    },
  };
}

function counterTable(valve: MeteredValve, regime: number, events: readonly StoredEvent[], timezone: string): string {
  const names = [valveLabel(valve), valve.shortSn].filter((name) => name !== null).map((name) => printable(name));
  const rows = events.map((event) => [
    `  ${localTime(event.startUs, timezone).slice(0, -':00'.length)}`,
    age(event.endUs - event.startUs),
    eventText(event),
    `${event.fromKwh ?? '–'} → ${event.toKwh ?? '–'}`,
    event.countedKwh === null ? '–' : Number(event.countedKwh).toFixed(1),
  ]);
  const total = sumDecimals(events.map(({ countedKwh }) => countedKwh));
  const totalRow = ['  total', '', '', '', total === null ? '–' : total.toFixed(1)];
  return `${[...new Set(names)].join(' · ')} · regime ${regime}\n${formatTable(
    [
      { heading: `  from (${timezone})` },
      { heading: 'lasts' },
      { heading: 'what' },
      { heading: 'counter', align: 'right' },
      { heading: 'kWh counted', align: 'right' },
    ],
    events.length === 1 ? rows : [...rows, totalRow],
  )}\n`;
}
