/** Finds what is wrong with the polling and with each valve. */
import type { RecordedRun } from '../../database/last-polls.ts';
import { escapeAndCut } from '../../domain/text.ts';
import { epochSeconds, US_PER_MINUTE, US_PER_SECOND, type Span } from '../../domain/time.ts';
import { durationText } from '../units.ts';
import type { NamedSpan, RegimeEnergy, ReportFrame, ValveReport } from './data.ts';
import { barsOf, kwhText } from './energy.ts';
import { groupThousands } from './page/numbers.ts';
import { groupedCount, type Messages } from './messages.ts';

/** What is wrong with the polling, and with each valve, in words. */
export interface Problems {
  fleet: readonly string[];
  /** one list per valve, in the report's order; the worst problem first */
  valves: readonly (readonly ValveProblem[])[];
}

export interface ValveProblem {
  /** equal for all valves with the same problem */
  title: string;
  detail: string;
  /** 0 is the worst */
  rank: number;
}

/** If the newest run is older, that is a problem. As `MISSED_INTERVALS` in commands/check/database.ts. */
const MAX_RUN_AGE_INTERVALS = 3;

/** Worst first: no readings now, uncertain kWh, errors and losses. Below 100: see `row` in overview-table.ts. */
const RANKS = {
  failing: 0,
  silent: 1,
  reset: 2,
  jump: 3,
  undecided: 4,
  error: 5,
  missing: 6,
  gaps: 7,
  withoutValues: 8,
  pastError: 9,
} as const;

export function fleetProblems(frame: ReportFrame, messages: Messages): string[] {
  return [...frame.unknownTargets.map((text) => escapeAndCut(text, 300)), ...runProblems(frame, messages)];
}

/** What is wrong with a valve, the worst first. */
export function valveProblems(valve: ValveReport, frame: ReportFrame, messages: Messages): ValveProblem[] {
  return [
    ...supplyProblems(valve, messages),
    ...currentErrors(valve, messages),
    ...gapProblems(valve, frame, messages),
    ...pastErrors(valve, messages),
    ...eventProblems(valve, messages),
    ...valve.energy.flatMap((counter) => missingKwh(counter, valve, frame)),
    ...missingValues(valve, messages),
  ].sort((a, b) => a.rank - b.rank);
}

/** Silent and failing valves. A valve that left its project is not polled any more, and that is not a problem. */
function supplyProblems({ state, newestUs, ageUs }: ValveReport, { time }: Messages): ValveProblem[] {
  if (state !== 'silent' && state !== 'behind') return [];
  const since =
    newestUs === null
      ? 'no reading is stored'
      : `no reading since ${time(newestUs)}${ageUs === null ? '' : ` (${durationText(ageUs)})`}`;
  return [
    state === 'silent'
      ? { title: 'silent: HyCloud has no newer reading', detail: since, rank: RANKS.silent }
      : { title: 'failing: HyCloud was not asked, or not with success', detail: since, rank: RANKS.failing },
  ];
}

/** The errors of the newest reading. */
function currentErrors({ errorStatus, errors, newestUs, state }: ValveReport, { time }: Messages): ValveProblem[] {
  if (errorStatus === null || errorStatus.length === 0 || state === 'left') return [];
  const current = errors.findLast(({ toUs }) => newestUs !== null && toUs >= newestUs);
  const verb = state === 'silent' || state === 'behind' ? 'last reported' : 'reports';
  const detail = current ? `since ${time(current.fromUs)} at least` : '';
  return [{ title: `${verb} ${joinNames(errorStatus.toSorted())}`, detail, rank: RANKS.error }];
}

function gapProblems(
  { gaps, state, newestUs }: ValveReport,
  { toUs, generatedUs }: ReportFrame,
  { span }: Messages,
): ValveProblem[] {
  const endUs = Math.min(toUs, generatedUs);
  const isSilent = state !== 'ok' && state !== null;
  // A gap that lasts until now is reported by supplyProblems, or is not a problem because the valve left.
  const isOpen = (gap: Span): boolean => isSilent && gap.toUs >= endUs && (newestUs ?? 0) <= gap.fromUs;
  const closed = gaps.filter((gap) => !isOpen(gap));
  const longest = longestOf(closed);
  if (!longest) return [];
  const longestText = `${span(longest)} (${durationText(totalUs([longest]))})`;
  const inAll = `${closed.length} gaps, ${durationText(totalUs(closed))} in all`;
  const detail = closed.length === 1 ? longestText : `${inAll}; the longest ${longestText}`;
  return [{ title: 'gaps without a reading', detail, rank: RANKS.gaps }];
}

function missingValues({ withoutValues }: ValveReport, messages: Messages): ValveProblem[] {
  return spanProblems(withoutValues, (names) => `readings without ${names}`, RANKS.withoutValues, messages);
}

/** Errors that a later reading no longer reports. */
function pastErrors({ errors, newestUs, errorStatus }: ValveReport, messages: Messages): ValveProblem[] {
  const isOver = ({ toUs }: Span): boolean => newestUs === null || toUs < newestUs || errorStatus?.length === 0;
  return spanProblems(errors.filter(isOver), (names) => `reported ${names}`, RANKS.pastError, messages);
}

