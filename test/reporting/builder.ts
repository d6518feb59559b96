/** Readings and results of polls, for the tests of what a poll prints. */
import { NO_MEASUREMENTS, type Reading } from '../../src/domain/reading.ts';
import { parseRfc3339, type Micros } from '../../src/domain/time.ts';
import type { PolledValve, PollReport } from '../../src/polling/report.ts';
import { pollFormat, type PollSummary, type PollView } from '../../src/reporting/poll.ts';

export function us(text: string): Micros {
  const timeUs = parseRfc3339(text);
  if (timeUs === null) throw new Error(`no time: ${text}`);
  return timeUs;
}

/** 10:14:58 UTC: 15 340 dl/h, 151 814 dW, 12 345 kWh and 0 kWh. */
export function readingOf(more: Partial<Reading> = {}): Reading {
  return {
    ...NO_MEASUREMENTS,
    timeUs: us('2026-03-01T10:14:58.535091Z'),
    measuredFlowDlh: 15_340,
    measuredPowerDw: 151_814,
    energyCounter1Kwh: 12_345,
    energyCounter2Kwh: 0,
    ...more,
  };
}

interface PolledOptions extends Partial<Omit<PolledValve, 'valve'>> {
  id?: string;
  shortSn?: string | null;
  userId?: string | null;
}

/** A valve with one reading, stored; `userId` is its name. */
export function polled({
  id = 'valve-1',
  shortSn = '89abcdef',
  userId = 'Boiler room',
  ...more
}: PolledOptions = {}): PolledValve {
  const reading = readingOf();
  const unknown = { kind: null, fullSn: null, cloudIdentifier: null, firmware: null };
  return {
    valve: { id, shortSn, userId, ...unknown, pointsPath: null },
    readings: [reading],
    newest: reading,
    syncedUntilUs: null,
    skipped: null,
    silent: false,
    failure: null,
    stored: new Set(more.readings ?? [reading]),
    ...more,
  };
}

/** The failure of a polled valve. */
export function failure(reason: string): PolledValve['failure'] {
  return { reason, remedy: null, error: null };
}

/** A run of one valve that was read and stored. */
export function summaryOf(more: Partial<PollReport & PollSummary> = {}): PollSummary {
  const { dryRun = false, requests = 3, retries = 1, seconds = 0.4567, ...report } = more;
  return {
    report: {
      outcome: 'success',
      nowUs: us('2026-03-01T10:15:03Z'),
      valves: 1,
      failures: [],
      stored: 1,
      unchanged: 0,
      silent: 0,
      skipped: null,
      error: null,
      missing: null,
      ...report,
    },
    dryRun,
    requests,
    retries,
    seconds,
  };
}

/** What a poll of these valves prints. Each valve is a batch. */
export function pollText(
  format: 'table' | 'json' | 'csv',
  valves: readonly PolledValve[],
  view: Omit<PollView, 'dryRun'>,
  summary: PollSummary = summaryOf({ valves: valves.length }),
): string {
  const output = pollFormat(format, { ...view, dryRun: summary.dryRun });
  for (const valve of valves) output.add([valve], summary.report.nowUs);
  return [...output.text(summary)].join('');
}
