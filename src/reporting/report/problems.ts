import type { RecordedRun } from '../../database/runs.ts';
import { count, printable } from '../../domain/text.ts';
import { epochSeconds, US_PER_MINUTE, US_PER_SECOND, type Span } from '../../domain/time.ts';
import { age } from '../units.ts';
import type { RegisterEnergy, ReportData, ValveReport } from './data.ts';
import { barsIn, kwhText } from './energy.ts';
import type { Messages } from './messages.ts';
import type { Bar } from './page/decode.ts';

/** What is wrong, in words: of the fleet, and of each valve. */
export interface Problems {
  fleet: readonly string[];
  /** one per valve, in the report's order; of each, the worst first */
  valves: readonly (readonly ValveProblem[])[];
}

export interface ValveProblem {
  /** the same of all valves with the same warning */
  title: string;
  detail: string;
  /** 0 is the worst */
  rank: number;
}

/** As long may no run have begun: as `tasmart check` has it. */
const MAX_RUN_AGE_INTERVALS = 3;

/** From the worst: what falsifies a bill now, what falsified one, what is lost, what the valve complained of. */
const RANKS = { failing: 0, silent: 1, reset: 2, jump: 3, error: 4, missing: 5, holes: 6, pastError: 7 } as const;

export function findProblems(data: ReportData, messages: Messages): Problems {
  return {
    fleet: [...data.unknown.map((text) => printable(text, 300)), ...runProblems(data, messages)],
    valves: data.valves.map((valve) =>
      [
        ...supplyProblems(valve, messages),
        ...currentErrors(valve, messages),
        ...holes(valve, data, messages),
        ...pastErrors(valve, messages),
        ...valve.energy.flatMap((register) => energyProblems(register, valve, data, messages)),
      ].sort((a, b) => a.rank - b.rank),
    ),
  };
}

/** A valve that left is watched no more: its section says so, and that is not a problem. */
function supplyProblems({ state, newestUs, ageUs }: ValveReport, { time }: Messages): ValveProblem[] {
  if (state !== 'silent' && state !== 'behind') return [];
  const since =
    newestUs === null
      ? 'no reading is stored'
      : `no reading since ${time(newestUs)}${ageUs === null ? '' : ` (${age(ageUs)})`}`;
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
  return [{ title: `${verb} ${namesOf(errorStatus)}`, detail, rank: RANKS.error }];
}

function holes({ gaps, state }: ValveReport, { toUs }: ReportData, { span }: Messages): ValveProblem[] {
  // The end of a silent valve is its own problem.
  const isOpen = (gap: Span): boolean => gap.toUs >= toUs && state !== 'ok' && state !== null;
  const own = gaps.filter((gap) => !isOpen(gap));
  const longest = longestOf(own);
  if (!longest) return [];
  const length = `${span(longest)} (${age(longest.toUs - longest.fromUs)})`;
  const detail = own.length === 1 ? length : `${own.length} gaps, ${age(lengthOf(own))} in all; the longest ${length}`;
  return [{ title: 'gaps without a reading', detail, rank: RANKS.holes }];
}

function pastErrors({ errors, newestUs, errorStatus }: ValveReport, { span }: Messages): ValveProblem[] {
  const isOver = ({ toUs }: Span): boolean => newestUs === null || toUs < newestUs || errorStatus?.length === 0;
  const past = errors.filter(isOver);
  return [...new Set(past.map(({ names }) => namesOf(names)))].flatMap((names) => {
    const spans = past.filter((each) => namesOf(each.names) === names);
    const last = spans.at(-1);
    if (!last) return [];
    const length = age(lengthOf(spans));
    const detail =
      spans.length === 1 ? `${span(last)} (${length})` : `${spans.length} times, ${length} in all; last ${span(last)}`;
    return [{ title: `reported ${names}`, detail, rank: RANKS.pastError }];
  });
}

function energyProblems(
  register: RegisterEnergy,
  valve: ValveReport,
  { fromUs }: ReportData,
  { spanS }: Messages,
): ValveProblem[] {
  const { regime } = register;
  const bars = barsIn(register, fromUs);
  const broken = (quality: 'reset' | 'jump', title: string): ValveProblem[] => {
    const [first, ...others] = bars.filter((bar) => bar.quality === quality);
    if (!first) return [];
    const when = spanS(first.startS, first.endS);
    const more = others.length === 0 ? '' : `, and ${count(others.length, 'bucket')} more like it`;
    const detail = `register ${regime}, ${when}: at least ${kwhText(first.kwh ?? 0)} kWh${more}`;
    return [{ title, detail, rank: RANKS[quality] }];
  };
  return [
    ...broken('reset', 'the counter fell: the kWh are a lower bound'),
    ...broken('jump', 'the counter rose more than the valve can pass: the kWh are a lower bound'),
    ...missing(bars, regime, valve),
  ];
}

/** Only where the valve was there: a register that never counted, or a valve to come, has nothing to miss. */
function missing(bars: readonly Bar[], regime: number, { days, newestUs }: ValveReport): ValveProblem[] {
  const firstUs = days.find(({ expected }) => expected > 0)?.startUs ?? Infinity;
  const firstS = epochSeconds(firstUs);
  const within = bars.filter(({ startS, endS }) => startS >= firstS && endS <= epochSeconds(newestUs ?? 0));
  const lost = within.filter(({ quality }) => quality === 'missing');
  if (lost.length === 0 || lost.length === within.length) return [];
  const length = age(lost.reduce((sum, each) => sum + each.endS - each.startS, 0) * US_PER_SECOND);
  return [{ title: 'hours without kWh', detail: `register ${regime}: ${length}`, rank: RANKS.missing }];
}

function runProblems({ newestRun, lastSuccess, intervalMinutes }: ReportData, { time }: Messages): string[] {
  if (!newestRun) return ['No poll has run yet'];
  const maxAgeUs = MAX_RUN_AGE_INTERVALS * intervalMinutes * US_PER_MINUTE;
  const isLate = newestRun.ageUs > maxAgeUs;
  const late = `No run has begun since ${time(newestRun.startedUs)} (${age(newestRun.ageUs)}): is it still scheduled?`;
  const isSound = newestRun.outcome === 'success' || newestRun.outcome === 'running';
  return [...(isLate ? [late] : []), ...(isSound ? [] : [runText(newestRun, lastSuccess, time)])];
}

function runText(run: RecordedRun, lastSuccess: RecordedRun | null, time: Messages['time']): string {
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
