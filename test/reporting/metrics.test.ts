import { describe, expect, test } from 'vitest';
import { escapeHostile } from '../../src/domain/text.ts';
import { formatMetrics as formatRuns, type RunMetrics } from '../../src/reporting/metrics.ts';
import { parseMetrics } from '../support/prometheus.ts';
import { failure, polled, readingOf, summaryOf, us } from './builder.ts';

function run(more: Partial<RunMetrics> = {}): RunMetrics {
  return {
    account: '',
    isLocked: false,
    lockedRuns: null,
    endedUs: us('2026-03-01T10:15:04.250000Z'),
    seconds: 1.2345,
    exitStatus: 0,
    requests: 3,
    retries: 1,
    report: summaryOf().report,
    valves: [polled()],
    isNarrowed: false,
    shard: null,
    ...more,
  };
}

/** Of the one account there is. */
function formatMetrics(single: RunMetrics, previous: string): string {
  return formatRuns([single], previous);
}

function valueOf(text: string, name: string, labels: Record<string, string> = {}): number | undefined {
  const wanted = Object.entries(labels);
  return parseMetrics(text).find(
    (sample) => sample.name === name && wanted.every(([label, value]) => sample.labels[label] === value),
  )?.value;
}

test('a run and its valves, by the book', () => {
  expect(formatMetrics(run(), '')).toBe(`# HELP tasmart_valve_info Names and firmware of the valve; always 1
# TYPE tasmart_valve_info gauge
tasmart_valve_info{tasmart_id="valve-1",name="Boiler room",short_sn="89abcdef",full_sn="",firmware=""} 1
# HELP tasmart_valve_reading_timestamp_seconds Time of the newest reading of the valve
# TYPE tasmart_valve_reading_timestamp_seconds gauge
tasmart_valve_reading_timestamp_seconds{tasmart_id="valve-1"} 1772360098.535091
# HELP tasmart_valve_flow_cubic_meters_per_hour Flow at the newest reading, mean of 15 s
# TYPE tasmart_valve_flow_cubic_meters_per_hour gauge
tasmart_valve_flow_cubic_meters_per_hour{tasmart_id="valve-1"} 1.534
# HELP tasmart_valve_power_watts Power at the newest reading, mean of 15 s
# TYPE tasmart_valve_power_watts gauge
tasmart_valve_power_watts{tasmart_id="valve-1"} 15181.4
# HELP tasmart_valve_energy_joules_total Energy counter since installation, in steps of 1 kWh
# TYPE tasmart_valve_energy_joules_total counter
tasmart_valve_energy_joules_total{tasmart_id="valve-1",register="1"} 44442000000
tasmart_valve_energy_joules_total{tasmart_id="valve-1",register="2"} 0
# HELP tasmart_run_duration_seconds How long the last run took
# TYPE tasmart_run_duration_seconds gauge
tasmart_run_duration_seconds 1.234
# HELP tasmart_run_exit_status Exit status of the last run; 0 is success
# TYPE tasmart_run_exit_status gauge
tasmart_run_exit_status 0
# HELP tasmart_run_requests Requests to HyCloud in the last run, retries included
# TYPE tasmart_run_requests gauge
tasmart_run_requests 3
# HELP tasmart_run_retries Requests of the last run that repeated a failed one
# TYPE tasmart_run_retries gauge
tasmart_run_retries 1
# HELP tasmart_run_readings_stored Readings that the last run stored
# TYPE tasmart_run_readings_stored gauge
tasmart_run_readings_stored 1
# HELP tasmart_run_valves Valves of the last run, by what became of them
# TYPE tasmart_run_valves gauge
tasmart_run_valves{state="changed"} 1
tasmart_run_valves{state="unchanged"} 0
tasmart_run_valves{state="silent"} 0
tasmart_run_valves{state="failed"} 0
# HELP tasmart_last_run_timestamp_seconds When the last run ended, however it did
# TYPE tasmart_last_run_timestamp_seconds gauge
tasmart_last_run_timestamp_seconds 1772360104.250000
# HELP tasmart_last_success_timestamp_seconds When the last run that read every valve ended
# TYPE tasmart_last_success_timestamp_seconds gauge
tasmart_last_success_timestamp_seconds 1772360104.250000
`);
});

