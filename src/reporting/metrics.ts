/** Prints the metrics of a poll for Prometheus. */
import type { PolledValve, PollReport } from '../polling/report.ts';
import { escapeHostile } from '../domain/text.ts';
import { US_PER_SECOND, type Micros } from '../domain/time.ts';
import { valveLabel } from '../domain/valve.ts';

/** A polled valve, and its newest point; null: the valve failed or has none. */
export type SeenValve = Pick<PolledValve, 'valve' | 'newest'>;

/** The run of one account. */
export interface RunMetrics {
  /** label of the run's samples; '': no label */
  account: string;
  /** another run is polling the account: its samples in the file stay */
  isLocked: boolean;
  /** how many polls of the account were ever locked out by another run; null: unknown */
  lockedRuns: number | null;
  endedUs: Micros;
  seconds: number;
  exitStatus: number;
  requests: number;
  retries: number;
  /** null: the run failed before it had a report */
  report: PollReport | null;
  /** the valves that the report counts */
  valves: readonly SeenValve[];
  /** only some of the targeted valves were polled: the samples of the others stay */
  isNarrowed: boolean;
  /** such as 2/4: label of the run's samples; null: all valves */
  shard: string | null;
}

/** In base units, as Prometheus recommends. Only flow is per hour, as the trade measures it. */
const FAMILIES = {
  tasmart_valve_info: ['gauge', 'Names and firmware of the valve; always 1'],
  tasmart_valve_reading_timestamp_seconds: ['gauge', 'Time of the newest reading of the valve'],
  tasmart_valve_flow_cubic_meters_per_hour: ['gauge', 'Flow at the newest reading, mean of 15 s'],
  tasmart_valve_power_watts: ['gauge', 'Power at the newest reading, mean of 15 s'],
  tasmart_valve_energy_joules_total: ['counter', 'Energy counter since installation, in steps of 1 kWh'],
  tasmart_run_duration_seconds: ['gauge', 'How long the last run took'],
  tasmart_run_exit_status: ['gauge', 'Exit status of the last run; 0 is success'],
  tasmart_run_requests: ['gauge', 'Requests to HyCloud in the last run, retries included'],
  tasmart_run_retries: ['gauge', 'Requests of the last run that repeated a failed one'],
  tasmart_run_readings_stored: ['gauge', 'Readings that the last run stored'],
  tasmart_run_valves: ['gauge', 'Valves of the last run, by what became of them'],
  tasmart_locked_runs_total: ['counter', 'Runs that did nothing because another run was under way'],
  tasmart_last_run_timestamp_seconds: ['gauge', 'When the last run ended, however it did'],
  tasmart_last_success_timestamp_seconds: ['gauge', 'When the last run that read every valve ended'],
} as const;

type Family = keyof typeof FAMILIES;

interface Sample {
  family: Family;
  line: string;
}

/** A sample of the previous file, with two of its labels, escaped as in `line`. */
interface PreviousSample extends Sample {
  /** null: the sample is not of a valve */
  tasmartId: string | null;
  /** null: the line has no account */
  account: string | null;
}

/** By valve id, escaped. */
type PolledValves = ReadonlyMap<string, SeenValve & { account: string }>;

/**
 * Text format 0.0.4. Copies samples that this run cannot know from the previous file: the newest reading of a valve that
 * failed now, and the time of the last success. Otherwise they would vanish from graphs and alerts during a failure.
 *
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
 * @see https://prometheus.io/docs/practices/naming/
 */
export function formatMetrics(runs: readonly RunMetrics[], previousText: string): string {
  // A map, because a valve must have one sample only, even if two accounts polled it.
  const polled: PolledValves = new Map(
    runs.flatMap(({ valves, account }) => valves.map((seen) => [escapeLabel(seen.valve.id), { ...seen, account }])),
  );
  const samples = [
    ...[...polled.values()].flatMap(valveSamples),
    ...runs.flatMap((run) => (run.isLocked ? [] : runSamples(run))),
    ...keptSamples(parseSamples(previousText), runs, polled),
  ];
  return (Object.keys(FAMILIES) as Family[])
    .map((family) => {
      const lines = samples.filter((sample) => sample.family === family).map(({ line }) => `${line}\n`);
      const [type, help] = FAMILIES[family];
      return lines.length === 0 ? '' : `# HELP ${family} ${help}\n# TYPE ${family} ${type}\n${lines.join('')}`;
    })
    .join('');
}

/** The samples of the previous file that these runs cannot know. The samples of accounts that no run polled are dropped. */
function keptSamples(
  previous: readonly PreviousSample[],
  runs: readonly RunMetrics[],
  polled: PolledValves,
): PreviousSample[] {
  const accounts = accountsOf(previous);
  return previous.filter(({ family, tasmartId, account: ownAccount }) => {
    const account = (tasmartId === null ? ownAccount : accounts.get(tasmartId)) ?? '';
    const run = runs.find((candidate) => escapeLabel(candidate.account) === account);
    if (!run) return false;
    if (tasmartId === null) return run.isLocked || isUnknownTo(run, family);
    const valve = polled.get(tasmartId);
    if (!valve) return run.report === null || run.isNarrowed;
    // A valve that failed has a new info sample, but keeps its reading.
    return valve.newest === null && family !== 'tasmart_valve_info';
  });
}

