/** Reports with computed data, for the tests of the page. */
import { DateTime } from 'luxon';
import type { RecordedRun } from '../../../src/database/last-polls.ts';
import type { CounterEvent, EnergyBucket } from '../../../src/database/report.ts';
import {
  US_PER_DAY,
  US_PER_HOUR,
  US_PER_MINUTE,
  US_PER_SECOND,
  type Micros,
  type Span,
} from '../../../src/domain/time.ts';
import type { ReportFrame, Series, ValveReport } from '../../../src/reporting/report/data.ts';
import { dayRanges } from '../../../src/reporting/report/day-ranges.ts';
import { barsPayload } from '../../../src/reporting/report/embedded.ts';
import { createPage, type PageAssets } from '../../../src/reporting/report/html.ts';

export const TIMEZONE = 'Europe/Rome';
const INTERVAL_US = 15 * US_PER_MINUTE;

/** A local time such as `2026-11-16T03:00`, in TIMEZONE. */
export function local(text: string): Micros {
  return DateTime.fromISO(text, { zone: TIMEZONE }).toMillis() * 1000;
}

export const FROM_US = local('2026-11-16T00:00');
export const TO_US = local('2026-11-23T00:03');

export const RUN: RecordedRun = {
  startedUs: TO_US - 3 * US_PER_MINUTE,
  ageUs: 3 * US_PER_MINUTE,
  outcome: 'success',
  valves: 7,
  stored: 7,
  failed: 0,
  error: null,
};

export interface ValvePlan extends Partial<ValveReport> {
  /** stretches without a reading */
  holes?: readonly Span[];
  /** when the valve fell silent */
  untilUs?: Micros;
  /** qualities of single hours of regime 1, by the start of the hour */
  qualities?: ReadonlyMap<Micros, EnergyBucket['quality']>;
  peakKw?: number;
  coolingKw?: number;
  /** time between readings */
  stepUs?: Micros;
  /** which properties are stored, besides flow and power */
  stored?: 'temperatures' | 'all' | 'nothing';
}

/** A valve without faults that has a reading every 15 minutes, changed as the plan says. */
export function valveOf(
  index: number,
  plan: ValvePlan = {},
  { fromUs, toUs } = { fromUs: FROM_US, toUs: TO_US },
): ValveReport {
  const {
    holes = [],
    untilUs = toUs,
    qualities,
    peakKw = 20,
    coolingKw = 0,
    stepUs = INTERVAL_US,
    stored = 'temperatures',
    ...more
  } = plan;
  const gaps = [...holes, ...(untilUs < toUs ? [{ fromUs: untilUs, toUs }] : [])];
  const hasReading = (timeUs: Micros): boolean => !gaps.some((gap) => gap.fromUs < timeUs && timeUs < gap.toUs);
  const timesUs: Micros[] = [];
  for (let timeUs = fromUs; timeUs <= toUs; timeUs += stepUs) {
    const jitteredUs = timeUs - (timeUs === fromUs ? 0 : (index % 9) * US_PER_SECOND);
    if (hasReading(jitteredUs)) timesUs.push(jitteredUs);
  }
  const days = daysOf(fromUs, toUs, hasReading);
  const load = (timeUs: Micros): number => loadAt(timeUs, index);
  const series = (
    property: Series['property'],
    unit: string,
    places: number,
    valueAt: (timeUs: Micros) => number,
  ): Series => {
    const values = timesUs.map((timeUs) => Number(valueAt(timeUs).toFixed(places)));
    const dayStartsUs = days.map(({ startUs }) => startUs);
    return { property, unit, places, values, dayRanges: dayRanges(timesUs, values, dayStartsUs) };
  };
  const buckets = (regime: 1 | 2, kw: number): EnergyBucket[] =>
    hoursOf(fromUs, toUs).map((hour) => bucketOf(regime, hour, kw, { index, gaps, untilUs, qualities }));
  const energy = ([1, 2] as const).map((regime) => {
    const hours = buckets(regime, regime === 1 ? peakKw : coolingKw);
    const totalKwh = hours.reduce((sum, { kwh }) => sum + Math.round((kwh ?? 0) * 1000), 0) / 1000;
    return {
      regime,
      totalKwh: Number(totalKwh.toFixed(3)),
      previousKwh: Number((totalKwh * 0.8).toFixed(3)),
      isLowerBound: hours.some(({ quality }) => quality === 'reset' || quality === 'jump'),
      bars: barsPayload(regime, hours, fromUs),
    };
  });
  const newestUs = timesUs.at(-1) ?? null;
  return {
    id: `0000000${index}-1111-4222-8333-444444444444`,
    label: `Valve ${index + 1}`,
    shortSn: `dc8a9c${String(index).padStart(2, '0')}`,
    fullSn: `3a0025000f51373039dc8a${String(index).padStart(2, '0')}`,
    projectName: 'Ex Opificio',
    account: null,
    firmware: '1.9.2',
    backendRef: null,
    state: 'ok',
    newestUs,
    ageUs: newestUs === null ? null : toUs - newestUs,
    counter1Kwh: 163_064,
    counter2Kwh: 0,
    errorStatus: [],
    days,
    gaps,
    errors: [],
    timesUs,
    series: [
      series('measured_flow', 'm³/h', 4, (timeUs) => (load(timeUs) * peakKw) / 14),
      series('measured_power', 'kW', 4, (timeUs) => load(timeUs) * peakKw),
      ...(stored !== 'nothing'
        ? [
            series('local_temp', '°C', 1, (timeUs) => 28 + 12 * load(timeUs)),
            series('remote_temp', '°C', 1, (timeUs) => 38 + 26 * load(timeUs)),
            series('delta_t', 'K', 1, (timeUs) => 10 + 14 * load(timeUs)),
          ]
        : []),
      ...(stored === 'all'
        ? [
            series('relative_flow', '%', 2, (timeUs) => 90 * load(timeUs)),
            series('relative_power', '%', 2, (timeUs) => 80 * load(timeUs)),
            series('position', '%', 2, (timeUs) => 20 + 70 * load(timeUs)),
            series('input_signal', 'V', 1, (timeUs) => 10 * load(timeUs)),
          ]
        : []),
    ],
    energy,
    withoutValues: [],
    events: [...(qualities ?? [])].flatMap(([startsUs, quality]) => eventOf(startsUs, quality)),
    deltaT: stored === 'nothing' ? null : { meanK: 17.6, hours: 168, lowHours: 3.25, supply: 'remote' },
    ...more,
  };
}

