/** Prints records as JSON or CSV, with the same names, order and values in both. */
import type { MeteredValve } from '../database/consumption.ts';
import { formatCsv, type CsvValue } from './csv.ts';
import { formatJson } from './json.ts';

type RecordFormat = 'json' | 'csv';

/** For each name, in their order, the value of a record. */
export type Columns<Item> = Readonly<Record<string, (item: Item) => CsvValue>>;

/** The names of a valve. */
export const VALVE_NAMES = {
  tasmart_id: ({ valve }) => valve.id,
  short_sn: ({ valve }) => valve.shortSn,
  full_sn: ({ valve }) => valve.fullSn,
  user_id: ({ valve }) => valve.userId,
} satisfies Columns<{ valve: Omit<MeteredValve, 'backendRef'> }>;

/** The names of a valve, and its register. */
export const VALVE_COLUMNS = {
  ...VALVE_NAMES,
  register: ({ valve }) => valve.backendRef,
} satisfies Columns<{ valve: MeteredValve }>;

/** A list of records: one JSON array, or CSV with a heading. */
export function recordsText<Item>(format: RecordFormat, columns: Columns<Item>, items: readonly Item[]): string {
  if (format === 'csv') return formatCsv(Object.keys(columns), rowsOf(columns, items));
  return formatJson(items.map((item) => recordOf(columns, item)));
}

/**
 * Prints one valve at a time, so that only one valve is in memory. Call `begin`, then `valve` for each valve, then `end`. Each
 * returns the next part of the output.
 */
export interface ValveFormat<Item> {
  begin: () => string;
  valve: (valve: MeteredValve, items: readonly Item[]) => string;
  end: () => string;
}

/**
 * The same records as `recordsText`, valve by valve. The JSON is laid out differently. Use the result for one output only: it
 * remembers whether a record was printed.
 */
export function valveRecords<Item>(
  format: RecordFormat,
  columns: Columns<Item & { valve: MeteredValve }>,
): ValveFormat<Item> {
  if (format === 'csv') {
    return {
      begin: () => formatCsv(Object.keys(columns), []),
      valve: (valve, items) => formatCsv(null, rowsOf(columns, withValve(valve, items))),
      end: () => '',
    };
  }
  let separator = '[';
  return {
    begin: () => '',
    valve: (valve, items) => {
      const texts = withValve(valve, items).map((item) => {
        const text = `${separator}\n${formatJson(recordOf(columns, item)).trimEnd()}`;
        separator = ',';
        return text;
      });
      return texts.join('');
    },
    end: () => (separator === '[' ? '[]\n' : '\n]\n'),
  };
}

function withValve<Item>(valve: MeteredValve, items: readonly Item[]) {
  return items.map((item) => ({ ...item, valve }));
}

export function recordOf<Item>(columns: Columns<Item>, item: Item): Record<string, CsvValue> {
  return Object.fromEntries(Object.entries(columns).map(([name, valueOf]) => [name, valueOf(item)]));
}

function rowsOf<Item>(columns: Columns<Item>, items: readonly Item[]): CsvValue[][] {
  return items.map((item) => Object.values(columns).map((valueOf) => valueOf(item)));
}
