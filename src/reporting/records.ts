/** Prints records as JSON or CSV, with the same names, order and values in both. */
import type { MeteredValve } from '../database/consumption.ts';
import { formatCsv, type CsvValue } from './csv.ts';
import { formatJson } from './json.ts';

type RecordFormat = 'json' | 'csv';
/** A record: a value for each name. */
export type Fields<Name extends string> = Readonly<Record<Name, CsvValue>>;

/** A list of records: one JSON array, or CSV with a heading. */
export function recordsText<Name extends string>(
  format: RecordFormat,
  names: readonly Name[],
  records: readonly Fields<Name>[],
): string {
  if (format === 'csv') return formatCsv(names, rowsOf(names, records));
  return formatJson(records.map((record) => pickFields(names, record)));
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
export function valveRecords<Item, Name extends string>(
  format: RecordFormat,
  names: readonly Name[],
  fields: (valve: MeteredValve, item: Item) => Fields<Name>,
): ValveFormat<Item> {
  if (format === 'csv') {
    return {
      begin: () => formatCsv(names, []),
      valve: (valve, items) => {
        const records = items.map((item) => fields(valve, item));
        return formatCsv(null, rowsOf(names, records));
      },
      end: () => '',
    };
  }
  let separator = '[';
  return {
    begin: () => '',
    valve: (valve, items) =>
      items
        .map((item) => {
          const text = `${separator}\n${formatJson(pickFields(names, fields(valve, item))).trimEnd()}`;
          separator = ',';
          return text;
        })
        .join(''),
    end: () => (separator === '[' ? '[]\n' : '\n]\n'),
  };
}

/** The record with only these names, in their order. */
function pickFields<Name extends string>(names: readonly Name[], record: Fields<Name>) {
  return Object.fromEntries(names.map((name) => [name, record[name]]));
}

function rowsOf<Name extends string>(names: readonly Name[], records: readonly Fields<Name>[]): CsvValue[][] {
  return records.map((record) => names.map((name) => record[name]));
}
