/** Prints records as JSON or CSV, with the same names, order and values in both. */
import type { MeteredValve } from '../database/consumption.ts';
import { formatCsv, type CsvValue } from './csv.ts';
import { formatJson } from './json.ts';

export type RecordFormat = 'json' | 'csv';
export type Fields<Name extends string> = Readonly<Record<Name, CsvValue>>;

/** A list of records: one JSON array, or CSV with a heading. */
export function recordsText<Name extends string>(
  format: RecordFormat,
  names: readonly Name[],
  records: readonly Fields<Name>[],
): string {
  return format === 'json' ? formatJson(records.map((record) => picked(names, record))) : csv(names, names, records);
}

/** A format that prints one valve at a time, so that only one valve is in memory. Call `begin`, `valve` for each, `end`. */
export interface ValveFormat<T> {
  begin: () => string;
  valve: (valve: MeteredValve, items: readonly T[]) => string;
  end: () => string;
}

/**
 * The same records as `recordsText`, valve by valve. The JSON is laid out differently. Use the result for one output only: it
 * remembers whether a record was printed.
 */
export function valveRecords<T, Name extends string>(
  format: RecordFormat,
  names: readonly Name[],
  fields: (valve: MeteredValve, item: T) => Fields<Name>,
): ValveFormat<T> {
  if (format === 'csv') {
    return {
      begin: () => csv(names, names, []),
      valve: (valve, items) =>
        csv(
          null,
          names,
          items.map((item) => fields(valve, item)),
        ),
      end: () => '',
    };
  }
  let separator = '[';
  return {
    begin: () => '',
    valve: (valve, items) =>
      items
        .map((item) => {
          const text = `${separator}\n${formatJson(picked(names, fields(valve, item))).trimEnd()}`;
          separator = ',';
          return text;
        })
        .join(''),
    end: () => (separator === '[' ? '[]\n' : '\n]\n'),
  };
}

function picked<Name extends string>(names: readonly Name[], record: Fields<Name>) {
  return Object.fromEntries(names.map((name) => [name, record[name]]));
}

function csv<Name extends string>(
  heading: readonly Name[] | null,
  names: readonly Name[],
  records: readonly Fields<Name>[],
): string {
  return formatCsv(
    heading,
    records.map((record) => names.map((name) => record[name])),
  );
}