/** One problem per list of names, for all spans with these names. */
function spanProblems(
  spans: readonly NamedSpan[],
  titleOf: (names: string) => string,
  rank: number,
  { span }: Messages,
): ValveProblem[] {
  return [...new Set(spans.map(({ names }) => joinNames(names)))].flatMap((names) => {
    const alike = spans.filter((candidate) => joinNames(candidate.names) === names);
    const last = alike.at(-1);
    if (!last) return [];
    const length = durationText(totalUs(alike));
    const detail =
      alike.length === 1 ? `${span(last)} (${length})` : `${alike.length} times, ${length} in all; last ${span(last)}`;
    return [{ title: titleOf(names), detail, rank }];
  });
}

/** Events that make kWh uncertain. A glitch costs nothing, and corrections are the operator's own. */
const UNCERTAIN = {
  reset: 'the counter fell: the kWh are a lower bound',
  jump: 'the counter rose more than the valve can pass: the kWh are a lower bound',
  undecided: 'the counter moved, and later readings must show why: the newest kWh are provisional',
} as const;

function eventProblems({ events }: ValveReport, { span }: Messages): ValveProblem[] {
  return (Object.keys(UNCERTAIN) as (keyof typeof UNCERTAIN)[]).flatMap((kind) => {
    const [first, ...others] = events.filter((event) => event.kind === kind);
    if (!first) return [];
    const { regime, fromUs, toUs, fromKwh, toKwh, countedKwh } = first;
    const detail = [
      `regime ${regime}, ${span({ fromUs, toUs })}`,
      `from ${groupThousands(fromKwh)} to ${groupThousands(toKwh)} kWh`,
      `${kwhText(countedKwh)} kWh counted`,
      ...(others.length === 0 ? [] : [`and ${others.length} more`]),
    ].join(', ');
    return [{ title: UNCERTAIN[kind], detail, rank: RANKS[kind] }];
  });
}

/** Hours without kWh between the valve's first and newest reading. A counter that never counted has none to miss. */
function missingKwh(
  counter: RegimeEnergy,
  { timesUs, newestUs }: ValveReport,
  { fromUs }: ReportFrame,
): ValveProblem[] {
  const bars = barsOf(counter, fromUs);
  const firstS = epochSeconds(timesUs[0] ?? Infinity);
  const inService = bars.filter(({ startS, endS }) => startS >= firstS && endS <= epochSeconds(newestUs ?? 0));
  const missing = inService.filter(({ quality }) => quality === 'missing');
  if (missing.length === 0 || missing.length === inService.length) return [];
  const length = durationText(missing.reduce((sum, { startS, endS }) => sum + endS - startS, 0) * US_PER_SECOND);
  return [{ title: 'hours without kWh', detail: `regime ${counter.regime}: ${length}`, rank: RANKS.missing }];
}

function runProblems({ newestRun, lastSuccess, intervalMinutes }: ReportFrame, { time }: Messages): string[] {
  if (!newestRun) return ['No poll has run yet'];
  const maxAgeUs = MAX_RUN_AGE_INTERVALS * intervalMinutes * US_PER_MINUTE;
  const problems: string[] = [];
  if (newestRun.ageUs > maxAgeUs) {
    const since = `${time(newestRun.startedUs)} (${durationText(newestRun.ageUs)})`;
    problems.push(`No run has begun since ${since}: is it still scheduled?`);
  }
  const isSound = newestRun.outcome === 'success' || newestRun.outcome === 'running';
  if (!isSound) problems.push(runText(newestRun, lastSuccess, time));
  return problems;
}

function runText(run: RecordedRun, lastSuccess: RecordedRun | null, time: Messages['time']): string {
  const { outcome, error, failed, valves, startedUs, ageUs } = run;
  const ending =
    outcome === 'partial'
      ? `failed for ${groupThousands(failed)} of ${groupedCount(valves, 'valve')}`
      : RUN_ENDS[outcome];
  const reason = error === null ? '' : `: ${escapeAndCut(error, 300)}`;
  const success = lastSuccess
    ? `the last success was ${time(lastSuccess.startedUs)} (${durationText(lastSuccess.ageUs)} ago)`
    : 'no run has succeeded yet';
  return `The last run (${time(startedUs)}, ${durationText(ageUs)} ago) ${ending}${reason}; ${success}`;
}

/** How a run ended, after "The last run". */
const RUN_ENDS: Record<RecordedRun['outcome'], string> = {
  success: 'succeeded',
  partial: 'failed in part',
  failed: 'failed',
  interrupted: 'was interrupted',
  killed: 'was killed',
  running: 'is under way',
};

function joinNames(names: readonly string[]): string {
  return escapeAndCut(names.join(', '), 120);
}

function totalUs(spans: readonly Span[]): number {
  return spans.reduce((sum, { fromUs, toUs }) => sum + toUs - fromUs, 0);
}

function longestOf(spans: readonly Span[]): Span | undefined {
  return spans.toSorted((a, b) => b.toUs - b.fromUs - (a.toUs - a.fromUs))[0];
}
