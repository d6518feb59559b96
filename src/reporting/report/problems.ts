import type { Consumption } from '../../database/consumption.ts';
import type { RecordedRun } from '../../database/runs.ts';
import { count, printable } from '../../domain/text.ts';
import { US_PER_MINUTE, type Span } from '../../domain/time.ts';
import { age } from '../units.ts';
import type { RegisterEnergy, ReportData, ValveReport } from './data.ts';
import { kwhText } from './energy.ts';
import type { Wording } from './wording.ts';

/** What is wrong, in words: of the fleet, and of each valve. */
export interface Problems {
  fleet: readonly string[];
  /** one per valve, in the report's order */
  valves: readonly ValveProblems[];
}

export interface ValveProblems {
  /** as things stand */
  now: readonly string[];
  /** what happened within the report's span */
  past: readonly string[];
}

/** As long may no run have begun: as `tasmart check` has it. */
const MAX_RUN_AGE_INTERVALS = 3;

export function findProblems(data: ReportData, wording: Wording): Problems {
  return {
    fleet: [...data.unknown.map((text) => printable(text, 300)), ...runProblems(data, wording)],
    valves: data.valves.map((valve) => ({
      now: [...supplyProblems(valve, wording), ...currentErrors(valve, wording)],
      past: [
        ...holes(valve, data, wording),
        ...pastErrors(valve, wording),
        ...valve.energy.flatMap((register) => energyProblems(register, valve, wording)),
      ],
    })),
  };
}

/** A valve that left is watched no more: its section says so, and that is no problem. */
function supplyProblems({ state, newestUs, ageUs }: ValveReport, { time }: Wording): string[] {
  if (state !== 'silent' && state !== 'behind') return [];
  if (newestUs === null)
    return [state === 'silent' ? 'silent: it never sent a reading' : 'failing: no reading is stored'];
  const since = `${time(newestUs)}${ageUs === null ? '' : ` (${age(ageUs)})`}`;
  return [
    state === 'silent'
      ? `silent: no reading since ${since}`
      : `failing: no reading since ${since}; HyCloud was not asked since, or not with success`,
  ];
}

function currentErrors({ errorStatus, errors, newestUs, state }: ValveReport, { time }: Wording): string[] {
  if (errorStatus === null || errorStatus.length === 0 || state === 'left') return [];
  const running = errors.findLast(({ toUs }) => newestUs !== null && toUs >= newestUs);
  const verb = state === 'silent' || state === 'behind' ? 'last reported' : 'reports';
  return [`${verb} ${namesOf(errorStatus)}${running ? `, since ${time(running.fromUs)} at least` : ''}`];
}

function holes({ gaps, state }: ValveReport, { toUs }: ReportData, { span }: Wording): string[] {
  // The end of a valve that fell silent is told as that.
  const isOpen = (gap: Span): boolean => gap.toUs >= toUs && state !== 'ok' && state !== null;
  const own = gaps.filter((gap) => !isOpen(gap));
  const longest = longestOf(own);
  if (!longest) return [];
  const length = `${span(longest)} (${age(longest.toUs - longest.fromUs)})`;
  if (own.length === 1) return [`a hole: no reading ${length}`];
  return [`${own.length} holes, ${age(lengthOf(own))} in all; the longest ${length}`];
}

function pastErrors({ errors, newestUs, errorStatus }: ValveReport, { span }: Wording): string[] {
  const isOver = ({ toUs }: Span): boolean => newestUs === null || toUs < newestUs || errorStatus?.length === 0;
  const past = errors.filter(isOver);
  return [...new Set(past.map(({ names }) => namesOf(names)))].flatMap((names) => {
    const spans = past.filter((each) => namesOf(each.names) === names);
    const last = spans.at(-1);
    if (!last) return [];
    const length = age(lengthOf(spans));
    return [
      spans.length === 1
        ? `reported ${names} ${span(last)} (${length})`
        : `reported ${names} ${spans.length} times, ${length} in all; last ${span(last)}`,
    ];
  });
}

function energyProblems({ regime, buckets }: RegisterEnergy, valve: ValveReport, { span }: Wording): string[] {
  const of = (quality: Consumption['quality']): Consumption[] => buckets.filter((bucket) => bucket.quality === quality);
  const when = (bucket: Consumption): string => span({ fromUs: bucket.startUs, toUs: bucket.endUs });
  const told = (quality: Consumption['quality'], words: (first: Consumption) => string): string[] => {
    const [first, ...others] = of(quality);
    if (!first) return [];
    const more = others.length === 0 ? '' : `, and ${count(others.length, 'bucket')} more like it`;
    return [`register ${regime}: ${words(first)}${more}`];
  };
  const kwh = (bucket: Consumption): string => `${kwhText(Number(bucket.kwh ?? 0))} kWh`;
  return [
    ...told('reset', (first) => `the counter was reset, ${when(first)}: at least ${kwh(first)}, a lower bound`),
    ...told('jump', (first) => `a rise that no valve could make, ${when(first)}: ${kwh(first)}`),
    ...missing(buckets, regime, valve),
  ];
}

/** Only where the valve was there: a register that never counted, or a valve to come, has nothing to miss. */
function missing(buckets: readonly Consumption[], regime: number, { days, newestUs }: ValveReport): string[] {
  const firstUs = days.find(({ expected }) => expected > 0)?.startUs ?? Infinity;
  const within = buckets.filter(({ startUs, endUs }) => startUs >= firstUs && endUs <= (newestUs ?? 0));
  const lost = within.filter(({ quality }) => quality === 'missing');
  if (lost.length === 0 || lost.length === within.length) return [];
  return [`register ${regime}: no kWh for ${age(lost.reduce((sum, each) => sum + each.endUs - each.startUs, 0))}`];
}

function runProblems({ newestRun, lastSuccess, intervalMinutes }: ReportData, { time }: Wording): string[] {
  if (!newestRun) return ['No poll has run yet'];
  const maxAgeUs = MAX_RUN_AGE_INTERVALS * intervalMinutes * US_PER_MINUTE;
  const isLate = newestRun.ageUs > maxAgeUs;
  const late = `No run has begun since ${time(newestRun.startedUs)} (${age(newestRun.ageUs)}): is it still scheduled?`;
  const isSound = newestRun.outcome === 'success' || newestRun.outcome === 'running';
  return [...(isLate ? [late] : []), ...(isSound ? [] : [runText(newestRun, lastSuccess, time)])];
}

function runText(run: RecordedRun, lastSuccess: RecordedRun | null, time: Wording['time']): string {
  const { outcome, error, failed, valves, startedUs, ageUs } = run;
  const how = outcome === 'partial' ? `failed for ${failed} of ${count(valves, 'valve')}` : RUN_ENDS[outcome];
  const reason = error === null ? '' : `: ${printable(error, 300)}`;
  const success = lastSuccess
    ? `the last success was ${time(lastSuccess.startedUs)} (${age(lastSuccess.ageUs)} ago)`
    : 'no run has succeeded yet';
  return `The last run (${time(startedUs)}, ${age(ageUs)} ago) ${how}${reason}; ${success}`;
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