/** The event of a counter that was reset or jumped within 15 minutes. Empty for other qualities. */
function eventOf(startsUs: Micros, kind: EnergyBucket['quality']): CounterEvent[] {
  if (kind !== 'reset' && kind !== 'jump') return [];
  const toKwh = kind === 'reset' ? 12 : 199_000;
  return [
    { regime: 1, kind, fromUs: startsUs, toUs: startsUs + INTERVAL_US, fromKwh: 163_000, toKwh, countedKwh: 2.31 },
  ];
}

/** The share of the peak power at an instant: a day's rhythm and some noise, shifted per valve. */
function loadAt(timeUs: Micros, index: number): number {
  const hours = timeUs / US_PER_HOUR + index * 0.7;
  const day =
    0.5 + 0.3 * Math.sin(((hours - 5) / 24) * 2 * Math.PI) + 0.12 * Math.sin(((hours - 2) / 12) * 2 * Math.PI);
  return Math.max(0, day + 0.05 * Math.sin(hours * 9.1) + 0.02 * Math.sin(hours * 31.7));
}

interface BucketPlan {
  index: number;
  gaps: readonly Span[];
  untilUs: Micros;
  qualities: ReadonlyMap<Micros, EnergyBucket['quality']> | undefined;
}

function bucketOf(regime: 1 | 2, hour: Span, kw: number, plan: BucketPlan): EnergyBucket {
  const { fromUs: startUs, toUs: endUs } = hour;
  const { gaps, untilUs, qualities, index } = plan;
  const isOpen = endUs > untilUs;
  const inGap = gaps.some((gap) => gap.fromUs < endUs && startUs < gap.toUs);
  const chosen = regime === 1 ? qualities?.get(startUs) : undefined;
  const usual = startUs >= untilUs ? 'missing' : isOpen ? 'provisional' : inGap ? 'estimated' : 'measured';
  const quality = chosen ?? usual;
  const kwh = (kw * loadAt(startUs, index) * (endUs - startUs)) / US_PER_HOUR;
  return {
    ...hour,
    quality,
    kwh: quality === 'missing' ? null : Number(kwh.toFixed(3)),
    coverage: inGap || isOpen ? 0.4 : 1,
  };
}

function hoursOf(fromUs: Micros, toUs: Micros): Span[] {
  const hours: Span[] = [];
  for (let startUs = fromUs; startUs < toUs; startUs += US_PER_HOUR) {
    hours.push({ fromUs: startUs, toUs: Math.min(startUs + US_PER_HOUR, toUs) });
  }
  return hours;
}

function daysOf(fromUs: Micros, toUs: Micros, hasReading: (timeUs: Micros) => boolean): ValveReport['days'] {
  const days: { startUs: Micros; expected: number; present: number }[] = [];
  let startUs = fromUs;
  while (startUs < toUs) {
    const nextUs =
      DateTime.fromMillis(startUs / 1000, { zone: TIMEZONE })
        .plus({ days: 1 })
        .startOf('day')
        .toMillis() * 1000;
    const day = { startUs, expected: 0, present: 0 };
    for (let timeUs = startUs; timeUs < Math.min(nextUs, toUs); timeUs += INTERVAL_US) {
      day.expected++;
      if (hasReading(timeUs - US_PER_SECOND)) day.present++;
    }
    days.push(day);
    startUs = nextUs;
  }
  return days;
}

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
