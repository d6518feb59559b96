/** Reports of valves with computed data, for the tests of the page. */
import type { RecordedRun } from '../../../src/database/last-polls.ts';
import { US_PER_DAY, US_PER_MINUTE, type Span } from '../../../src/domain/time.ts';
import type { ReportFrame, ValveReport } from '../../../src/reporting/report/data.ts';
import { createPage, type PageAssets } from '../../../src/reporting/report/html.ts';
import { FROM_US, local, TIMEZONE, TO_US, valveOf } from './valve-builder.ts';

export const RUN: RecordedRun = {
  startedUs: TO_US - 3 * US_PER_MINUTE,
  ageUs: 3 * US_PER_MINUTE,
  outcome: 'success',
  valves: 7,
  stored: 7,
  failed: 0,
  error: null,
};

export interface Report extends ReportFrame {
  valves: readonly ValveReport[];
}

export function reportHtml(report: Report, assets: PageAssets): string {
  const page = createPage(report, assets);
  for (const valve of report.valves) page.add(valve);
  return page.parts().join('');
}

function storedSpan(valves: readonly ValveReport[]): Span | null {
  const timesUs = valves.flatMap((valve) => [...valve.timesUs, ...(valve.newestUs === null ? [] : [valve.newestUs])]);
  return timesUs.length === 0 ? null : { fromUs: Math.min(...timesUs), toUs: Math.max(...timesUs) };
}

export function reportOf(valves: readonly ValveReport[], more: Partial<Report> = {}): Report {
  return {
    generatedUs: TO_US,
    fromUs: FROM_US,
    toUs: TO_US,
    previous: { fromUs: FROM_US - 8 * US_PER_DAY, toUs: TO_US - 8 * US_PER_DAY },
    timezone: TIMEZONE,
    intervalMinutes: 15,
    version: '0.1.0',
    bucket: 'hour',
    newestRun: RUN,
    lastSuccess: RUN,
    unknownTargets: [],
    valveCount: valves.length,
    stored: storedSpan(valves),
    valves,
    ...more,
  };
}

/** A text that must be escaped: HTML, a script that would set `window.hacked`, and control characters. */
export const HOSTILE = `"><script>window.hacked=1</script><img src=x onerror="window.hacked=1">'</section>\u0000\u202Eevil\u2066`;

/** Seven days of seven valves, most of them with a problem. */
export function sevenValves(more: Partial<Report> = {}): Report {
  const hole = { fromUs: local('2026-11-18T03:00'), toUs: local('2026-11-18T06:15') };
  const second = { fromUs: local('2026-11-21T14:00'), toUs: local('2026-11-21T15:00') };
  const error = {
    fromUs: local('2026-11-20T08:00'),
    toUs: local('2026-11-20T10:15'),
    names: ['WarningFlowNotReached'],
  };
  const silentUs = local('2026-11-22T22:48');
  return reportOf(
    [
      valveOf(0, { label: 'Caffè dell’atrio – Edificio "Ex Opificio"', backendRef: 'IT-4711', stored: 'all' }),
      valveOf(1, { label: 'Caffè dell’atrio – Scala B', holes: [hole, second], peakKw: 24 }),
      valveOf(2, {
        label: 'Collettore piano terra – Scala A',
        peakKw: 3,
        errors: [error, { ...error, fromUs: local('2026-11-22T23:00'), toUs: TO_US }],
        errorStatus: ['WarningFlowNotReached'],
      }),
      valveOf(3, {
        label: 'Colonna montante – lato Nord',
        peakKw: 60,
        coolingKw: 4,
        qualities: new Map([
          [local('2026-11-19T13:00'), 'reset'],
          [local('2026-11-21T09:00'), 'jump'],
        ]),
      }),
      valveOf(4, {
        label: 'Palestra – 1° piano',
        untilUs: silentUs,
        state: 'silent',
        ageUs: TO_US - silentUs,
        newestUs: silentUs,
      }),
      valveOf(5, {
        label: HOSTILE,
        shortSn: HOSTILE,
        projectName: 'x'.repeat(10_000),
        firmware: HOSTILE,
        backendRef: HOSTILE,
        errors: [{ ...error, names: [HOSTILE] }],
      }),
      valveOf(6, {
        label: 'Sottostazione – lato Sud',
        state: 'left',
        untilUs: local('2026-11-20T12:00'),
        ageUs: 2.5 * US_PER_DAY,
        peakKw: 140,
      }),
    ],
    more,
  );
}