/** The account of each valve, by valve id. Only tasmart_valve_info has the account as a label. */
function accountsOf(samples: readonly PreviousSample[]): Map<string, string> {
  const infos = samples.filter(({ family }) => family === 'tasmart_valve_info');
  return new Map(infos.flatMap(({ tasmartId, account }) => (tasmartId === null ? [] : [[tasmartId, account ?? '']])));
}

/** Whether `runSamples` leaves this family out because the run does not know its value: the last one still holds. */
function isUnknownTo({ exitStatus, lockedRuns }: RunMetrics, family: Family): boolean {
  if (family === 'tasmart_last_success_timestamp_seconds') return exitStatus !== 0;
  return family === 'tasmart_locked_runs_total' && lockedRuns === null;
}

function valveSamples({ valve, newest, account }: SeenValve & { account: string }): Sample[] {
  const valveSample = (family: Family, value: string | null, labels: Record<string, string> = {}): Sample[] =>
    value === null ? [] : [sample(family, value, { tasmart_id: valve.id, ...labels })];
  const names = {
    name: valveLabel(valve),
    short_sn: valve.shortSn ?? '',
    full_sn: valve.fullSn ?? '',
    firmware: valve.firmware ?? '',
    ...(account !== '' && { account }),
  };
  const info = valveSample('tasmart_valve_info', '1', names);
  if (newest === null) return info;
  return [
    ...info,
    ...valveSample('tasmart_valve_reading_timestamp_seconds', secondsText(newest.timeUs)),
    ...valveSample('tasmart_valve_flow_cubic_meters_per_hour', quotientText(newest.measuredFlowDlh, 10_000)),
    ...valveSample('tasmart_valve_power_watts', quotientText(newest.measuredPowerDw, 10)),
    ...valveSample('tasmart_valve_energy_joules_total', joulesText(newest.energyCounter1Kwh), { register: '1' }),
    ...valveSample('tasmart_valve_energy_joules_total', joulesText(newest.energyCounter2Kwh), { register: '2' }),
  ];
}

function runSamples({
  endedUs,
  seconds,
  exitStatus,
  requests,
  retries,
  report,
  shard,
  account,
  lockedRuns,
}: RunMetrics): Sample[] {
  const runSample = (family: Family, value: string, labels: Record<string, string> = {}) =>
    sample(family, value, { ...(account !== '' && { account }), ...(shard !== null && { shard }), ...labels });
  const samples = [
    runSample('tasmart_run_duration_seconds', seconds.toFixed(3)),
    runSample('tasmart_run_exit_status', String(exitStatus)),
    runSample('tasmart_run_requests', String(requests)),
    runSample('tasmart_run_retries', String(retries)),
    runSample('tasmart_last_run_timestamp_seconds', secondsText(endedUs)),
    ...(lockedRuns === null ? [] : [runSample('tasmart_locked_runs_total', String(lockedRuns))]),
    ...(exitStatus === 0 ? [runSample('tasmart_last_success_timestamp_seconds', secondsText(endedUs))] : []),
  ];
  if (report === null) return samples;
  const { valves: valveCount, stored, unchanged, silent, failures } = report;
  const failed = failures.length;
  const changed = valveCount - unchanged - silent - failed;
  const states = Object.entries({ changed, unchanged, silent, failed });
  return [
    ...samples,
    runSample('tasmart_run_readings_stored', String(stored)),
    ...states.map(([state, valves]) => runSample('tasmart_run_valves', String(valves), { state })),
  ];
}

/** `parseSamples` must match the line. */
function sample(family: Family, value: string, labels: Record<string, string> = {}): Sample {
  const pairs = Object.entries(labels).map(([name, text]) => `${name}="${escapeLabel(text)}"`);
  return { family, line: `${family}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${value}` };
}

/** Escapes a label for the text format. Spells out control characters: people read the file on a terminal too. */
function escapeLabel(text: string): string {
  return escapeHostile(text).replaceAll('\\', '\\\\').replaceAll('"', '\\"');
}

function quotientText(value: number | null, divisor: number): string | null {
  return value === null ? null : String(value / divisor);
}

function joulesText(kwh: number | null): string | null {
  return kwh === null ? null : String(kwh * 3_600_000);
}

/** Exact to the microsecond. */
function secondsText(timeUs: Micros): string {
  const whole = Math.floor(timeUs / US_PER_SECOND);
  return `${whole}.${String(timeUs - whole * US_PER_SECOND).padStart(6, '0')}`;
}

/** A label as `escapeLabel` writes it. */
const LABEL = String.raw`[a-z_]+="(?:[^"\\\n]|\\["\\n])*"`;
/** A line as `sample` writes it; its groups are the family and the labels. */
const LINE = new RegExp(String.raw`^(tasmart_[a-z_]+)(?:\{(${LABEL}(?:,${LABEL})*)\})? -?[0-9.e+]+$`);
const TASMART_ID = /^tasmart_id="((?:[^"\\]|\\.)*)"/;
const ACCOUNT = /(?:^|,)account="((?:[^"\\]|\\.)*)"/;

/** Parses the file of an earlier run. Leaves out incomplete lines, and samples of other families. */
function parseSamples(text: string): PreviousSample[] {
  return text.split('\n').flatMap((line): PreviousSample[] => {
    const [, family = '', labels = ''] = LINE.exec(line) ?? [];
    if (!Object.hasOwn(FAMILIES, family)) return [];
    return [
      {
        family: family as Family,
        line,
        tasmartId: TASMART_ID.exec(labels)?.[1] ?? null,
        account: ACCOUNT.exec(labels)?.[1] ?? null,
      },
    ];
  });
}
