/** Prints the result of `tasmart status`: table, JSON or CSV. */
import type { RecordedRun } from '../database/last-polls.ts';
import type { RegisteredValve, Supply } from '../database/status.ts';
import { count, escapeAndCut } from '../domain/text.ts';
import { formatRfc3339, US_PER_SECOND } from '../domain/time.ts';
import { valveLabel } from '../domain/valve.ts';
import { formatJson } from './json.ts';
import { recordOf, recordsText, VALVE_COLUMNS, type Columns } from './records.ts';
import type { Screen } from './screen.ts';
import { sparkline } from './sparkline.ts';
import { formatTable, wrapText, type Column } from './table.ts';
import { durationText, localTime } from './units.ts';

export interface ValveStatus {
  valve: RegisteredValve;
  supply: Supply;
  /**
   * - `ok`: its newest reading is new enough
   * - `silent`: HyCloud was asked, and had no point for the last boundary
   * - `behind`: its newest reading is too old, and no later request succeeded
   * - `left`: HyCloud no longer lists it
   */
  state: 'ok' | 'silent' | 'behind' | 'left';
  /** the newest reading is older than `maxAgeUs`, or there is none; always false for a valve that left */
  isLate: boolean;
}

/** What `tasmart status` shows. */
export interface Status {
  valves: readonly ValveStatus[];
  /** messages about targets that no run has found yet */
  unknownTargets: readonly string[];
  maxAgeUs: number;
  newestRun: RecordedRun | null;
  lastSuccess: RecordedRun | null;
}

/** Whether every target was found, at least one valve is watched, and none of them is late. */
export function isHealthy({ valves, unknownTargets }: Status): boolean {
  const watched = valves.filter(({ state }) => state !== 'left');
  return watched.length > 0 && unknownTargets.length === 0 && !watched.some(({ isLate }) => isLate);
}

/** In the order of the cells in `statusTable`. */
const columnsOf = (timezone: string, power: RecentPower | null): Column[] => [
  { heading: '' },
  { heading: 'valve', minWidth: 20 },
  { heading: 'serial', rank: 4 },
  { heading: `newest (${timezone})`, rank: 5, minWidth: 19 },
  { heading: 'age', align: 'right' },
  { heading: '' },
  ...(power === null ? [] : [{ heading: 'kW, last 24 h', rank: 7 }]),
  { heading: 'due', align: 'right', rank: 2 },
  { heading: 'holes', align: 'right', rank: 3 },
  { heading: 'unasked', align: 'right', rank: 6 },
  { heading: 'errors', rank: 1, minWidth: 8 },
];

/** By valve id: the mean power of each hour, oldest first. */
type RecentPower = ReadonlyMap<string, readonly (number | null)[]>;

export interface StatusView {
  timezone: string;
  /** null: not shown */
  power: RecentPower | null;
  screen: Pick<Screen, 'width' | 'textWidth'>;
  /** maximum number of lines; undefined: no limit */
  height?: number;
}

/** One line per valve, with a sparkline of its power if there is room. Then the messages about the whole. */
export function statusTable(status: Status, { timezone, power, screen, height = Infinity }: StatusView): string {
  const lines = [
    summary(status),
    ...status.unknownTargets.map((text) => `✗ ${escapeAndCut(text, 200)}`),
    ...runLines(status),
  ];
  const text = lines.map((line) => wrapText(line, screen.textWidth, 2)).join('\n');
  // Besides the valves: the headings, a blank line, and how many valves are left out.
  const shown = mostUrgent(status.valves, height - text.split('\n').length - 3);
  const rows = shown.map(({ valve, supply, state, isLate }) => [
    isLate ? '✗' : state === 'left' ? '–' : '✓',
    escapeAndCut(valveLabel(valve)),
    escapeAndCut(valve.shortSn ?? '–', 24),
    supply.newestUs === null ? '–' : localTime(supply.newestUs, timezone),
    supply.ageUs === null ? '–' : durationText(supply.ageUs),
    state,
    ...(power === null ? [] : [sparkline(power.get(valve.id) ?? [])]),
    ...[supply.gaps.due, supply.gaps.holes, supply.gaps.unasked].map((gaps) => (gaps === 0 ? '–' : String(gaps))),
    escapeAndCut((supply.errorStatus ?? []).join(' '), 40),
  ]);
  if (rows.length === 0) return `${text}\n`;
  const leftOut = status.valves.length - shown.length;
  const more = leftOut === 0 ? '' : `… and ${count(leftOut, 'valve')} more\n`;
  return `${formatTable(columnsOf(timezone, power), rows, screen.width)}${more}\n${text}\n`;
}