test('what a reading lacks has no sample', () => {
  const newest = readingOf({ measuredFlowDlh: null, energyCounter2Kwh: null });
  const text = formatMetrics(run({ valves: [polled({ newest })] }), '');
  expect(valueOf(text, 'tasmart_valve_flow_cubic_meters_per_hour')).toBeUndefined();
  expect(valueOf(text, 'tasmart_valve_energy_joules_total', { register: '2' })).toBeUndefined();
  expect(valueOf(text, 'tasmart_valve_power_watts')).toBe(15_181.4);
});

describe('names that mean harm stay names, and what would act on a terminal is spelled out', () => {
  const NAMES = [
    'a "quoted" \\ name',
    'two\nlines',
    'ends in \\',
    '"} 1\ntasmart_run_exit_status 0',
    '{}=,# HELP',
    'Città 東京 🔥\u2028\r\t',
    '\u001b[2J\u202egpj.exe',
    '',
  ];

  test.each(NAMES)('%j', (name) => {
    const valves = [polled({ id: name, userId: name, shortSn: name })];
    const text = formatMetrics(run({ valves }), '');
    expect(
      parseMetrics(text)
        .filter(({ labels }) => 'tasmart_id' in labels)
        .map(({ labels }) => labels['tasmart_id']),
    ).toEqual(Array.from({ length: 6 }, () => escapeHostile(name)));
    expect(text).not.toMatch(/[^\P{C}\n]/u);
    expect(valueOf(text, 'tasmart_run_exit_status')).toBe(0);
    // Read back from the file, it is the same valve, and none is there twice.
    const failedText = formatMetrics(run({ report: null, valves: [], exitStatus: 69 }), text);
    expect(valueOf(failedText, 'tasmart_valve_power_watts', { tasmart_id: escapeHostile(name) })).toBe(15_181.4);
    expect(formatMetrics(run({ valves }), failedText)).toBe(text);
  });
});

