/** Which valve is linked to which register, as `tasmart link --list` prints it. */
import type { RegisteredValve } from '../database/status.ts';
import { escapeAndCut } from '../domain/text.ts';
import { compareNames, valveLabel } from '../domain/valve.ts';
import { recordsText, VALVE_NAMES, type Columns } from './records.ts';
import { formatTable } from './table.ts';

const COLUMNS: Columns<{ valve: RegisteredValve; register: string }> = {
  register: ({ register }) => register,
  ...VALVE_NAMES,
  account: ({ valve }) => valve.account,
};

/** A row per linked valve, ordered by account and register. */
export function linksText(format: 'table' | 'json' | 'csv', valves: readonly RegisteredValve[]): string {
  const linked = valves.flatMap((valve) => (valve.backendRef === null ? [] : [{ valve, register: valve.backendRef }]));
  linked.sort((a, b) => compareNames(a.valve.account, b.valve.account) || compareNames(a.register, b.register));
  if (format !== 'table') return recordsText(format, COLUMNS, linked);
  if (linked.length === 0) return 'No valve is linked.\n';
  const hasAccounts = linked.some(({ valve }) => valve.account !== '');
  const headings = [...(hasAccounts ? ['account'] : []), 'register', 'valve', 'serial'];
  return formatTable(
    headings.map((heading) => ({ heading })),
    linked.map(({ valve, register }) => [
      ...(hasAccounts ? [escapeAndCut(valve.account, 32)] : []),
      escapeAndCut(register, 32),
      escapeAndCut(valveLabel(valve), 32),
      escapeAndCut(valve.shortSn ?? '–', 24),
    ]),
  );
}