/** At most `amount` of the valves, late ones before others. They stay in the order of the list. */
function mostUrgent(valves: readonly ValveStatus[], amount: number): readonly ValveStatus[] {
  if (valves.length <= amount) return valves;
  const byUrgency = [...valves.filter(({ isLate }) => isLate), ...valves.filter(({ isLate }) => !isLate)];
  const urgent = new Set(byUrgency.slice(0, Math.max(0, amount)));
  return valves.filter((valve) => urgent.has(valve));
}

/** How many valves are watched, late, and no longer listed. */
function summary({ valves, maxAgeUs }: Status): string {
  const watched = valves.filter(({ state }) => state !== 'left');
  const late = watched.filter(({ isLate }) => isLate).length;
  const leftCount = valves.length - watched.length;
  const left = leftCount === 0 ? '' : `; ${leftCount} no longer listed`;
  if (watched.length === 0) return `✗ no valve is watched${left}: run "tasmart poll"`;
  return `${count(watched.length, 'valve')}: ${watched.length - late} up to date, ${late} older than ${durationText(maxAgeUs)}${left}.`;
}

/** Whether the counts of a run are known: it writes them at its end. */
export function hasCounts({ outcome }: RecordedRun): boolean {
  return outcome !== 'running' && outcome !== 'killed';
}

function runLines({ newestRun, lastSuccess }: Status): string[] {
  if (!newestRun) return ['No poll yet.'];
  const { outcome, ageUs, valves, stored, failed, error } = newestRun;
  const reason = error === null ? '' : `: ${escapeAndCut(error, 200)}`;
  const counts = ` (${count(valves, 'valve')}, ${count(stored, 'reading')} stored, ${failed} failed)`;
  const line = `Last poll: ${outcome}, ${durationText(ageUs)} ago${hasCounts(newestRun) ? counts : ''}${reason}`;
  if (outcome === 'success') return [line];
  return [line, lastSuccess ? `Last success: ${durationText(lastSuccess.ageUs)} ago` : 'No poll has succeeded yet.'];
}

export function statusJson(status: Status): string {
  return formatJson({
    ok: isHealthy(status),
    max_age_seconds: status.maxAgeUs / US_PER_SECOND,
    valves: status.valves.map((valveStatus) => ({
      ...recordOf(COLUMNS, valveStatus),
      // The names of its properties are the JSON's.
      gaps: valveStatus.supply.gaps,
      error_status: valveStatus.supply.errorStatus,
      account: valveStatus.valve.account,
    })),
    problems: status.unknownTargets,
    last_run: status.newestRun && runFields(status.newestRun),
    last_success: status.lastSuccess && runFields(status.lastSuccess),
  });
}

export function statusCsv({ valves }: Status): string {
  const columns: Columns<ValveStatus> = {
    ...COLUMNS,
    gaps_due: ({ supply }) => supply.gaps.due,
    gaps_holes: ({ supply }) => supply.gaps.holes,
    gaps_unasked: ({ supply }) => supply.gaps.unasked,
    error_status: ({ supply }) => supply.errorStatus?.join(' ') ?? null,
  };
  return recordsText('csv', columns, valves);
}

/** What JSON and CSV have in common. */
const COLUMNS: Columns<ValveStatus> = {
  ...VALVE_COLUMNS,
  state: ({ state }) => state,
  late: ({ isLate }) => isLate,
  newest_reading: ({ supply: { newestUs } }) => (newestUs === null ? null : formatRfc3339(newestUs)),
  age_seconds: ({ supply: { ageUs } }) => (ageUs === null ? null : Math.floor(ageUs / US_PER_SECOND)),
};

function runFields({ startedUs, ageUs, outcome, valves, stored, failed, error }: RecordedRun) {
  return {
    started_at: formatRfc3339(startedUs),
    age_seconds: Math.floor(ageUs / US_PER_SECOND),
    outcome,
    valves,
    stored,
    failed,
    error,
  };
}
