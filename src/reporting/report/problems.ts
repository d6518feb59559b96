/** Finds what is wrong with the polling and with each valve. */
import type { RecordedRun } from '../../database/last-polls.ts';
import { printable } from '../../domain/text.ts';
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

/** An older run is a problem, as in `tasmart check`. */
const MAX_RUN_AGE_INTERVALS = 3;

/** Worst first: no readings now, uncertain kWh, errors and losses. */
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
  return [...frame.unknownTargets.map((text) => printable(text, 300)), ...runProblems(frame, messages)];
}

/** The worst first. */
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

function currentErrors({ errorStatus, errors, newestUs, state }: ValveReport, { time }: Messages): ValveProblem[] {
  if (errorStatus === null || errorStatus.length === 0 || state === 'left') return [];
  const running = errors.findLast(({ toUs }) => newestUs !== null && toUs >= newestUs);
  const verb = state === 'silent' || state === 'behind' ? 'last reported' : 'reports';
  const detail = running ? `since ${time(running.fromUs)} at least` : '';
  return [{ title: `${verb} ${namesOf(errorStatus.toSorted())}`, detail, rank: RANKS.error }];
}

function gapProblems({ gaps, state }: ValveReport, { toUs }: ReportFrame, { span }: Messages): ValveProblem[] {
  // A gap that lasts until now is already reported by supplyProblems.
  const isOpen = (gap: Span): boolean => gap.toUs >= toUs && state !== 'ok' && state !== null;
  const own = gaps.filter((gap) => !isOpen(gap));
  const longest = longestOf(own);
  if (!longest) return [];
  const length = `${span(longest)} (${durationText(longest.toUs - longest.fromUs)})`;
  const detail =
    own.length === 1 ? length : `${own.length} gaps, ${durationText(lengthOf(own))} in all; the longest ${length}`;
  return [{ title: 'gaps without a reading', detail, rank: RANKS.gaps }];
}

function missingValues({ withoutValues }: ValveReport, messages: Messages): ValveProblem[] {
  return spanProblems(withoutValues, (names) => `readings without ${names}`, RANKS.withoutValues, messages);
}

function pastErrors({ errors, newestUs, errorStatus }: ValveReport, messages: Messages): ValveProblem[] {
  const isOver = ({ toUs }: Span): boolean => newestUs === null || toUs < newestUs || errorStatus?.length === 0;
  return spanProblems(errors.filter(isOver), (names) => `reported ${names}`, RANKS.pastError, messages);
}

/** One problem per list of names, for all spans with these names. */
function spanProblems(
  all: readonly NamedSpan[],
  title: (names: string) => string,
  rank: number,
  { span }: Messages,
): ValveProblem[] {
  return [...new Set(all.map(({ names }) => namesOf(names)))].flatMap((names) => {
    const own = all.filter((each) => namesOf(each.names) === names);
    const last = own.at(-1);
    if (!last) return [];
    const length = durationText(lengthOf(own));
    const detail =
      own.length === 1 ? `${span(last)} (${length})` : `${own.length} times, ${length} in all; last ${span(last)}`;
    return [{ title: title(names), detail, rank }];
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
      ...(fromKwh === null || toKwh === null
        ? []
        : [`from ${groupThousands(fromKwh)} to ${groupThousands(toKwh)} kWh`]),
      ...(countedKwh === null ? [] : [`${kwhText(countedKwh)} kWh counted`]),
      ...(others.length === 0 ? [] : [`and ${others.length} more`]),
    ].join(', ');
    return [{ title: UNCERTAIN[kind], detail, rank: RANKS[kind] }];
  });
}

/** Only between the valve's first and newest reading. A counter that never counted has no kWh to miss. */
function missingKwh(
  counter: RegimeEnergy,
  { timesUs, newestUs }: ValveReport,
  { fromUs }: ReportFrame,
): ValveProblem[] {
  const bars = barsOf(counter, fromUs);
  const firstS = epochSeconds(timesUs[0] ?? Infinity);
  const within = bars.filter(({ startS, endS }) => startS >= firstS && endS <= epochSeconds(newestUs ?? 0));
  const lost = within.filter(({ quality }) => quality === 'missing');
  if (lost.length === 0 || lost.length === within.length) return [];
  const length = durationText(lost.reduce((sum, each) => sum + each.endS - each.startS, 0) * US_PER_SECOND);
  return [{ title: 'hours without kWh', detail: `regime ${counter.regime}: ${length}`, rank: RANKS.missing }];
}

function runProblems({ newestRun, lastSuccess, intervalMinutes }: ReportFrame, { time }: Messages): string[] {
  if (!newestRun) return ['No poll has run yet'];
  const maxAgeUs = MAX_RUN_AGE_INTERVALS * intervalMinutes * US_PER_MINUTE;
  const isLate = newestRun.ageUs > maxAgeUs;
  const late = `No run has begun since ${time(newestRun.startedUs)} (${durationText(newestRun.ageUs)}): is it still scheduled?`;
  const isSound = newestRun.outcome === 'success' || newestRun.outcome === 'running';
  return [...(isLate ? [late] : []), ...(isSound ? [] : [runText(newestRun, lastSuccess, time)])];
}

function runText(run: RecordedRun, lastSuccess: RecordedRun | null, time: Messages['time']): string {
  const { outcome, error, failed, valves, startedUs, ageUs } = run;
  const how =
    outcome === 'partial'
      ? `failed for ${groupThousands(failed)} of ${groupedCount(valves, 'valve')}`
      : RUN_ENDS[outcome];
  const reason = error === null ? '' : `: ${printable(error, 300)}`;
  const success = lastSuccess
    ? `the last success was ${time(lastSuccess.startedUs)} (${durationText(lastSuccess.ageUs)} ago)`
    : 'no run has succeeded yet';
  return `The last run (${time(startedUs)}, ${durationText(ageUs)} ago) ${how}${reason}; ${success}`;
}

const RUN_ENDS: Record<RecordedRun['outcome'], string> = {
  success: 'succeeded',
  partial: 'failed in part',
  failed: 'failed',
  interrupted: 'was interrupted',
  killed: 'was killed',
  running: 'is under way',
};

function namesOf(names: readonly string[]): string {
  return printable(names.join(', '), 120);
}

function lengthOf(spans: readonly Span[]): number {
  return spans.reduce((sum, { fromUs, toUs }) => sum + toUs - fromUs, 0);
}

function longestOf(spans: readonly Span[]): Span | undefined {
  return spans.toSorted((a, b) => b.toUs - b.fromUs - (a.toUs - a.fromUs))[0];
}