describe('what a run cannot know is taken over', () => {
  const later = us('2026-03-01T10:30:04.000000Z');
  const report = summaryOf({ valves: 2 }).report;
  const two = { report, valves: [polled(), polled({ id: 'valve-2', shortSn: '00000002' })] };
  const before = formatMetrics(run(two), '');

  test('a run that failed leaves the valves, and the last success, as they were', () => {
    const text = formatMetrics(run({ report: null, valves: [], exitStatus: 69, endedUs: later, requests: 5 }), before);
    expect(valueOf(text, 'tasmart_valve_reading_timestamp_seconds', { tasmart_id: 'valve-2' })).toBe(1772360098.535091);
    expect(valueOf(text, 'tasmart_valve_info', { tasmart_id: 'valve-1' })).toBe(1);
    expect(valueOf(text, 'tasmart_last_success_timestamp_seconds')).toBe(1772360104.25);
    expect(valueOf(text, 'tasmart_last_run_timestamp_seconds')).toBe(1772361004);
    expect(valueOf(text, 'tasmart_run_exit_status')).toBe(69);
    expect(valueOf(text, 'tasmart_run_requests')).toBe(5);
    expect(valueOf(text, 'tasmart_run_valves')).toBeUndefined();
    expect(formatMetrics(run({ report: null, valves: [], exitStatus: 69, endedUs: later, requests: 5 }), text)).toBe(
      text,
    );
  });

  test('a valve that could not be read keeps its last reading, under the name of now', () => {
    const unread = polled({ userId: 'New name', newest: null, failure: failure('HTTP 503') });
    const failures = [{ valve: unread.valve, reason: 'HTTP 503', remedy: null }];
    const { report } = summaryOf({ failures });
    const text = formatMetrics(run({ report, valves: [unread], exitStatus: 2 }), before);
    expect(valueOf(text, 'tasmart_valve_power_watts', { tasmart_id: 'valve-1' })).toBe(15_181.4);
    expect(valueOf(text, 'tasmart_valve_info', { name: 'New name' })).toBe(1);
    expect(valueOf(text, 'tasmart_run_valves', { state: 'failed' })).toBe(1);
    expect(valueOf(text, 'tasmart_last_success_timestamp_seconds')).toBe(1772360104.25);
  });

  test('a valve that is no longer polled goes, unless only some were asked for', () => {
    const valves = [polled({ newest: readingOf({ measuredPowerDw: 10 }) })];
    const whole = formatMetrics(run({ valves }), before);
    expect(valueOf(whole, 'tasmart_valve_power_watts', { tasmart_id: 'valve-2' })).toBeUndefined();
    const narrowed = formatMetrics(run({ valves, isNarrowed: true }), before);
    expect(valueOf(narrowed, 'tasmart_valve_power_watts', { tasmart_id: 'valve-2' })).toBe(15_181.4);
    expect(valueOf(narrowed, 'tasmart_valve_power_watts', { tasmart_id: 'valve-1' })).toBe(1);
  });

  test.each([
    ['nothing', ''],
    ['binary', '\0\u0001\ufffd'],
    ['half a file', before.slice(0, 400)],
    ['somebody else’s', 'node_load1 0.5\ntasmart_other{tasmart_id="x"} 1\n'],
    ['a broken label', 'tasmart_valve_power_watts{tasmart_id="x} 1\n'],
  ])('%s before it does no harm', (_what, previous) => {
    const text = formatMetrics(run(two), previous);
    expect(text).toBe(before);
  });
});

describe('several accounts', () => {
  const two = [
    run({ account: 'torino', valves: [polled()] }),
    run({ account: 'Asti "B"', valves: [polled({ id: 'valve-2' })], lockedRuns: 3 }),
  ];
  const before = formatRuns(two, '');

  test('each has its own samples, under its name', () => {
    expect(valueOf(before, 'tasmart_run_exit_status', { account: 'torino' })).toBe(0);
    expect(valueOf(before, 'tasmart_locked_runs_total', { account: 'Asti "B"' })).toBe(3);
    expect(valueOf(before, 'tasmart_valve_info', { tasmart_id: 'valve-2', account: 'Asti "B"' })).toBe(1);
  });

  test('one that is refused keeps its valves and its last success; the other has its new ones', () => {
    const endedUs = us('2026-03-01T10:30:04.000000Z');
    const refused = run({ account: 'torino', valves: [], report: null, exitStatus: 77, endedUs });
    const text = formatRuns(
      [refused, run({ account: 'Asti "B"', valves: [polled({ id: 'valve-3' })], endedUs })],
      before,
    );
    const successOf = (account: string) => valueOf(text, 'tasmart_last_success_timestamp_seconds', { account });
    expect([successOf('torino'), successOf('Asti "B"')]).toEqual([1772360104.25, 1772361004]);
    const powers = ['valve-1', 'valve-2', 'valve-3'].map((id) =>
      valueOf(text, 'tasmart_valve_power_watts', { tasmart_id: id }),
    );
    expect(powers).toEqual([15_181.4, undefined, 15_181.4]);
    expect(valueOf(text, 'tasmart_locked_runs_total', { account: 'Asti "B"' })).toBe(3);
  });

  test('of one that another run polls, everything stays; one that is not configured any more goes', () => {
    const locked = run({ account: 'torino', valves: [], report: null, exitStatus: 75, isLocked: true });
    const text = formatRuns([locked], before);
    const ofTorino = before.split('\n').filter((line) => /torino|valve-1/.test(line));
    expect(text.split('\n').filter((line) => /torino|valve-1/.test(line))).toEqual(ofTorino);
    expect(text).not.toMatch(/Asti|valve-2/);
  });
});
